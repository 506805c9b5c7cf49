"""Asks all stages what they could not do with a run's pretrained model, before the first of them trains for
an hour.

Each stage that can know it has a function `unable(params, teacher, run) -> list[str]`, which asks what the
stage itself asks when its turn comes. The teacher it is given has its config and its processor, but no
weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core import stages
from tasks.core.errors import ModelError
from tasks.core.params import Section
from tasks.kinds.base.kind import Kind, load_kind
from tasks.training import distributed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tasks.kinds.base.kind import Processor


@dataclass(frozen=True)
class Teacher:
    model: PreTrainedModel
    """With a head, and without weights."""
    processor: Processor


def check(stage: str, run: str, sections: Mapping[str, Section], root: Path) -> None:
    """Before `stage` is run: what those after it could not do. Only the stages that begin a run's training
    look so far ahead.

    Raises:
        ModelError: with everything that stands against the run's params.
    """
    if stage not in ("pretrain", "finetune") or distributed.is_worker():
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = _folder(stage, run, sections["pretrain"], root, Path(scratch))
        teacher = _teacher(folder, load_kind(sections[stage].kind))  # type: ignore[attr-defined]
    if teacher is None:  # the stage itself says what is wrong with it
        return
    able = {name: getattr(each, "unable", None) for name, each in stages.load_all().items()}
    faults = [fault for name, ask in able.items() if ask for fault in ask(sections[name], teacher, sections)]
    if faults:
        raise ModelError("params.yaml", *(f"runs.{run}.{fault}" for fault in faults))


def _folder(stage: str, run: str, params: Any, root: Path, scratch: Path) -> Path:
    from tasks.pretrain import locate

    if stage == "pretrain":
        return locate.find(params.source, load_kind(params.kind), root, scratch)
    return stages.locate("pretrain/out", root, run)


def _teacher(folder: Path, kind: Kind) -> Teacher | None:
    import torch
    from transformers import AutoConfig

    from tasks.models import checkpoint

    try:
        processor = kind.model.load_processor(folder)
        config = AutoConfig.from_pretrained(folder, **checkpoint.ONLY_LOCAL)
        with torch.device("meta"):
            return Teacher(kind.model.auto_model().from_config(config), processor)
    except Exception:  # a foreign config makes it raise nearly anything
        return None
