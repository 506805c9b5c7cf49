"""The student imitates what goes on inside its teacher: hidden states layer by layer, and relations among
pieces in one layer.

The teacher must read the very pieces that the student reads. Its own segmentation of a text can differ,
because the student's vocabulary may be trimmed; but the student's pieces are some of the teacher's, so the
teacher is given the student's segmentation in its own numbers. The states are made anew for each batch, for
they are a thousand times larger than answers; those of one layer can be cached on disk (state_cache.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel

from tasks.core.errors import ModelError
from tasks.core.progress import track
from tasks.distill import hidden_states, state_cache
from tasks.distill.state_losses import hidden_distance, layer_map, relation_divergence
from tasks.kinds.base.kind import Features, Kind, Processor
from tasks.kinds.base.rows import PARTS
from tasks.models import inference
from tasks.models.compute import autocast
from tasks.training import distributed

if TYPE_CHECKING:
    from tasks.distill.stage import Hidden, Params, Relations

PROJECTIONS = "projections_to_teacher"
"""The name of a part of the student while it is trained: so it is optimised, clipped and kept in scratch as
the rest is."""


@dataclass(frozen=True)
class Aims:
    """What is imitated, and how much it weighs."""

    hidden: Hidden | None
    relations: Relations | None

    @classmethod
    def of(cls, params: Params) -> Aims:
        """Those in a stage's params."""
        return cls(params.hidden, params.relations)


