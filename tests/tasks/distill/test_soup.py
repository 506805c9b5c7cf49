"""Several trainings of one student end as the mean of their weights, whatever was killed.

Nets that cannot be averaged are refused.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig, ResNetForImageClassification

from tasks.core.errors import ParamsError
from tasks.distill import soup
from tasks.training import loop
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run
from tests.tasks.distill.test_stage import divergence, inputs_of, killed_after

GIVEN = {**QUICK, "relations": {"weight": 1000.0, "layer": 1, "heads": 16}, "pool": 20, "repeats": 2}


def weights(home: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(home / "out" / "model.safetensors")
    return found


@pytest.mark.slow
def test_weights_are_the_mean_of_trainings_that_differ_in_the_order_of_rows(
    tiny_run: Run, tmp_path: Path
) -> None:
    told = stage.run("distill", inputs_of(tiny_run), tmp_path / "soup", **GIVEN, soup=3).figures
    for number in (1, 2, 3):
        stage.run(
            "distill", inputs_of(tiny_run), tmp_path / str(number), **GIVEN, seed=loop.seed_of(0, number)
        )
    single = [weights(tmp_path / str(number)) for number in (1, 2, 3)]
    assert not torch.allclose(single[0]["classifier.weight"], single[1]["classifier.weight"], atol=1e-3)
    for name, tensor in weights(tmp_path / "soup").items():
        torch.testing.assert_close(tensor, torch.stack([one[name] for one in single]).mean(0))
    assert len(told["validation_of_each"]) == 3
    assert told["validation"]["divergence"] not in {one["divergence"] for one in told["validation_of_each"]}
    assert divergence(tiny_run, tmp_path / "soup" / "out") < 0.9 * divergence(
        tiny_run, tiny_run.prune / "out"
    )


@pytest.mark.slow
def test_killed_in_its_second_training_it_goes_on_and_ends_with_the_same_bytes(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.run("distill", inputs_of(tiny_run), tmp_path / "unbroken", **GIVEN, soup=2)
    steps = next(
        int(line.split("/")[1].split()[0])
        for line in capsys.readouterr().out.splitlines()
        if "PROGRESS distill 1 of 2" in line
    )
    with monkeypatch.context() as patch:
        patch.setattr(loop, "STEPS_BETWEEN_SAVES", 5)
        patch.setattr(
            loop, "_finite", killed_after(steps + 2 + 8, loop._finite)
        )  # two epochs have a score each
        with pytest.raises(KeyboardInterrupt):
            stage.run("distill", inputs_of(tiny_run), tmp_path / "broken", **GIVEN, soup=2)
    capsys.readouterr()
    stage.run("distill", inputs_of(tiny_run), tmp_path / "broken", **GIVEN, soup=2)
    said = capsys.readouterr().out
    assert "PROGRESS distill 1 of 2" not in said
    assert "PROGRESS distill 2 of 2" in said
    assert stage.contents(tmp_path / "broken" / "out") == stage.contents(tmp_path / "unbroken" / "out")


def test_batch_normalization_is_refused_and_one_training_is_not() -> None:
    net = ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]))
    soup.check(net, 1)
    with pytest.raises(
        ParamsError,
        match=r"distill.soup = 2: weights with batch normalization cannot be averaged; set it to 1",
    ):
        soup.check(net, 2)
