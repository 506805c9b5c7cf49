"""Losses and figures of pieces, against what they are by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.kinds.base import answers
from tasks.kinds.base.rows import Truth
from tasks.kinds.text.common.writing import learning


def logits(rows: int, labels: int, seed: int) -> torch.Tensor:
    return 3 * torch.randn(rows, labels, generator=torch.Generator().manual_seed(seed))


def kept(found: torch.Tensor, count: int) -> answers.LikeliestTensors:
    made = answers.tensors(answers.of(found, torch.zeros(len(found), dtype=torch.long), count))
    assert isinstance(made, answers.LikeliestTensors)
    return made


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_with_all_labels_but_one_it_is_the_whole_divergence(temperature: float) -> None:
    student, teacher = logits(6, 9, 0), logits(6, 9, 1)
    whole = learning.divergence(student, teacher, temperature)
    assert torch.allclose(learning.divergence(student, kept(teacher, 8), temperature), whole, rtol=1e-3)


def test_with_fewer_it_is_less_and_nothing_for_the_teacher_itself() -> None:
    student, teacher = logits(6, 50, 0), logits(6, 50, 1)
    found = [float(learning.divergence(student, kept(teacher, count), 1.0)) for count in (4, 16, 49)]
    assert found == sorted(found)
    assert 0 < found[0] < float(learning.divergence(student, teacher, 1.0))
    assert float(learning.divergence(teacher, kept(teacher, 16), 1.0)) == pytest.approx(0, abs=1e-5)


def test_learning_from_the_likeliest_comes_near_the_teacher() -> None:
    teacher = logits(6, 50, 1)
    student = logits(6, 50, 0)
    before = float(learning.divergence(student, teacher, 1.0))
    optimizer = torch.optim.Adam([student.requires_grad_()], 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        learning.divergence(student, kept(teacher, 16), 1.0).backward()
        optimizer.step()
    assert float(learning.divergence(student.detach(), teacher, 1.0)) < 0.1 * before


def test_figures_are_those_of_torch() -> None:
    found, right = logits(7, 12, 0), torch.tensor([3, 1, 4, 1, 5, 9, 2])
    truth = Truth(right.numpy(), [4, 3], [])
    sums = learning.statistics(answers.of(found, right, 3), truth)  # type: ignore[arg-type]
    nats = torch.nn.functional.cross_entropy(found, right, reduction="none")
    figures = {name: float(value) for name, value in learning.figures(sums.sum(0)).items()}
    assert figures["log_likelihood"] == pytest.approx(-float(nats.sum()) / 2, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(float(nats.mean().exp()), rel=1e-5)
    assert figures["piece_accuracy"] == pytest.approx(float((found.argmax(1) == right).float().mean()))
    assert np.allclose(sums[:, 0], [-float(nats[:4].sum()), -float(nats[4:].sum())], rtol=1e-5)
