"""Texts in, texts out: an encoder reads a text, and a decoder writes what becomes of it, as it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import ModelError
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.generation import Generation, Writer
from tasks.kinds.base.kind import Kind
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing import baseline, nearest, own_answers, parts, quality
from tasks.kinds.text.transduction import encoding, folder, sources
from tasks.kinds.text.transduction.rows import DATA
from tasks.kinds.text.transduction.sources import Options

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def auto_model() -> Any:
    """The auto class of an encoder-decoder model."""
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM


def load_processor(place: Path) -> PreTrainedTokenizerBase:
    """The tokenizer; that of Marian by its tokenizer.json, for transformers has only one in Python."""
    from transformers import PreTrainedTokenizerFast

    try:
        return fast_tokenizer.load(place)
    except ModelError as error:
        if not (place / fast_tokenizer.FILE).is_file():
            advice = f"put a {fast_tokenizer.FILE} of the same vocabulary beside it"
            raise ModelError(place.name, f"{'; '.join(error.faults)}; {advice}") from None
    try:
        loaded: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(
            place, local_files_only=True
        )
    except Exception as error:  # tokenizers raises bare Exceptions
        why = " ".join(str(error).split())[:200]
        raise ModelError(place.name, f"its {fast_tokenizer.FILE} cannot be read: {why}") from None
    return loaded


def fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int, options: Options
) -> tuple[PreTrainedTokenizerBase, list[str]]:
    """The tokenizer, which now knows how texts are put, and what speaks against it."""
    config: Any = model.config
    faults = [
        *sources.faults(model, tokenizer, input_size, options),
        *texts.other_pieces(model, tokenizer),
    ]
    if not faults:
        start = str(tokenizer.convert_ids_to_tokens(config.decoder_start_token_id))
        sources.keep(tokenizer, options, start)
    return tokenizer, faults


def answered(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    input_size: int,
    options: Options,
) -> list[Row]:
    """Texts without completions, with what the teacher writes of them; students learn from it."""
    return own_answers.answered(checkpoint(model, tokenizer, input_size), rows)


def shipped(place: Path, graph: Path) -> Writer:
    """What writes with a shippable folder."""
    return folder.FolderWriter(place, graph)


def checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int) -> Writer:
    """What writes with a model in torch."""
    from tasks.kinds.text.transduction.torch_writer import TorchWriter

    return TorchWriter(model, tokenizer, input_size)


KIND = Kind(
    task="text_transduction",
    options=Options,
    data=DATA,
    model=parts.model(
        architectures="encoder_decoder",
        auto_model=auto_model,
        load_processor=load_processor,
        fit=fit,
        encode=encoding.encode,
        size=encoding.size,
        collate=encoding.collate,
        prepare=sources.prepare,
    ),
    quality=parts.measured(baseline.first_words),
    package=parts.package(folder.ship),
    report=parts.REPORT,
    learning=parts.LEARNING,
    generation=Generation(shipped, checkpoint, answered, nearest.answers, quality.traits),
)
