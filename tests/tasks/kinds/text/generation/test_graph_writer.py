"""Texts that a graph writes are those that torch writes."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.errors import ModelError
from tasks.export.decoder import graph
from tasks.kinds.text.common.writing.graph_writer import Choose, drawn
from tasks.kinds.text.generation.graph_writer import Writer
from tests.decoders import made

PROMPT = [7, 20, 9, 31, 100]


def writer(name: str, file: Path) -> Writer:
    graph.build(made(name), 64, lambda _: "fp32", file)
    return Writer(file, 1)


def in_turns() -> Choose:
    """The likeliest piece, then the second, then the third: so that random weights do not say one thing."""
    turn = itertools.cycle(range(3))
    return lambda logits: int(np.argsort(-logits, kind="stable")[next(turn)])


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_pieces_are_those_of_torch(name: str, tmp_path: Path) -> None:
    model, choose, ids = made(name), in_turns(), [*PROMPT]
    with torch.inference_mode():
        for _ in range(20):
            ids.append(choose(model(input_ids=torch.tensor([ids])).logits[0, -1].numpy()))
    found = [*writer(name, tmp_path / "model.onnx").pieces(PROMPT, 20, choose=in_turns())]
    assert found == ids[len(PROMPT) :]
    assert len({*found}) >= 3


def test_a_stop_ends_the_text_and_is_not_in_it(tmp_path: Path) -> None:
    writes = writer("llama", tmp_path / "model.onnx")
    whole = [*writes.pieces(PROMPT, 12, choose=in_turns())]
    stop = whole[5]
    assert [*writes.pieces(PROMPT, 12, [stop], in_turns())] == whole[: whole.index(stop)]
    assert [*writes.pieces(PROMPT, 3, choose=in_turns())] == whole[:3]


def test_more_pieces_than_the_graph_is_for_are_refused(tmp_path: Path) -> None:
    writes = writer("llama", tmp_path / "model.onnx")
    assert len([*writes.pieces(PROMPT, 64 - len(PROMPT), choose=in_turns())]) == 64 - len(PROMPT)
    with pytest.raises(ModelError, match="is for 64 pieces, not for 5 and 60 behind them"):
        next(writes.pieces(PROMPT, 60))


def test_pieces_by_chance_have_their_shares_and_a_seed() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    choose = drawn(1.0, 0.9, 0)
    counts = Counter(choose(logits) for _ in range(3000))
    assert counts.keys() == {0, 1, 2}
    assert counts[0] / 3000 == pytest.approx(0.5 / 0.95, abs=0.03)
    once, again = drawn(0.7, 1.0, 3), drawn(0.7, 1.0, 3)
    assert [once(logits) for _ in range(20)] == [again(logits) for _ in range(20)]
    cold = drawn(0.01, 1.0, 0)
    assert {cold(logits) for _ in range(20)} == {0}
