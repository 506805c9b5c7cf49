"""How a new run is searched: the section `search` of params.yaml.

Under a budget its students are; with preset best its teacher is before, and the budget is what the preset
promises.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.searching import policy
from flows.starting import written
from tasks.core.errors import ParamsError
from tasks.proposals.proposal import Plan, Value

MINUTES, BEST_MINUTES = 25.0, 60.0
"""Of a search under a budget, and of one for the best, where the user does not say."""
TEACHERS_SHARE = 0.4
"""Of these minutes, for the teacher."""
LEAST_MINUTES = 0.1
TRIALS, TEACHERS = 40, 12
FEWEST_ROWS = 100
"""Validation rows from which on teachers are told apart by them."""


@dataclass(frozen=True)
class Searched:
    """What is searched of a run."""

    budget: str
    """Empty: what the preset promises."""
    minutes: float
    teacher: bool
    """The teacher too, before its student."""

    @classmethod
    def of(cls, asked: argparse.Namespace, validation_rows: int) -> Searched | None:
        """What the user asks for; None: nothing."""
        best = asked.preset == "best"
        if not (asked.budget or best):
            return None
        usual = BEST_MINUTES if best else MINUTES
        minutes = float(usual if asked.minutes is None else asked.minutes)
        return cls(asked.budget or "", minutes, best and validation_rows >= FEWEST_ROWS)

    @staticmethod
    def check(asked: argparse.Namespace, kind: str) -> None:
        """Raises ParamsError if a search is asked for that runs of this kind do not have."""
        if (asked.budget or asked.preset == "best") and (why := policy.unsearched(kind)):
            option = "--budget" if asked.budget else "--preset best"
            raise ParamsError("slipway new", f"{option}: {why}, and leave the option out")

    @property
    def what(self) -> str:
        """In words."""
        student = "the student that keeps the budget" if self.budget else "the best student"
        return f"the best teacher, then {student}" if self.teacher else student

    def run(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """The run, in which no teacher is stopped before its last epoch."""
        if not self.teacher:
            return dict(run)
        most = max(_teachers_space(written.plain(run))["finetune.epochs"])
        patience = Value(most, "all epochs are trained; a search tries so many at most")
        return {**run, "finetune": {**run["finetune"], "patience": patience}}

    def section(self, name: str, made: Plan, run: Mapping[str, Any]) -> str:
        """The lines of `search` in params.yaml for a run as it is to be written."""
        plain = written.plain(run)
        share = 1 - TEACHERS_SHARE if self.teacher else 1
        values = {
            "budget": Value(
                self.budget or _promised(plain),
                "" if self.budget else "speed and size that the preset promises",
            ),
            **(self._teacher(plain) if self.teacher else {}),
            "space": Value(_space(plain, made)),
            "trials": Value(TRIALS),
            "minutes": Value(_minutes(share * self.minutes)),
            "startup": Value(6),
            "rungs": Value([0.25]),
            "rung_slack": Value(0.1),
            "seed": Value(0),
            "workers": Value(1),
            "runner": Value("local"),
            "dask_address": Value(""),
        }
        return written.section(name, [], values)

    def _teacher(self, run: Mapping[str, Any]) -> dict[str, Value]:
        minutes = _minutes(TEACHERS_SHARE * self.minutes)
        rules = {"space": _teachers_space(run), "trials": TEACHERS, "minutes": minutes}
        return {"teacher": Value(rules, "teachers are tried first")}


def minutes(text: str) -> float:
    """The value of `--minutes`.

    Raises:
        ArgumentTypeError: it is no number of minutes.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0")
    return value


def _minutes(value: float) -> float:
    return max(LEAST_MINUTES, round(value, 1))


def _teachers_space(run: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Half to twice the learning rate and to one and a half times the epochs that are proposed, and how
    weights decay.
    """
    trained = run["finetune"]
    rate, epochs = trained["learning_rate"], trained["epochs"]
    return {
        "finetune.learning_rate": _with(rate, [float(f"{share * rate:.2g}") for share in (0.5, 2)]),
        "finetune.epochs": _with(epochs, [max(1, round(share * epochs)) for share in (0.5, 1.5)]),
        "finetune.weight_decay": _with(trained["weight_decay"], [0.01, 0.1]),
    }


def _promised(run: Mapping[str, Any]) -> str:
    gates = run["benchmark"]["gates"]
    speed, size = gates["min_speedup"], gates["max_bytes"] / 1e6
    return f"speedup >= {speed:g} x and size <= {size:g} MB, then best quality"


def _space(run: Mapping[str, Any], made: Plan) -> dict[str, list[Any]]:
    """What is proposed, beside the run's own values; a run like another one may lack some."""
    begun = policy.default(made.space, run)
    return {key: _with(value, made.space[key]) for key, value in begun.items() if value is not policy.MISSING}


def _with(value: Any, choices: Sequence[Any]) -> list[Any]:
    """The choices and the run's own value, each once; numbers ascend."""
    found = [*choices] if value in choices else [value, *choices]
    once = [one for number, one in enumerate(found) if one not in found[:number]]
    return sorted(once) if all(type(one) in (int, float) for one in once) else once
