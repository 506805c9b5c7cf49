"""The untouched model beside the fine-tuned one: rows, instruction and refusals are the run's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from benchmarks import untouched
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.core.errors import DataError, ParamsError
from tasks.kinds.base.kind import load_kind
from tests import writers
from tests.tasks import stage

RUN = "small"
ROWS = [{"id": str(n), "text": f"{n} Film stars", "label": f"It is {n}."} for n in range(6)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose run is fine-tuned; its two models have other weights."""
    yaml: Any = YAML(typ="safe")
    recipe = yaml.load((stage.ROOT / "recipes" / "headlines.yaml").read_text(encoding="utf-8"))["run"]
    recipe["input_size"], recipe["options"] = writers.VALUES["input_size"], writers.OPTIONS
    recipe["benchmark"] |= {"split": "validation", "resamples": 100}
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"runs": {RUN: recipe}}, file)
    data = tmp_path / "data" / RUN
    (data / "ingest" / "out").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(ROWS), data / "ingest" / "out" / "validation.parquet")
    writers.prepared_in(data / "pretrain" / "out")
    writers.prepared_in(data / "finetune" / "out", "gpt2")
    return tmp_path


def cells(page: str, figure: str) -> list[str]:
    return next(line for line in page.splitlines() if line.startswith(f"| {figure}")).strip("| ").split(" | ")


def test_both_are_measured_on_the_rows_of_the_split(root: Path) -> None:
    page = untouched.compare(root, RUN, None)
    assert "6 rows of the validation split, 100 resamples" in page
    _, before, after, apart = (float(one.split(" ")[0]) if "[" in one else 0 for one in cells(page, "nats"))
    assert apart == pytest.approx(after - before, abs=2e-3) != 0
    assert len(cells(page, "rouge_l")) == len(cells(page, "longest_copy")) == 4


def test_an_instruction_changes_what_the_untouched_model_is_asked(root: Path) -> None:
    plain, told = (untouched.compare(root, RUN, given) for given in (None, "Say what it is."))
    assert cells(plain, "nats")[1] != cells(told, "nats")[1]
    assert cells(plain, "nats")[2] == cells(told, "nats")[2]


def test_an_instruction_of_here_is_put_as_one_of_params_is(root: Path, tmp_path: Path) -> None:
    name, size, given = writers.VALUES["kind"], writers.VALUES["input_size"], "Say what it is."
    kind, setting = load_kind(name), Setting(name, [], size, 4, 0, "cpu")
    options = kind.options.model_validate({**writers.OPTIONS, "instruction": given})
    here = untouched.untouched(root / "data" / RUN / "pretrain" / "out", setting, options)
    folder = writers.prepared_in(tmp_path / "other", instruction=given)
    there = open_variant(Source("other", "torch", folder), setting)
    assert here.nats(ROWS).tolist() == there.nats(ROWS).tolist()  # type: ignore[attr-defined]


def test_what_is_not_made_or_does_not_write_is_refused(root: Path) -> None:
    (root / "data" / RUN / "finetune" / "out").rename(root / "gone")
    with pytest.raises(DataError, match=f"finetune/out is not there; `dvc repro finetune@{RUN}`"):
        untouched.compare(root, RUN, None)
    with pytest.raises(ParamsError, match="write no texts"):
        untouched.compare(stage.ROOT, "bbc", None)
    with pytest.raises(ParamsError, match="instruction"):
        untouched.compare(stage.ROOT, "bbc", "Say what it is.")
