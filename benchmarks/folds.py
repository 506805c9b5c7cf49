"""Judges a recipe on more rows than the validation split has, the test split shut: predictions out of fold,
pooled.

    python -m benchmarks.folds --run bbc --folds 5 --out docs/results/bbc-folds.json
    python -m benchmarks.folds --run bbc --folds 3 --out wider.json --set prune.hidden=320 distill.pool=25000

The training and validation rows are dealt into folds, near duplicates together. For each fold a teacher, its
labels for the unlabelled texts of the *other* folds' rows, a student of it, and the answers of both to the
fold, all by the true stages: `dvc repro` in a scratch clone of the committed state that shares this
checkout's DVC cache, so that what is the same in another recipe is not made again, and a run that was killed
goes on. The run's ingest must be up to date.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.seeds import ROOT, command, scratch_clone
from tasks.benchmark import metrics
from tasks.core import stages, tables
from tasks.core.errors import DataError, ParamsError
from tasks.ingest.reading import raw_folder
from tasks.kinds.base.kind import Kind, load_kind
from tasks.kinds.base.rows import Truth
from tasks.launch.command import Command

SIDE = "side_of_the_fold"
OUT_OF_FOLD, OTHERS = "test", "train"
SHOWN = ("baseline", "teacher", "teacher_int8", "pruned", "distilled", "final")
QUALITY_ONLY = {"split": "test", "latency_inputs": 1, "rounds": 3}
ANY_AGREEMENT = {"min_agreement": 0.0}
"""A fold's validation rows are few, and a student that one or two of them refuse belongs to what is judged.
"""


def deal(ingest: Path, folds: int) -> list[set[tuple[str, int]]]:
    """The rows of each fold by file and line, of those that train and validate.

    Every class in about the same share.
    """
    rows = [row for split in ("train", "validation") for row in tables.read(ingest / f"{split}.parquet")]
    labels, groups = [row["label"] for row in rows], [row["group"] for row in rows]
    dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(rows, labels, groups)
    return [{(rows[number]["file"], rows[number]["line"]) for number in out} for _, out in dealt]


def write_rows(
    raw: Path, header: bool, folds: Sequence[set[tuple[str, int]]], number: int, folder: Path
) -> None:
    """All rows of the folds as JSON lines, each with its side; no other row goes in.

    Raises:
        DataError: the raw data are no tables of text.
    """
    of_fold = {place: at for at, places in enumerate(folds) for place in places}
    folder.mkdir(parents=True)
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for row in raw_folder.read(raw, header).rows:
            at = of_fold.get((row.file, row.line))
            if at is None:
                continue
            if any(isinstance(value, bytes) for value in row.values.values()):
                raise DataError(f"{row.file}:{row.line}", "holds bytes; folds are made of tables of text")
            file.write(
                json.dumps({**row.values, SIDE: OUT_OF_FOLD if at == number else OTHERS}, ensure_ascii=False)
                + "\n"
            )


def with_folds(params: dict[str, Any], run: str, folds: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Params that hold a run for each fold, and no other.

    Raises:
        ParamsError: a change names a value that there is none of.
    """
    values = json.loads(json.dumps(params["runs"][run]))
    faults = [
        f"there is no {name}" for name, value in changes.items() if not _set(values, name.split("."), value)
    ]
    if faults:
        raise ParamsError("--set", *faults)
    # By the seed that chose the test rows, of the others none would be chosen to validate.
    values["ingest"]["split_seed"] += 1
    values["ingest"] |= {
        "split": "given",
        "test": None,
        "min_test_rows": 2,
        "columns": {**values["ingest"]["columns"], "split": SIDE},
    }
    values["quantize"] |= ANY_AGREEMENT
    values["benchmark"] |= QUALITY_ONLY
    return {"runs": {name_of(number): values for number in range(folds)}}


def name_of(number: int) -> str:
    return f"fold-{number}"


def _set(values: Any, path: Sequence[str], value: Any) -> bool:
    *outer, last = path
    for name in outer:
        values = values[name] if isinstance(values, dict) and name in values else None
    known = isinstance(values, dict) and (last in values or last in _may_be_left_out(outer))
    if known:
        values[last] = value
    return known


