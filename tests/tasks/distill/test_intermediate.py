"""A student that is its teacher in all but the numbers of its pieces has nothing to imitate.

Others have, and learn it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import ModelError
from tasks.distill.stage import Hidden, Relations
from tasks.kinds.base.kind import IGNORED, load_kind
from tests import tiny

KIND = load_kind("text/classification")
TEXTS = [{"text": row["text"]} for row in tiny.rows(6)]


@functools.cache
def pieces() -> Any:
    """One for all: trained twice on the same texts it may come out otherwise."""
    return tiny.wordpiece([row["headline"] for row in tiny.articles()])


def loaded(folder: Path, architecture: str = "bert", **sizes: int) -> tuple[Any, Any]:
    import torch

    from tasks.models import checkpoint

    tiny.checkpoint_in(folder, architecture, tokenizer=pieces(), **sizes)
    torch.manual_seed(0)
    return checkpoint.load_model(
        folder, KIND, torch.device("cpu"), num_labels=5, attn_implementation="eager"
    ), KIND.model.load_processor(folder)


def trimmed(folder: Path) -> tuple[Any, Any]:
    """The tiny teacher with a third of its pieces gone."""
    from tasks.models import vocabulary

    model, tokenizer = loaded(folder / "whole")
    kept = vocabulary.choose(tokenizer, KIND.model.encode(tokenizer, TEXTS, [], 32), 800, len(tokenizer))
    smaller = vocabulary.trim(tokenizer, kept, folder / "trimmed")
    vocabulary.shrink_embedding(model, kept, smaller)
    return model, smaller


def aims(hidden: float = 0.0, relations: dict[str, Any] | None = None) -> Any:
    from tasks.distill.intermediate import Aims

    return Aims(
        hidden=Hidden(weight=hidden) if hidden else None,
        relations=Relations(**{"weight": 1.0, "layer": 1, "heads": 4, **relations})
        if relations is not None
        else None,
    )


def test_teacher_reads_the_students_pieces_in_its_own_numbers(tmp_path: Path) -> None:
    import torch

    from tasks.distill.intermediate import PROJECTIONS, Imitation

    (student, own), (teacher, whole) = trimmed(tmp_path), loaded(tmp_path / "teacher")
    seen = KIND.model.encode(own, TEXTS, [], 32)
    assert [one["input_ids"] for one in seen] != [
        one["input_ids"] for one in KIND.model.encode(whole, TEXTS, [], 32)
    ]
    imitation = Imitation(KIND, student, own, teacher, whole, aims(hidden=1.0, relations={}))
    for projection in getattr(student, PROJECTIONS):
        torch.nn.init.eye_(projection.weight)
    _, _, distances = imitation.forward(seen)
    assert distances.shape == (6,)
    assert distances.abs().max() < 1e-5
    *_, elsewhere = Imitation(KIND, student, own, teacher, whole, aims(relations={"layer": 2})).forward(seen)
    assert elsewhere.min() > 1e-3


def test_states_are_learnt_and_the_student_is_plain_in_the_end(tmp_path: Path) -> None:
    import torch

    from tasks.distill.intermediate import Imitation

    (student, own), (teacher, whole) = (
        loaded(tmp_path / "student", hidden_size=32, num_hidden_layers=2),
        loaded(tmp_path / "teacher"),
    )
    names, before = (
        [*student.state_dict()],
        {name: tensor.clone() for name, tensor in teacher.state_dict().items()},
    )
    imitation, seen = (
        Imitation(KIND, student, own, teacher, whole, aims(hidden=1.0, relations={})),
        KIND.model.encode(own, TEXTS, [], 32),
    )
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    answer, truth, first = imitation.forward(seen)
    assert (answer.shape, truth.tolist()) == ((6, 5), [IGNORED] * 6)
    for _ in range(40):
        *_, last = imitation.forward(seen)
        optimizer.zero_grad()
        last.mean().backward()
        optimizer.step()
    assert last.mean() < 0.6 * first.mean()
    imitation.end()
    assert [*student.state_dict()] == names
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_cached_relations_are_those_of_the_teacher(tmp_path: Path) -> None:
    import torch

    from tasks.distill.intermediate import Imitation

    (student, own), (teacher, whole) = trimmed(tmp_path), loaded(tmp_path / "teacher")
    seen = KIND.model.encode(own, TEXTS, [], 32)
    assert len({len(one["input_ids"]) for one in seen}) > 1
    asked = {"weight": 1000.0, "layer": 2}
    *_, fresh = Imitation(KIND, student, own, teacher, whole, aims(relations=asked)).forward(seen[:4])
    imitation = Imitation(KIND, student, own, teacher, whole, aims(relations={**asked, "cached": True}))
    imitation.cache(seen * 2, "fp32", 1, tmp_path / "states")
    kept = (tmp_path / "states" / "values.bin").stat().st_size
    assert kept == sum(len(one["input_ids"]) for one in seen) * 3 * 64 * 2
    teacher.base_model.embeddings.word_embeddings.weight.zero_()  # it is asked no more
    *_, cached = imitation.forward(seen[:4])
    *_, other = imitation.forward([seen[3], seen[0]])
    assert fresh.min() > 0.1
    assert torch.allclose(cached, fresh, rtol=0.01)
    assert torch.allclose(other, fresh[[3, 0]], rtol=0.01)


def test_states_beyond_half_precision_are_refused(tmp_path: Path) -> None:
    import torch

    from tasks.distill import state_cache

    values = torch.full((1, 2, 3), 1e5)
    with pytest.raises(ModelError, match="too large for half precision; write cached: false"):
        state_cache.fill(tmp_path / "states", [([0], values, torch.ones(1, 2, dtype=torch.bool), None)])
    assert not (tmp_path / "states").exists()


def test_all_that_stands_against_it_is_told_at_once(tmp_path: Path) -> None:
    from tasks.distill.intermediate import Imitation

    (student, own), (teacher, _) = loaded(tmp_path / "student", hidden_size=32), loaded(tmp_path / "teacher")
    strange = tiny.wordpiece(["quite other words than the student knows"], 200)
    with pytest.raises(ModelError) as caught:
        Imitation(
            KIND,
            student,
            own,
            teacher,
            strange,
            aims(relations={"layer": 9, "heads": 24}),
        )
    layer, students, teachers, pieces = caught.value.faults
    assert layer == "distill.relations.layer = 9: the teacher has 4 layers, 1 is the last of them"
    assert students == "distill.relations.heads = 24: must divide 32, the student's width"
    assert teachers == "distill.relations.heads = 24: must divide 64, the teacher's width"
    assert "of the student's pieces" in pieces


def test_pictures_cut_into_other_pieces_cannot_be_compared(tmp_path: Path) -> None:
    import torch

    from tasks.distill.intermediate import Imitation
    from tasks.models import checkpoint

    pictures = load_kind("image/classification")

    def vit(name: str, **sizes: int) -> tuple[Any, Any]:
        folder = tiny.image_checkpoint_in(tmp_path / name, "vit", **sizes)
        model = checkpoint.load_model(
            folder, pictures, torch.device("cpu"), num_labels=10, attn_implementation="eager"
        )
        return model, pictures.model.load_processor(folder)

    (student, own), (finer, processor), teacher = (
        vit("student", hidden_size=32),
        vit("finer", patch_size=4),
        vit("teacher"),
    )
    seen = pictures.model.encode(
        own, tiny.rows(3, kind="image/classification"), tiny.NAMES["image/classification"], 32
    )
    *_, distances = Imitation(pictures, student, own, *teacher, aims(hidden=1.0, relations={})).forward(seen)
    assert distances.shape == (3,)
    assert distances.min() > 0
    with pytest.raises(ModelError, match="the student divides an input into 17 pieces, the teacher into 65"):
        Imitation(pictures, student, own, finer, processor, aims(relations={})).forward(seen)
    cached = Imitation(pictures, student, own, finer, processor, aims(relations={"cached": True}))
    cached.cache(seen, "fp32", 1, tmp_path / "states")
    with pytest.raises(ModelError, match="the student divides an input into 17 pieces, the teacher into 65"):
        cached.forward(seen)
