"""The ablation of distillation.

What it compares, that it never sees the test split, and that it goes on where it was ended.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ablation
from benchmarks.distillations import PLAIN, variants
from tasks.core import params
from tasks.core.errors import ParamsError
from tasks.distill import stage as distill
from tests.smoke import PARAMS
from tests.tasks import stage
from tests.tasks.conftest import Run, tiny_run  # noqa: F401  (a fixture)

NAMES = [PLAIN, "+ relations", "label weight 0.1"]
COMMITTED = params.read(stage.ROOT / "params.yaml")["bbc"]["distill"]


@pytest.fixture
def bench(tiny_run: Run, tmp_path: Path) -> ablation.Bench:  # noqa: F811
    """A workspace with what the tiny run has up to its finetune, and no test split."""
    for name in ("dvc.yaml", "tasks", "requirements"):
        (tmp_path / name).symlink_to(stage.ROOT / name)
    (tmp_path / "params.yaml").write_text(
        PARAMS.replace("SHA256", "ab" * 32).replace("pool: 100", "pool: 30"), encoding="utf-8"
    )
    (tmp_path / "data" / "smoke" / "ingest").mkdir(parents=True)
    (tmp_path / "data" / "smoke" / "finetune").symlink_to(tiny_run.finetune)
    without = shutil.ignore_patterns("test.parquet")
    shutil.copytree(tiny_run.ingest, tmp_path / "data" / "smoke" / "ingest" / "out", ignore=without)
    return ablation.Bench(tmp_path, "smoke")


def test_variants_are_one_change_each_and_in_order() -> None:
    found = variants({**COMMITTED, "repeats": 4, "pool": 50_000}, 1440, words=True)
    plain = found[PLAIN]
    assert (plain["hidden"], plain["relations"], plain["rewording"]) == (None, None, None)
    for name, values in found.items():
        stage.checked("distill", **values)
        changed = {key for key, value in values.items() if value != plain[key]}
        assert len(changed - {"epochs", "patience"}) <= max(1, name.count("+")), name
    assert found["pool of 0, as many steps"]["epochs"] == round((1440 * 4 + 50_000) / (1440 * 4))
    assert not any("variations" in name for name in variants(COMMITTED, 1440, words=False))


def test_results_are_kept_as_they_come_and_not_made_again(
    bench: ablation.Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, trials, made = tmp_path / "kept.json", bench.trials(NAMES, [0, 1]), list[Any]()
    run = distill.run

    def counted(inputs: distill.Inputs, given: distill.Params, out: Path, scratch: Path) -> Any:
        made.append((given.seed, given.relations.weight if given.relations else 0.0))
        if len(made) == 3:
            raise KeyboardInterrupt
        return run(inputs, given, out, scratch)

    monkeypatch.setattr(distill, "run", counted)
    with pytest.raises(KeyboardInterrupt):
        ablation.measure(bench, trials, file)
    assert len(json.loads(file.read_text())) == 2
    kept = ablation.measure(bench, trials, file)
    # A label weight of 0.1 is what params ask for, so that variant is the plain one: it is not made again
    # either.
    assert made == [(0, 0.0), (0, 30.0), (1, 0.0), (1, 0.0), (1, 30.0)]
    assert json.loads(file.read_text()) == kept
    *_, plain, relations, weighed = ablation.table(trials, kept, "macro_f1").splitlines()
    assert plain.split("|")[2:6] == weighed.split("|")[2:6]
    assert "±" in plain.split("|")[4]
    assert relations.startswith("| + relations | 2 | 150 |")
    assert len({one["validation"]["train_loss"] for one in kept.values()}) == 4


def test_what_is_made_of_other_things_is_made_anew(bench: ablation.Bench) -> None:
    trials = bench.trials(NAMES, [0, 1])
    assert len({trial.made_of for trial in trials}) == 4
    text = (bench.root / "params.yaml").read_text()
    (bench.root / "params.yaml").write_text(text.replace("batches: 4", "batches: 5"))
    again = ablation.Bench(bench.root, bench.run).trials(NAMES, [0, 1])
    assert {trial.made_of for trial in again}.isdisjoint(trial.made_of for trial in trials)


def test_variant_that_cannot_be_is_told_of_and_the_others_go_on(
    bench: ablation.Bench, tmp_path: Path
) -> None:
    text = (bench.root / "params.yaml").read_text()
    (bench.root / "params.yaml").write_text(
        text.replace("relations: null", "relations: {weight: 1.0, layer: 1, heads: 24}").replace(
            "epochs: 3", "epochs: 1"
        )
    )
    other = ablation.Bench(bench.root, bench.run)
    trials = other.trials(["+ relations", PLAIN], [0])
    *_, relations, plain = ablation.table(
        trials, ablation.measure(other, trials, tmp_path / "kept.json"), "macro_f1"
    ).splitlines()
    assert "distill.relations.heads = 24: must divide 32" in relations
    assert f"| {PLAIN} | 1 | 150 |" in plain


def test_variant_of_a_wrong_name_is_told_of(bench: ablation.Bench) -> None:
    with pytest.raises(ParamsError, match="there is no variant `relations`; did you mean `"):
        bench.trials(["relations"], [0])