class Imitation:
    """Prepares `student` for it: it has further parts until `end`."""

    def __init__(
        self,
        kind: Kind,
        student: PreTrainedModel,
        processor: Processor,
        teacher: PreTrainedModel,
        teachers: Processor,
        aims: Aims,
    ) -> None:
        """Adds to the student what imitation needs.

        Raises:
            ModelError: with everything that stands against it.
        """
        if faults := _faults(student, processor, teacher, teachers, aims):
            raise ModelError("distill.hidden, distill.relations", *faults)
        self._kind, self._student, self._processor, self._aims = kind, student, processor, aims
        self._teacher = teacher.eval().requires_grad_(False)
        self._numbers = _numbers(processor, teachers, student.device)
        self._cache: state_cache.StateCache | None = None
        self._map = layer_map(hidden_states.depth(student), hidden_states.depth(teacher))
        if aims.hidden:
            own, wanted = student.config.hidden_size, teacher.config.hidden_size
            layers = torch.nn.ModuleList(torch.nn.Linear(own, wanted, bias=False) for _ in self._map)
            student.add_module(PROJECTIONS, layers.to(student.device))

    def cache(self, features: Sequence[Features], precision: str, processes: int, folder: Path) -> None:
        """If params ask for it, the teacher's states of these rows come from a folder from now on, which is
        filled if it is not there.
        """
        if not (self._aims.relations and self._aims.relations.cached):
            return
        with distributed.leader_first(processes):
            if not folder.exists():
                state_cache.fill(folder, self._teachers_states(features, precision))
        self._cache = state_cache.StateCache(folder, features)

    def forward(self, features: Sequence[Features]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of n rows.

        The student's logits (m, c), labels (m,), and how far its states are from the teacher's, weighed (n,).
        """
        batch = self._kind.model.collate(self._processor, features)
        with hidden_states.caught(self._student, self._layer(self._student, 1)) as own:
            answer, truth = inference.answer(self._student, batch)
        mask = self._mask(batch, own)
        if self._cache:
            wanted = self._cache.of(features, mask, batch.get(PARTS))
        else:
            with torch.no_grad():
                wanted = self._asked(batch)
        return answer, truth, inference.averaged(self._distance(own, wanted, mask), batch.get(PARTS))

    def end(self) -> None:
        """Leaves the student as plain as it was."""
        if self._aims.hidden:
            delattr(self._student, PROJECTIONS)

    def _from_last(self) -> int:
        """The teacher's layer whose relations are imitated, counted from its last one, 1."""
        return self._aims.relations.layer if self._aims.relations else 1

    def _layer(self, model: PreTrainedModel, from_last: int) -> int | None:
        return hidden_states.depth(model) - from_last if self._aims.relations else None

    def _teachers_states(self, features: Sequence[Features], precision: str) -> Iterator[state_cache.Batch]:
        # Of rows that stand several times among the features, one is enough.
        first: dict[int, int] = {}
        for number, one in enumerate(features):
            first.setdefault(id(one), number)
        order = sorted(first.values(), key=lambda number: (self._kind.model.size(features[number]), number))
        batches = [order[at : at + inference.BATCH] for at in range(0, len(order), inference.BATCH)]
        with torch.no_grad(), autocast(self._teacher.device, precision):
            for rows in track(batches, label="teacher's states"):
                batch = self._kind.model.collate(self._processor, [features[row] for row in rows])
                states = self._asked(batch)
                mask = self._mask(batch, states)
                yield rows, torch.cat(states.attention, dim=-1), mask, batch.get(PARTS)

    def _asked(self, batch: dict[str, torch.Tensor]) -> hidden_states.States:
        with hidden_states.caught(self._teacher, self._layer(self._teacher, self._from_last())) as states:
            inference.answer(self._teacher, self._in_its_numbers(batch))
        return states

    def _mask(self, batch: dict[str, torch.Tensor], states: hidden_states.States) -> torch.Tensor:
        """The pieces (n, l) that count."""
        attended = batch.get("attention_mask", torch.ones(states.pieces))
        return attended.to(self._student.device, torch.bool)

    def _in_its_numbers(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if self._numbers is None:
            return batch
        return {**batch, "input_ids": self._numbers[batch["input_ids"].to(self._numbers.device)]}

    def _distance(
        self, own: hidden_states.States, wanted: hidden_states.States, mask: torch.Tensor
    ) -> torch.Tensor:
        hidden_states.check_pieces(own.pieces[1], wanted.pieces[1])
        total = torch.zeros(len(mask), device=mask.device)
        if hidden := self._aims.hidden:
            projections: Any = getattr(self._student, PROJECTIONS)
            for at, (project, of) in enumerate(zip(projections, self._map, strict=True)):
                weight = hidden.weight / len(self._map)
                total = total + weight * hidden_distance(project(own.hidden[at]), wanted.hidden[of], mask)
        if relations := self._aims.relations:
            for pair in zip(own.attention, wanted.attention, strict=True):
                total = total + relations.weight * relation_divergence(*pair, relations.heads, mask)
        return total


def faults(teacher: PreTrainedModel, aims: Aims, students_width: int) -> list[str]:
    """Why these aims cannot be had of a teacher, by a student of its architecture."""
    if unseen := hidden_states.faults(teacher):
        return [f"distill.hidden, distill.relations: {fault}" for fault in unseen]
    faults, layers, asked = [], hidden_states.depth(teacher), aims.relations
    if asked and asked.layer > layers:
        faults.append(
            f"distill.relations.layer = {asked.layer}: the teacher has {layers} layers, 1 is the last of them"
        )
    for name, width in (("student", students_width), ("teacher", teacher.config.hidden_size)):
        if asked and width % asked.heads:
            faults.append(f"distill.relations.heads = {asked.heads}: must divide {width}, the {name}'s width")
    return faults


def _faults(
    student: PreTrainedModel, processor: Processor, teacher: PreTrainedModel, teachers: Processor, aims: Aims
) -> list[str]:
    if unseen := hidden_states.faults(teacher) or hidden_states.faults(student):
        return unseen
    found = faults(teacher, aims, student.config.hidden_size)
    strange = sorted(_pieces(processor).keys() - _pieces(teachers).keys())
    if strange:
        found.append(
            f"the teacher lacks {len(strange)} of the student's pieces, such as {strange[0]!r}; the student "
            "must be cut from it"
        )
    return found


def _numbers(processor: Processor, teachers: Processor, device: torch.device) -> torch.Tensor | None:
    """The teacher's number of each of the student's pieces; None where inputs are no pieces with numbers."""
    own, known = _pieces(processor), _pieces(teachers)
    if not own:
        return None
    numbers = torch.zeros(max(own.values()) + 1, dtype=torch.long)
    for piece, number in own.items():
        numbers[number] = known[piece]
    return numbers.to(device)


def _pieces(processor: Processor) -> dict[str, int]:
    return dict(processor.get_vocab()) if hasattr(processor, "get_vocab") else {}