def _may_be_left_out(section: Sequence[str]) -> set[str]:
    """The sizes of a student that params need not say."""
    if len(section) != 1 or section[0] not in stages.load_all():
        return set()
    return {
        name for name, field in stages.load(section[0]).Params.model_fields.items() if not field.is_required()
    }


def pooled(
    predictions: Sequence[Path], labels: Sequence[str], kind: Kind, resamples: int, seed: int
) -> dict[str, Any]:
    """Figures with intervals of each variant over all rows, and the share of the teacher's headline figure
    fold by fold.
    """
    parts = [pq.read_table(file).to_pydict() for file in predictions]

    def judged(some: Sequence[Mapping[str, list[Any]]]) -> dict[str, dict[str, float]]:
        answers = {name: np.concatenate([np.stack(part[name]) for part in some]) for name in SHOWN}
        right = np.array([labels.index(label) for part in some for label in part["label"]])
        return metrics.quality(kind, answers, Truth(right, [1] * len(right), labels), resamples, seed)

    shares = [judged([part])["final"]["quality_ratio"] for part in parts]
    return {
        "rows": sum(len(part["label"]) for part in parts),
        "headline": kind.quality.headline,
        "variants": judged(parts),
        "shares": shares,
    }


def table(found: Mapping[str, Any]) -> str:
    headline = found["headline"]
    lines = [
        f"| {found['rows']} rows, out of fold | {headline} | share of the teacher's | agreement with it |",
        "|---|---|---|---|",
    ]
    for name, figures in found["variants"].items():
        cells = [_bounded(figures, figure) for figure in (headline, "quality_ratio", "agreement")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            *lines,
            "",
            f"The final student's share, fold by fold: {', '.join(f'{one:.3f}' for one in found['shares'])}.",
        ]
    )


def _bounded(figures: Mapping[str, float], name: str) -> str:
    return (
        f"{figures[name]:.3f} [{figures[f'{name}_low']:.3f}, {figures[f'{name}_high']:.3f}]"
        if name in figures
        else ""
    )


def measure(run: str, folds: int, changes: Mapping[str, Any], out: Path | None) -> str:
    """The table.

    Raises:
        SlipwayError: the run, its data or a change is not in order.
    """
    yaml = YAML()
    ingest = ROOT / "data" / run / "ingest" / "out"
    if not ingest.is_dir():
        raise DataError(f"data/{run}", f"has no rows yet; make them with `dvc repro ingest@{run}`")
    params = with_folds(yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8")), run, folds, changes)
    values = params["runs"][name_of(0)]
    dealt, kind = deal(ingest, folds), load_kind(values["kind"])
    with tempfile.TemporaryDirectory() as home:
        clone = scratch_clone(Path(home))
        shutil.rmtree(clone / "data")
        with (clone / "params.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(params, file)
        for number in range(folds):
            write_rows(
                ROOT / "data" / "raw" / run,
                values["ingest"]["header"],
                dealt,
                number,
                clone / "data" / "raw" / name_of(number),
            )
            command(["dvc", "repro", f"benchmark@{name_of(number)}"], clone)
        predictions = [
            clone / "data" / name_of(number) / "benchmark" / "out" / "predictions.parquet"
            for number in range(folds)
        ]
        labels = json.loads((ingest / "labels.json").read_text(encoding="utf-8"))
        found = pooled(predictions, labels, kind, values["benchmark"]["resamples"], values["seed"])
    told = {"run": run, "folds": folds, "changes": dict(changes), **found}
    if out:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return table(told)


def change(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, YAML(typ="safe").load(value)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", default="bbc", help="a run of params.yaml whose rows have one label each")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--set",
        nargs="+",
        type=change,
        default=[],
        metavar="STAGE.NAME=VALUE",
        help="values in place of those in params.yaml",
    )
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")


def _run(given: argparse.Namespace) -> int:
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    print(measure(given.run, given.folds, dict(given.set), given.out))
    return 0


COMMAND = Command("python -m benchmarks.folds", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
