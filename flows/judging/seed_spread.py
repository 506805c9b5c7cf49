"""How far trainings of a run's recipe lie apart that differ by their seed alone: measured once, kept in
data/<run>/retrain/spread.json.

Another recipe makes it be measured again; more rows do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from flows.judging import answers
from flows.judging.verdict import Spread, spread_of
from tasks.kinds.base.kind import load_kind

OF_NO_TRAINING = {"seed", "benchmark", "threads", "device", "processes"}
RESAMPLES = 1000


def file(run: str) -> Path:
    return Path("data") / run / "retrain" / "spread.json"


def recipe(run: Mapping[str, Any]) -> str:
    """Of what a training follows from, its seed and its rows apart."""
    kept = {key: value for key, value in run.items() if key not in OF_NO_TRAINING}
    kept["pretrain"] = {key: value for key, value in run["pretrain"].items() if key != "source"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def read(root: Path, run: str, params: Mapping[str, Any]) -> Spread | None:
    """None if it was never measured, or of another recipe."""
    path = root / file(run)
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return (
        Spread(found["seeds"], found["deviation"], found["categories"])
        if found.get("recipe") == recipe(params)
        else None
    )


def write(root: Path, run: str, params: Mapping[str, Any], spread: Spread, figures: Sequence[float]) -> None:
    told = {
        "recipe": recipe(params),
        "seeds": spread.seeds,
        "deviation": round(spread.deviation, 6),
        "categories": {name: round(value, 6) for name, value in spread.categories.items()},
        "figures": [round(value, 6) for value in figures],
    }
    path = root / file(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def of_predictions(
    files: Sequence[Path], labels: Sequence[str], name: str, seed: int
) -> tuple[Spread, list[float]]:
    """From the predictions.parquet of a benchmark of each training, all of the same rows; and the headline
    figure of each.

    `labels` in the order of the models' numbers, `name` of the kind.
    """
    kind, tables = load_kind(name), [pq.read_table(one, columns=["id", "label", "final"]) for one in files]
    truth = answers.truth_of(tables[0].select(["id", "label"]).to_pylist(), labels)
    kept = [(table["id"].to_pylist(), table["final"].to_pylist()) for table in tables]
    guesses = [answers.numbered(answers.of_predictions(*one, len(labels)), labels, truth) for one in kept]
    headlines = [kind.quality.measure(guess, truth)[kind.quality.headline] for guess in guesses]
    return spread_of(kind, guesses, truth, RESAMPLES, seed), headlines
