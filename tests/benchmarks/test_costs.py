"""Costs by size.

Rows of just so many tokens, the test split never there, a killed measurement that goes on, and laws that are
right.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ablation import Bench
from benchmarks.costs import __main__ as costs
from benchmarks.costs import jobs, sizes
from benchmarks.costs.growth import Curve
from benchmarks.costs.page import SERIES
from benchmarks.costs.sizes import Grid, Point
from benchmarks.costs.workshop import Place, Workshop
from tasks.benchmark import memory
from tasks.core import tables
from tasks.finetune import stage as finetune
from tasks.kinds.base.kind import load_kind
from tests import tiny
from tests.smoke import PARAMS
from tests.tasks import stage

SMALL = Grid((32, 64, 96), (8, 12, 16))
SIZES = {
    name: {
        "parameters": 100 * at,
        "without_words": 50 * at,
        "layers": at,
        "hidden": 16,
        "ffn": 32,
        "vocabulary": 800,
    }
    for at, name in enumerate(sizes.MODELS, 1)
}
ROOM = ("dvc.yaml", "tasks", "requirements")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("costs")
    inputs = finetune.Inputs(tiny.ingest_out(home / "ingest"), tiny.checkpoint_in(home / "pretrained"))
    stage.run(
        "finetune", inputs, home / "finetune", epochs=1, batch_size=16, learning_rate=0.001, pool_outputs=0
    )
    return home


@pytest.fixture
def bench(teacher: Path, tmp_path: Path) -> Bench:
    """A workspace that has a teacher, and no test split: whoever opened it would fail."""
    root = tmp_path / "workspace"
    (root / "data" / "smoke" / "ingest").mkdir(parents=True)
    for name in ROOM:
        (root / name).symlink_to(stage.ROOT / name)
    (root / "params.yaml").write_text(PARAMS.replace("SHA256", "ab" * 32), encoding="utf-8")
    (root / "data" / "smoke" / "finetune").symlink_to(teacher / "finetune")
    shutil.copytree(
        teacher / "ingest",
        root / "data" / "smoke" / "ingest" / "out",
        ignore=shutil.ignore_patterns("test.parquet"),
    )
    return Bench(root, "smoke")


def test_points_differ_from_the_middle_in_one_factor() -> None:
    middle, *others = SMALL.points
    assert len(others) == 6
    fields = ("rows", "tokens", "model")
    assert all(sum(getattr(point, name) != getattr(middle, name) for name in fields) == 1 for point in others)


def test_texts_are_joined_cut_and_begun_again() -> None:
    assert sizes.joined(["a b c", "d e"], 3, 2) == ["a b", "c d", "e a"]


def test_every_row_has_just_as_many_tokens_and_each_job_is_timed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process of its own for each variant takes half a minute; memory is no cost of time.
    monkeypatch.setattr(memory, "peaks", lambda sources, *_: {source.name: 1.0 for source in sources})
    shop, point, kind = Workshop(bench, tmp_path), Point(40, 12, "small"), load_kind("text/classification")
    place = shop.place(point)
    for folder, split in ((place.learnt, "train"), (place.judged, "validation")):
        rows = tables.read(folder / f"{split}.parquet")
        features = kind.model.encode(kind.model.load_processor(place.model), rows, shop.labels, 12)
        assert [len(one["input_ids"]) for one in features] == [12] * 40
    seconds = {series: value for job in jobs.JOBS.values() for series, value in job(shop, place).items()}
    assert set(seconds) == set(SERIES)
    assert min(seconds.values()) > 0
    assert seconds["answers of a benchmark"] < seconds["benchmarking"]
    cut = shop.sizes_of(place.model)
    assert (cut["layers"], cut["hidden"], cut["ffn"]) == (1, 32, 64)
    assert cut["without_words"] == cut["parameters"] - cut["vocabulary"] * cut["hidden"]


@pytest.mark.slow
def test_a_killed_measurement_goes_on_and_ends_with_the_page(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, root = list[tuple[str, str]](), bench.root

    def counted(job: str, series: list[str]) -> Any:
        def call(_: Workshop, place: Place) -> dict[str, float]:
            point = place.point
            called.append((point.name, job))
            if len(called) == 4:
                raise KeyboardInterrupt
            return dict.fromkeys(series, 0.001 * point.rows * point.tokens**2)

        return call

    # Nothing is trained to see that each is called once.
    monkeypatch.setattr(Workshop, "place", lambda _, point: Place(point, Path(point.model), Path(point.name)))
    monkeypatch.setattr(Workshop, "sizes_of", lambda _, model: {**SIZES[model.name]})
    for job in jobs.JOBS:
        of_job = [job, "answers of a benchmark"] if job == "benchmarking" else [job]
        monkeypatch.setitem(jobs.JOBS, job, counted(job, of_job))
    with pytest.raises(KeyboardInterrupt):
        costs.measured(root, "smoke", SMALL, 3, "costs", "the command")
    file = root / "docs" / "results" / "costs.json"
    assert sum(len(each) for each in json.loads(file.read_text())["seconds"].values()) == 3
    costs.measured(root, "smoke", SMALL, 3, "costs", "the command")
    counts = {job: sum(name == job for _, name in called) for job in jobs.JOBS}
    assert counts == {
        "labelling": 21,
        "distilling": 21,
        "distilling with relations": 21,
        "benchmarking": 14 + 1,
    }
    costs.measured(root, "smoke", SMALL, 3, "costs", "the command")
    assert len(called) == sum(counts.values())
    found = json.loads(file.read_text())["growth"]["labelling"]
    assert [round(found[factor]["exponent"], 3) for factor in ("rows", "tokens", "parameters")] == [1, 2, 0]
    page = (root / "docs" / "results" / "costs.md").read_text()
    assert "the command" in page
    assert "| benchmarking | 1.00 (1.00 to 1.00), off by 0% | 2.00 (" in page
    assert "* **labelling, tokens**: grows more than the size: 2.0 × the size took 4.00 × the time" in page
    assert (root / "docs" / "pictures" / "costs.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_of_another_run_is_measured_anew(tmp_path: Path) -> None:
    file, told = tmp_path / "costs.json", {"made_of": "one"}
    file.write_text(json.dumps({"made_of": "one", "seconds": {"a": {}}}))
    assert costs._begun(file, told)["seconds"] == {"a": {}}
    assert costs._begun(file, {"made_of": "another"})["seconds"] == {}


def test_exponents_are_those_of_known_points() -> None:
    curve = Curve([10, 20, 40], [[2.0, 4.0], [2.0 * 2**1.5, 4.0 * 2**0.5], [2.0 * 4**1.5, 4.0 * 4**0.5]])
    assert list(curve.exponents) == pytest.approx([0.5, 1.5])
    straight = Curve([10, 20, 40], [[3.0], [6.0], [12.0]])
    assert list(straight.law) == pytest.approx([0.3, 1.0])
    assert straight.miss == pytest.approx(0)
    with_a_fixed_part = Curve([10, 20, 40], [[13.0], [16.0], [22.0]])
    assert 0.2 < with_a_fixed_part.law[1] < 0.85
    assert with_a_fixed_part.miss > 0.02
    assert [one.reading().split(":")[0] for one in (straight, with_a_fixed_part)] == [
        "grows as the size does",
        "grows less than the size",
    ]


def test_run_without_a_teacher_is_told_what_makes_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench.root / "data" / "smoke" / "finetune").unlink()
    monkeypatch.chdir(bench.root)
    assert costs.main(["--run", "smoke"]) == 2
    assert (
        "finetune/out/config.json is missing; `dvc repro finetune@smoke` makes it" in capsys.readouterr().err
    )
    assert costs.main(["--run", "smoek"]) == 2
    assert "did you mean `smoke`" in capsys.readouterr().err
