"""Distances between states, against what NumPy finds row by row and head by head."""

from __future__ import annotations

import numpy as np
import pytest

LENGTHS = (5, 3)


def vectors(width: int, seed: int) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(seed).normal(size=(2, 5, width)).astype(np.float32)
    return drawn


def mask() -> np.ndarray:
    return np.arange(5)[None] < np.array(LENGTHS)[:, None]


@pytest.mark.parametrize(
    ("student", "teacher", "depths"),
    [
        (3, 6, [0, 2, 4, 6]),
        (4, 6, [0, 2, 3, 5, 6]),
        (1, 12, [0, 12]),
        (4, 4, [0, 1, 2, 3, 4]),
        (5, 6, [0, 1, 2, 4, 5, 6]),
    ],
)
def test_layers_are_spread_evenly_from_first_to_last(student: int, teacher: int, depths: list[int]) -> None:
    from tasks.distill.state_losses import layer_map

    assert layer_map(student, teacher) == depths


def test_hidden_distance_is_that_of_directions() -> None:
    import torch

    from tasks.distill.state_losses import hidden_distance

    own, wanted, counts = vectors(6, 0), vectors(6, 1), torch.from_numpy(mask())
    found = hidden_distance(torch.from_numpy(own), torch.from_numpy(wanted), counts).numpy()
    for row, length in enumerate(LENGTHS):
        one, other = (
            each[row, :length] / np.linalg.norm(each[row, :length], axis=-1, keepdims=True)
            for each in (own, wanted)
        )
        assert found[row] == pytest.approx(((one - other) ** 2).sum(-1).mean(), rel=1e-5)
    stretched = hidden_distance(3 * torch.from_numpy(wanted), torch.from_numpy(wanted), counts)
    assert stretched.abs().max() < 1e-6


def test_relation_divergence_is_that_of_each_relation_head() -> None:
    import torch

    from tasks.distill.state_losses import relation_divergence

    own, wanted = vectors(4, 0), vectors(12, 1)

    def relations(each: np.ndarray, head: int) -> np.ndarray:
        width = each.shape[-1] // 2
        part = each[:, head * width : (head + 1) * width]
        scores = np.exp(part @ part.T / np.sqrt(width))
        shares: np.ndarray = scores / scores.sum(-1, keepdims=True)
        return shares

    found = relation_divergence(
        torch.from_numpy(own), torch.from_numpy(wanted), 2, torch.from_numpy(mask())
    ).numpy()
    for row, length in enumerate(LENGTHS):
        pairs = [
            (relations(wanted[row, :length], head), relations(own[row, :length], head)) for head in range(2)
        ]
        by_hand = np.mean([(true * np.log(true / guess)).sum(-1).mean() for true, guess in pairs])
        assert found[row] == pytest.approx(by_hand, rel=1e-4)


def test_padding_moves_neither_distance_nor_gradient() -> None:
    import torch

    from tasks.distill.state_losses import hidden_distance, relation_divergence

    def learnt(padding: float) -> tuple[list[float], torch.Tensor]:
        own, wanted = torch.from_numpy(vectors(8, 0)), torch.from_numpy(vectors(8, 1))
        own[1, 3:], wanted[1, 3:] = padding, -padding
        own.requires_grad_()
        counts = torch.from_numpy(mask())
        found = hidden_distance(own, wanted, counts) + relation_divergence(own, wanted, 4, counts)
        found.sum().backward()
        assert own.grad is not None
        return found.tolist(), own.grad

    (some, gradient), (others, other) = learnt(1.0), learnt(50.0)
    assert some == others
    assert torch.equal(gradient[1, :3], other[1, :3])
    assert gradient[1, 3:].abs().max() == 0 < gradient[1, :3].abs().min()
