"""Loads a pretrained encoder and lets it answer once.

What does not fit, or would be dropped, is refused or told.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import ModelError, SlipwayError
from tasks.kinds.base.rows import BESIDE_THE_INPUTS
from tasks.pretrain import config, tokenizer
from tasks.pretrain.checkpoint_files import Weights, read_json, twins, weights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tasks.kinds.base.kind import Features, Kind, Processor, Row
    from tasks.models.checkpoint import TensorMatch

HEADS = frozenset(
    {
        *(
            "classifier",
            "pre_classifier",
            "cls",
            "lm_head",
            "decoder",
            "head",
            "score",
            "pooler",
            "qa_outputs",
        ),
        *(
            "lm_predictions",
            "mask_predictions",
            "discriminator_predictions",
            "generator_predictions",
            "generator_lm_head",
        ),
        *("vocab_transform", "vocab_layer_norm", "vocab_projector"),
    }
)
"""First parts of the names of heads. They count where the encoder's own tensors have no prefix by which they
are told from heads."""
SAMPLE = 200
"""Training rows that the tokenizer is tried on,"""
TRIED = 4
"""and the model."""


def load(
    folder: Path,
    kind: Kind,
    device: torch.device,
    input_size: int,
    options: Any,
    rows: Sequence[Row],
    scratch: Path,
) -> tuple[PreTrainedModel, Processor, dict[str, Any]]:
    """The pretrained model (without a head, or with the one that answers for the kind), its processor for
    inputs of `input_size`, and what is to be told of both.

    Args:
        options: what only this kind asks for.
        rows: training rows of the run, to try it on.

    Raises:
        ModelError: weights, config, processor and rows do not belong together, or it cannot read inputs of
            `input_size`.
    """
    from tasks.models import checkpoint

    with checkpoint.offline():
        processor, read = _processor(folder, kind, rows, scratch)
        stored = weights(folder)
        with _unfit(folder.name, "its weights do not fit its config"):
            _must_be_of_one_size(folder, stored, kind)
            model, fit = _pretrained(folder, kind)
        faults = [
            *config.ignored(folder),
            *fit.faults(model),
            *_no_head(fit, kind),
            *_strange(model, fit, stored),
            *_not_finite(model),
        ]
        processor, unfit = kind.model.fit(model, processor, input_size, options)
        unfit += [*tokenizer.unfit(read), *_misplaced(folder, model, processor, input_size)]
        if faults or unfit:
            raise ModelError(folder.name, *faults, *unfit)
        model = model.to(device).eval()
        with _unfit(folder.name, "it cannot answer to rows of this run"):
            _try(
                folder.name,
                model,
                kind,
                copy.deepcopy(processor),
                [{**row, "label": None} for row in rows[:TRIED]],
                input_size,
            )
    return model, processor, {**_told(fit, stored), **read}


def _processor(
    folder: Path, kind: Kind, rows: Sequence[Row], scratch: Path
) -> tuple[Processor, dict[str, Any]]:
    processor = kind.model.load_processor(folder)
    if not hasattr(processor, "backend_tokenizer"):
        return processor, {}
    return tokenizer.own(
        folder, processor, [kind.package.raw_input(row) for row in rows[:SAMPLE]], scratch / "tokenizer"
    )


def _auto_class(kind: Kind) -> Any:
    """What makes the pretrained model: with its head where that answers for the kind, too."""
    from transformers import AutoModel

    return kind.model.auto_model() if kind.model.keeps_head else AutoModel


def _must_be_of_one_size(folder: Path, stored: Weights, kind: Kind) -> None:
    """transformers says no more than that some are not."""
    import torch
    from transformers import AutoConfig

    from tasks.models import checkpoint

    with torch.device("meta"):
        empty = _auto_class(kind).from_config(AutoConfig.from_pretrained(folder, **checkpoint.ONLY_LOCAL))
    prefix = f"{empty.base_model_prefix}."
    wanted = {name.removeprefix(prefix): list(tensor.shape) for name, tensor in empty.state_dict().items()}
    found = {name.removeprefix(prefix): shape for name, shape in stored.shapes.items()}
    for name in sorted(wanted.keys() & found.keys()):
        if wanted[name] != found[name]:
            raise ModelError(
                folder.name,
                f"its weights do not fit its config: {name} is {found[name]}, its config asks for "
                f"{wanted[name]}",
            )


def _pretrained(folder: Path, kind: Kind) -> tuple[PreTrainedModel, TensorMatch]:
    from tasks.models import checkpoint

    model, info = _auto_class(kind).from_pretrained(folder, output_loading_info=True, **checkpoint.SAFELY)
    return model, checkpoint.TensorMatch.of(info)


def _no_head(fit: TensorMatch, kind: Kind) -> list[str]:
    """A head by chance would have to learn all that the pretrained one knows."""
    if not kind.model.keeps_head or not fit.missing:
        return []
    return [f"its weights lack what answers, such as {fit.missing[0]}; take the whole checkpoint"]


@contextmanager
def _unfit(name: str, what: str) -> Iterator[None]:
    """What a foreign config makes a library raise is the checkpoint's fault.

    What the machine lacks is not.
    """
    import torch

    try:
        yield
    except (SlipwayError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = " ".join(str(error).split())[:300]
        raise ModelError(name, f"{what}: {why or type(error).__name__}") from None


def _strange(model: PreTrainedModel, fit: TensorMatch, stored: Weights) -> list[str]:
    """Tensors that cannot be told from the encoder's, and those that are there twice."""
    from tasks.models import checkpoint

    told_apart = any(name.startswith(f"{model.base_model_prefix}.") for name in stored.types)
    others = [] if told_apart else sorted({*fit.unused} - {*checkpoint.of_encoder(model, fit.unused)})
    strange = [name for name in others if name.split(".")[0] not in HEADS]
    faults = (
        [
            f"{len(strange)} of its tensors would not be used, such as {strange[0]}, and are no head that "
            "is known"
        ]
        if strange
        else []
    )
    if double := twins(stored.types, model.base_model_prefix):
        faults.append(
            f"{len(double)} of its tensors are there twice, such as {double[0]}; save the model anew"
        )
    return faults


