"""How a model is cut, by the record of its architecture, and what decides which channels and heads go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.architectures import catalog
from tasks.architectures.record import ConvNet, Decoder, Encoder, EncoderDecoder
from tasks.core.errors import ModelError
from tasks.core.progress import track
from tasks.kinds.base.kind import Features, Kind, Processor
from tasks.models import inference
from tasks.prune import activations, cnns, decoders, encoder_decoders, encoders
from tasks.prune.pruner import Pruner, Sizes


def pruner(config: Any) -> Pruner:
    """How models of this config are cut.

    Raises:
        ModelError: they cannot be.
    """
    record = catalog.of(config)
    match record.layout:
        case Encoder():
            return encoders.pruner(record.layout)
        case Decoder():
            return decoders.pruner(record.layout)
        case EncoderDecoder():
            return encoder_decoders.pruner(record.layout)
        case ConvNet():
            return cnns.pruner(record.layout)
    why = f" {record.not_pruned}, so no plain config could say what is left;" if record.not_pruned else ""
    able = "it can be fine-tuned, distilled and quantized, but not pruned"
    known = catalog.sentence(each for each in catalog.records() if each.layout)
    raise ModelError(
        "params.yaml",
        f"prune: the teacher is of the architecture {record.model_type!r}:{why} {able}; what can be: {known}",
    )


def steps(pruner: Pruner, config: Any, wanted: Sizes, count: int) -> list[dict[str, Any]]:
    """The sizes after each of `count` steps, which come nearer to the wanted ones evenly; all but the last
    can be rounded up.

    A step that changes nothing, or whose sizes the architecture cannot have, is left out.
    """
    whole = pruner.sizes(config)
    plan: list[dict[str, Any]] = []
    for step in range(1, count):
        sizes = {
            name: _between(whole[name], want, step, count, pruner.grain(config, name))
            for name, want in wanted.items()
        }
        before = plan[-1] if plan else {name: whole[name] for name in wanted}
        if sizes not in (before, dict(wanted)) and not pruner.faults(config, sizes):
            plan.append(sizes)
    return [*plan, dict(wanted)]


def _between(have: Any, want: Any, step: int, count: int, grain: int) -> Any:
    if isinstance(want, list):
        return [_between(many, few, step, count, grain) for many, few in zip(have, want, strict=True)]
    least = have - (have - want) * step // count
    return min(have, -(-least // grain) * grain)


def measure(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    batches: Sequence[Sequence[Features]],
    importance: str,
    options: Any,
) -> None:
    """Leaves in the model what this importance is taken from.

    The gradient of the loss, summed over the batches, or mean activations.
    """
    model.eval()
    model.zero_grad()
    if importance == "taylor":
        for batch in track(batches, label="importance"):
            answer, truth = inference.forward(model, kind, processor, batch)
            kind.model.loss(answer, truth, 0.0, options, None).backward()
    if importance == "activation":
        with torch.inference_mode(), activations.measured(model):
            for batch in track(batches, label="importance"):
                inference.forward(model, kind, processor, batch)
