"""What the student reads in an epoch, and what the teacher answered to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tasks.core import tables
from tasks.core.errors import ParamsError
from tasks.kinds.base import answers
from tasks.kinds.base.answers import Answers
from tasks.kinds.base.kind import Features, Processor, Row, load_kind
from tasks.models import checkpoint, inference, outputs
from tasks.models.outputs import Outputs
from tasks.training import distributed

if TYPE_CHECKING:
    from tasks.distill.stage import Inputs, Params


def load(
    inputs: Inputs, params: Params, processor: Processor, device: torch.device, scratch: Path
) -> tuple[list[Features], Answers]:
    """What the student reads in an epoch, and the teacher's answers to it."""
    kind, labels = load_kind(params.kind), checkpoint.label_names(inputs.ingest)
    rows: dict[str, Sequence[Row]] = {
        split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "pool")
    }
    rows["pool"] = kind.data.transfer(
        rows["train"], rows["pool"], params.pool, kind.options.model_validate(params.options)
    )
    kept = {split: outputs.read(inputs.outputs / f"{split}.safetensors") for split in rows}
    if len(rows["pool"]) > len(kept["pool"].ids):
        raise ParamsError(
            "params.yaml",
            f"distill.pool = {params.pool}: the teacher labelled {len(kept['pool'].ids)}; raise "
            "finetune.pool_outputs",
        )
    rows["pool"] = outputs.labelled(rows["pool"], inputs.outputs)
    rows["varied"] = _varied(rows["train"], params, processor)
    train, pool, varied = (
        kind.model.encode(processor, listed, labels, params.input_size) for listed in rows.values()
    )
    answered = [*[kept["train"].of(rows["train"], train)] * params.repeats]
    answered.append(kept["pool"].first_of(rows["pool"], pool))
    if varied:
        asked = _answers(inputs, params, rows["varied"], device, scratch)
        answered.append(asked.of(rows["varied"], varied))
    return train * params.repeats + pool + varied, answers.joined(answered)


def _varied(rows: Sequence[Row], params: Params, processor: Processor) -> list[Row]:
    """Variations of labelled rows."""
    if not params.rewording:
        return []
    return load_kind(params.kind).data.reword.vary(rows, params.rewording, params.seed, processor)


def _answers(
    inputs: Inputs, params: Params, rows: Sequence[Row], device: torch.device, scratch: Path
) -> Outputs:
    """The teacher's answers to rows of which nothing was kept.

    Asked once: a training that goes on finds them in scratch.
    """
    kind, file = load_kind(params.kind), scratch / "varied" / "outputs.safetensors"
    with distributed.leader_first(params.processes):
        if not file.exists():
            processor, labels = (
                kind.model.load_processor(inputs.teacher),
                checkpoint.label_names(inputs.ingest),
            )
            model = checkpoint.load_model(inputs.teacher, kind, device, attn_implementation="eager")
            features = kind.model.encode(processor, rows, labels, params.input_size)
            label = "teacher on variations"
            found = inference.answers(
                model, kind, processor, features, inference.BATCH, params.precision, label=label
            )
            outputs.write(Outputs.to(rows, features, found), file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)
    return outputs.read(file)