def _not_finite(model: PreTrainedModel) -> list[str]:
    found = [
        name
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
    return (
        [f"{len(found)} of its tensors hold numbers that are not finite, such as {found[0]}"] if found else []
    )


def _misplaced(folder: Path, model: PreTrainedModel, processor: Processor, input_size: int) -> list[str]:
    if not hasattr(processor, "backend_tokenizer"):
        return []
    return [
        *tokenizer.too_long(model.config, processor, input_size),
        *tokenizer.misplaced(model.config, read_json(folder / "config.json"), processor),
    ]


def _try(
    name: str, model: PreTrainedModel, kind: Kind, processor: Processor, rows: Sequence[Row], input_size: int
) -> None:
    """What the call gives.

    Raises:
        ModelError: its answers are not finite.
    """
    import torch

    features: list[Features] = kind.model.encode(processor, rows, [], input_size)
    batch = {
        name: tensor.to(model.device)
        for name, tensor in kind.model.collate(processor, features).items()
        if name not in BESIDE_THE_INPUTS
    }
    with torch.inference_mode():
        found = model.base_model(**batch)
    answer = found.last_hidden_state if "last_hidden_state" in found else found.logits
    if not bool(answer.isfinite().all()):
        raise ModelError(
            name,
            "its answers to rows of this run are not finite numbers; look at its config, such as "
            "layer_norm_eps",
        )


def _told(fit: TensorMatch, stored: Weights) -> Mapping[str, Any]:
    """Nothing is told of a checkpoint that comes in as it is."""
    kinds = sorted({kind for name, kind in stored.types.items() if kind.startswith(("F", "B"))} - {"F32"})
    told = {
        "tensors_left_behind": _counted(fit.unused),
        "tensors_made_new": _counted(fit.missing),
        "files_left_behind": stored.unread,
        "stored_as": ", ".join(kinds),
    }
    return {name: value for name, value in told.items() if value}


def _counted(names: Sequence[str]) -> dict[str, int]:
    """By the part of the model they belong to."""
    return dict(sorted(Counter(name.split(".")[0] for name in names).items()))
