"""How a new run is searched: the section `search` of params.yaml.

Under a budget its students are; with preset best its teacher is before, and the budget is what the preset
promises.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from flows.searching import policy
from flows.starting import written
from tasks.proposals.proposal import Plan, Value

MINUTES, BEST_MINUTES = 25.0, 60.0
"""Of a search under a budget, and of one for the best, where the user does not say."""
TEACHERS_SHARE = 0.4
"""Of these minutes, for the teacher."""
TRIALS, TEACHERS = 40, 12


def is_wanted(asked: argparse.Namespace) -> bool:
    """Whether what is asked for takes a search."""
    return bool(asked.budget) or asked.preset == "best"


def minutes(asked: argparse.Namespace) -> float:
    """That the search may take."""
    return float(asked.minutes or (BEST_MINUTES if asked.preset == "best" else MINUTES))


def section(name: str, asked: argparse.Namespace, made: Plan, run: Mapping[str, Any]) -> str:
    """The lines of `search` in params.yaml for a run as it is to be written."""
    plain, whole = written.plain(run), minutes(asked)
    teacher = _teacher(plain, whole) if asked.preset == "best" else {}
    values = {
        "budget": Value(asked.budget or _promised(plain), "" if asked.budget else "what the preset promises"),
        **teacher,
        "space": Value(_space(plain, made)),
        "trials": Value(TRIALS),
        "minutes": Value(round(whole * (1 - TEACHERS_SHARE), 1) if teacher else whole),
        "startup": Value(6),
        "rungs": Value([0.25]),
        "rung_slack": Value(0.1),
        "seed": Value(0),
        "workers": Value(1),
        "runner": Value("local"),
        "dask_address": Value(""),
    }
    return written.section(name, [], values)


def _teacher(run: Mapping[str, Any], whole: float) -> dict[str, Value]:
    """The key `teacher`: half to twice the learning rate and the epochs that are proposed, and how weights
    decay.
    """
    trained = run["finetune"]
    rate, epochs = trained["learning_rate"], trained["epochs"]
    space = {
        "finetune.learning_rate": _with(rate, [float(f"{share * rate:.2g}") for share in (0.5, 2)]),
        "finetune.epochs": _with(epochs, [max(1, round(share * epochs)) for share in (0.5, 1.5)]),
        "finetune.weight_decay": _with(trained["weight_decay"], [0.01, 0.1]),
    }
    rules = {"space": space, "trials": TEACHERS, "minutes": round(whole * TEACHERS_SHARE, 1)}
    return {"teacher": Value(rules, "teachers are tried first")}


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
