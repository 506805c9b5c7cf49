"""The student as static embeddings (tasks/models/static_embeddings.py): what it begins with.

The row of a piece begins as what the teacher makes of the piece alone, between the special pieces of any
text: the mean over its last hidden states, in the directions in which these vary most. So do Tulkens and van
Dongen, Model2Vec (2024). A teacher that is fine-tuned says of a piece already what it has to do with the
task, which its table of words does not. Rows of rare pieces begin longer than those of frequent ones, so that
they weigh more in the sum. What reads the sum begins by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tasks.core.params import Section
from tasks.kinds.base.kind import Features, Kind, Processor

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

FORM = "static"
"""What the kinds call it."""
BATCH = 256


class Static(Section):
    width: int = Field(ge=8, le=65536, multiple_of=8, description="numbers in the row of a piece")
    hidden: int = Field(
        ge=8, le=65536, multiple_of=8, description="of the layer between the sum of the rows and the labels"
    )


def faults_of_kind(kind: Kind) -> list[str]:
    """Why a kind cannot have such students."""
    if FORM in kind.model.forms:
        return []
    return [
        "prune.static: a student of this kind must know where a piece stands; write static: null, or leave "
        "it out"
    ]


def faults(wanted: Static, config: Any) -> list[str]:
    """Why a teacher of this config cannot be made such a student."""
    has = config.hidden_size
    if wanted.width <= has:
        return []
    return [f"prune.static.width = {wanted.width}: the teacher has {has}; take at most so many"]


def begun(
    teacher: PreTrainedModel, kind: Kind, processor: Processor, seen: Sequence[Features], wanted: Static
) -> PreTrainedModel:
    """A student that knows the teacher's pieces, and has learnt nothing.

    Args:
        seen: of real rows, whose pieces are counted.
    """
    import torch

    from tasks.models.static_embeddings import StaticConfig, StaticForSequenceClassification

    config: Any = teacher.config
    rows = _narrowed(_alone(teacher, kind, processor, seen), wanted.width)
    rows *= _weights(seen, config.vocab_size)[:, None]
    student = StaticForSequenceClassification(
        StaticConfig(
            vocab_size=config.vocab_size,
            hidden_size=wanted.width,
            intermediate_size=wanted.hidden,
            pad_token_id=config.pad_token_id,
            id2label=config.id2label,
            label2id=config.label2id,
        )
    )
    with torch.no_grad():
        table = student.get_input_embeddings()
        table.weight.copy_(torch.from_numpy(rows))
        table.weight[config.pad_token_id] = 0
    return student.to(teacher.device).eval()


def _alone(
    teacher: PreTrainedModel, kind: Kind, processor: Processor, seen: Sequence[Features]
) -> np.ndarray:
    """What the teacher makes of each piece alone (v, h): the mean of its last hidden states."""
    import numpy as np
    import torch

    from tasks.core.progress import track

    before, after = _around(seen, set(processor.all_special_ids))
    pieces: Any = range(teacher.config.vocab_size)
    means = []
    starts = range(0, len(pieces), BATCH)
    with torch.inference_mode():
        for start in track(starts, label="teacher on pieces"):
            alone = [{"input_ids": [*before, piece, *after]} for piece in pieces[start : start + BATCH]]
            batch = kind.model.collate(processor, alone)
            read = {name: batch[name].to(teacher.device) for name in ("input_ids", "attention_mask")}
            means.append(teacher.base_model(**read).last_hidden_state.float().mean(1).cpu().numpy())
    return np.concatenate(means)


def _around(seen: Sequence[Features], special: set[int]) -> tuple[list[int], list[int]]:
    """The special pieces that stand before and after a text."""
    for one in seen:
        ids = one["input_ids"]
        inside = [at for at, piece in enumerate(ids) if piece not in special]
        if inside:
            return ids[: inside[0]], ids[inside[-1] + 1 :]
    return [], []


def _narrowed(states: np.ndarray, width: int) -> np.ndarray:
    """(v, h) -> (v, width): the directions in which they vary most, of a mean square length of 1."""
    import numpy as np

    from tasks.models import low_rank

    centred = states - states.mean(0)
    basis, _ = low_rank.directions(centred, width)
    rows = centred @ basis.astype(np.float32)
    narrowed: np.ndarray = rows / np.sqrt(np.square(rows).sum(1).mean())
    return narrowed


def _weights(seen: Sequence[Features], pieces: int) -> np.ndarray:
    """How much each piece weighs at first (v,): the less, the more often it is seen; 1 in the mean of those
    that are.
    """
    import numpy as np

    counts = np.zeros(pieces)
    for piece, count in Counter(piece for one in seen for piece in one["input_ids"]).items():
        counts[piece] = count
    weights = np.log(1 + counts.sum() / (1 + counts))
    told: np.ndarray = (weights / weights[counts > 0].mean()).astype(np.float32)
    return told
