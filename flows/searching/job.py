"""What a trial is given and what it gives back, as JSON, so that it can be done by another process on another
machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

COMPLETE, GIVEN_UP, FAILED = "complete", "given up", "failed"


@dataclass(frozen=True)
class Job:
    number: int
    run: str
    values: Mapping[str, Any]
    params: Mapping[str, Any]
    """The run's whole section of params.yaml, these values in it."""
    folder: str
    """The trial's own, relative to the checkout."""
    inputs: Mapping[str, str]
    """File that the trial reads -> SHA-256: a checkout on another machine must hold the same."""


@dataclass(frozen=True)
class StudentJob(Job):
    """To make a student of the run's teacher."""

    budget: str
    rungs: tuple[float, ...]
    rung_slack: float
    bars: Mapping[str, list[list[float]]]
    """Rung -> cost and divergence there of the trials before."""
    speeds: Mapping[str, Mapping[str, float]]
    """Shape -> how fast it was."""
    teacher_ms: float | None
    """What the teacher took when the search began; None in the first trial, which measures it and is never
    given up."""


@dataclass(frozen=True)
class Result:
    state: str
    reason: str
    seconds: float
    figures: Mapping[str, Any] = field(default_factory=dict)
    """As far as the trial came. Of a student: quality, quality_low, quality_high, headline, divergence,
    agreement, bytes, parameters, cost, shape, latency, speedup with its quartiles, teacher_ms, rungs. Of a
    teacher: headline, error, epoch and what else its training told of the validation rows."""


AnyJob = TypeVar("AnyJob", bound=Job)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def write(file: Path, value: Job | Result) -> None:
    """Atomically: a reader finds the whole of it, or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(value), indent=1), encoding="utf-8")
    part.replace(file)


def read_job(file: Path, of: type[AnyJob]) -> AnyJob:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if "rungs" in found:
        found["rungs"] = tuple(found["rungs"])
    return of(**found)


def read_result(file: Path) -> Result | None:
    return Result(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
