"""How likely right answers are: the nats are those of torch's loss, and what is paired has narrow bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tasks.benchmark import written
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.kinds.base.kind import load_kind
from tests import writers

ROWS = [{"text": f"{number} Film stars", "label": f"It is {number}."} for number in range(3)]


def test_nats_are_those_of_the_loss_of_transformers(tmp_path: Path) -> None:
    kind, folder = load_kind(writers.VALUES["kind"]), writers.prepared_in(tmp_path / "model")
    setting = Setting(writers.VALUES["kind"], [], writers.VALUES["input_size"], 4, 0, "cpu")
    found = open_variant(Source("teacher", "torch", folder), setting).nats(ROWS)  # type: ignore[attr-defined]
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    for row, (nats, pieces) in zip(ROWS, found, strict=True):
        one = kind.model.encode(kind.model.load_processor(folder), [row], [], setting.input_size)[0]
        ids = torch.tensor([[*one["input_ids"], one["labels"][-1]]])
        right = ids.clone()
        right[:, : -len(one["labels"])] = -100
        with torch.inference_mode():
            loss = model(input_ids=ids, labels=right).loss
        assert pieces == len(one["labels"]) > 1
        assert nats == pytest.approx(float(loss) * pieces, abs=2e-3)


def test_a_model_that_is_worse_by_the_same_in_each_row_is_so_without_doubt() -> None:
    nats = np.random.default_rng(0).uniform(5, 50, 40)
    read = {
        "teacher": np.column_stack([nats, np.full(40, 4)]),
        "final": np.column_stack([nats + 1, np.full(40, 4)]),
    }
    found = written.likelihoods(read, "teacher", 200, seed=0)
    final = found["final"]
    assert final["perplexity"] == pytest.approx(np.exp((nats.mean() + 1) / 4), rel=1e-6)
    assert final["nats_per_row_high"] - final["nats_per_row_low"] > 1
    apart = [final[f"difference_to_teacher{end}"] for end in ("", "_low", "_high")]
    assert apart == [pytest.approx(1, abs=1e-6)] * 3
    assert "difference_to_teacher" not in found["teacher"]
