"""The mean activation of a channel is what its readers see of real pieces."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tasks.prune import activations


class Reader(torch.nn.Module):
    """Reads pieces (n, l, 2), and embeddings of positions that are no pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.conv = torch.nn.Linear(2, 3), torch.nn.Conv1d(2, 2, 1)
        self.positions = torch.ones(1, 7, 2) * 100

    def forward(self, states: torch.Tensor, **_: Any) -> Any:
        self.linear(self.positions)
        return self.conv(states.transpose(1, 2)), self.linear(states)


def test_padding_and_positions_do_not_count() -> None:
    model, states = Reader(), torch.tensor([[[1.0, -2.0], [3.0, 4.0]], [[-5.0, 0.0], [99.0, 99.0]]])
    with activations.measured(model):
        model(states, attention_mask=torch.tensor([[1, 1], [1, 0]]))
        model(states[:1, :1], attention_mask=torch.ones(1, 1))
    expected = torch.tensor([(1 + 3 + 5 + 1) / 4, (2 + 4 + 0 + 2) / 4])
    for module in (model.linear, model.conv):
        torch.testing.assert_close(getattr(module, activations.NAME), expected)
    assert not model.linear._forward_pre_hooks


def test_of_pictures_every_place_counts() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 1), torch.nn.Flatten(), torch.nn.Linear(16, 2))
    with activations.measured(model):
        model(torch.tensor([1.0, -3.0]).view(1, 2, 1, 1).expand(5, 2, 2, 2))
    torch.testing.assert_close(getattr(model[0], activations.NAME), torch.tensor([1.0, 3.0]))
    assert getattr(model[2], activations.NAME).shape == (16,)


def test_hooks_go_when_the_model_fails() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with pytest.raises(RuntimeError), activations.measured(model):
        model(torch.ones(1, 3))
    assert not model._forward_pre_hooks
    assert not model[0]._forward_pre_hooks
