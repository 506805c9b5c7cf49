"""What a model card tells of a run, read from the checkout.

What is not there is None, and the card says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core import documents, params, stages
from tasks.core.errors import DataError, ParamsError, did_you_mean

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    run: str
    settings: JSON
    """The run's section of params.yaml."""
    said: JSON
    """What params say for the card: `retrain.<run>.card`."""
    locked: Mapping[str, JSON]
    """Stage -> what dvc.lock holds of it, upstream first; only stages that ran."""
    sources: list[str]
    """Where the raw data came from."""
    metrics: Mapping[str, JSON]
    """Stage -> its metrics.json."""
    timings: JSON | None
    """Of the benchmark."""
    intake: JSON | None
    """The report of ingest; its short form, without classes and files, where the artifact is not in the
    checkout."""
    champion: JSON | None
    pins: list[str]
    """Lines of requirements/tasks.lock."""
    manual: str
    """docs/ship.md."""

    def outputs(self, stage: str) -> list[JSON]:
        return list(self.locked.get(stage, {}).get("outs", []))

    def reads(self, stage: str) -> list[JSON]:
        return list(self.locked.get(stage, {}).get("deps", []))

    def shipped(self) -> str:
        """The folder that ships, in the checkout."""
        return f"data/{self.run}/quantize/out"

    def md5(self) -> str | None:
        """Of that folder, by dvc.lock."""
        return next((out["md5"] for out in self.outputs("quantize") if out["path"] == self.shipped()), None)


def gather(root: Path, run: str) -> Facts:
    """The facts of a model card.

    Raises:
        ParamsError: params.yaml has no such run.
        DataError: a file is there and cannot be read.
    """
    runs = params.read(root / "params.yaml")
    if run not in runs:
        raise ParamsError("params.yaml", f"has no run {run!r}{did_you_mean(run, runs)}")
    retrain = _mapping(_mapping(_yaml(root / "params.yaml").get("retrain")).get(run))
    locked, folder = _mapping(_yaml(root / "dvc.lock").get("stages")), root / "data" / run
    metrics = {stage: _json(folder / stage / "metrics.json") for stage in stages.load_all()}
    return Facts(
        run=run,
        settings=runs[run],
        said=_mapping(retrain.get("card")),
        locked={stage: locked[f"{stage}@{run}"] for stage in stages.load_all() if f"{stage}@{run}" in locked},
        sources=_sources(_yaml(root / "data" / "raw" / f"{run}.dvc")),
        metrics={stage: found for stage, found in metrics.items() if found is not None},
        timings=_json(folder / "benchmark" / "timings.json"),
        intake=_json(folder / "ingest" / "out" / "report.json") or metrics["ingest"],
        champion=_json(root / "registry" / run / "champion.json"),
        pins=_text(root / "requirements" / "tasks.lock").splitlines(),
        manual=_text(root / "docs" / "ship.md"),
    )


def _sources(pointer: JSON) -> list[str]:
    named = _mapping(pointer.get("meta")).get("source") or []
    return [str(named)] if isinstance(named, str) else [str(one) for one in named]


def _mapping(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _yaml(file: Path) -> JSON:
    return _mapping(documents.yaml(file.read_bytes(), file.name)) if file.is_file() else {}


def _json(file: Path) -> JSON | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise DataError(
            "/".join(file.parts[-4:]), "is not readable as JSON; run what writes it again"
        ) from None
    if not isinstance(found, dict):
        raise DataError(
            "/".join(file.parts[-4:]),
            "is not what it should be, a mapping of names to values; run what writes it again",
        )
    return found
