"""What is proposed and what came of it: an Optuna study in SQLite, that a killed search goes on with.

The sampler (TPE for several objectives; Ozaki et al., Multiobjective Tree-Structured Parzen Estimator, 2022)
sees nothing that the clock had a hand in: divergence from the teacher and cost of each trial, the limits of
quality and size, and which trials were given up. It is made anew for each proposal, with a seed of that
proposal's own, so that the same seed proposes the same, killed in between or not.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from flows.searching.budget import Budget, Limit
from flows.searching.job import COMPLETE, GIVEN_UP, Result

TRIES = 20
"""How often a proposal that was made before is made anew, before chance alone proposes."""
RESULT, SECONDS = "result", "seconds"
logging.getLogger("optuna").setLevel(logging.WARNING)
Space = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Proposal:
    """`place` is its number among the proposals.

    Optuna's own numbers also count those that were made twice or begun before a kill.
    """

    place: int
    values: dict[str, Any]
    trial: optuna.Trial


@dataclass(frozen=True)
class Tried:
    number: int
    values: dict[str, Any]
    result: Result


@dataclass(frozen=True)
class Goal:
    """What the sampler learns from."""

    figures: tuple[str, ...]
    """Of a trial; less is better."""
    limits: tuple[Limit, ...] = ()
    """That should be kept."""

    @classmethod
    def of(cls, budget: Budget) -> Goal:
        """Of students: what a budget says but for what the clock measures."""
        sized = budget.objective == "bytes" or bool(budget.limits_of("bytes"))
        figures = ("divergence", "cost", "bytes") if sized else ("divergence", "cost")
        return cls(figures, (*budget.limits_of("quality"), *budget.limits_of("bytes")))


class Study:
    def __init__(self, file: Path, space: Space, goal: Goal, seed: int, startup: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._space, self._goal, self._seed, self._startup = space, goal, seed, startup
        storage = f"sqlite:///{file}"
        directions = ["minimize"] * len(goal.figures)
        self._study = optuna.create_study(
            study_name="search", storage=storage, directions=directions, load_if_exists=True
        )
        self.revived = self._revive()

    def begin_with(self, values: Mapping[str, Any]) -> None:
        """Of a new study: what is tried first."""
        if not self._study.trials:
            self._study.enqueue_trial(self._indices(values))

    def propose(self, count: int) -> list[Proposal]:
        """At most so many that were not tried.

        Those that a kill interrupted first, and by themselves; none if there are no more.
        """
        waiting = sum(trial.state == TrialState.WAITING for trial in self._study.trials)
        proposed = (self._next() for _ in range(waiting or count))
        return [one for one in proposed if one is not None]

    def tell(self, proposal: Proposal, result: Result) -> None:
        proposal.trial.set_user_attr(RESULT, asdict(result))
        self._close(proposal.trial, result)

    def _close(self, trial: optuna.Trial, result: Result) -> None:
        """The sampler learns from it."""
        if result.state != COMPLETE:
            self._study.tell(trial, state=TrialState.PRUNED if result.state == GIVEN_UP else TrialState.FAIL)
            return
        for limit in self._goal.limits:
            trial.set_constraint(limit.figure, limit.excess(result.figures))
        self._study.tell(trial, [float(result.figures[name]) for name in self._goal.figures])

    def tried(self) -> list[Tried]:
        """In the order of their proposals."""
        ended = [trial for trial in self._proposals() if RESULT in trial.user_attrs]
        return [
            Tried(place, self._values(trial), Result(**trial.user_attrs[RESULT]))
            for place, trial in enumerate(ended)
        ]

    @property
    def seconds(self) -> float:
        """Spent so far, before kills too."""
        return float(self._study.user_attrs.get(SECONDS, 0.0))

    def spend(self, seconds: float) -> None:
        self._study.set_user_attr(SECONDS, self.seconds + seconds)

    def _next(self) -> Proposal | None:
        known = self._proposals()
        place = sum(trial.state != TrialState.WAITING for trial in known)
        seen = {_key(self._values(trial)) for trial in known if trial.state != TrialState.WAITING}
        for attempt in range(TRIES + 1):
            if attempt == TRIES and not self._enqueue_by_chance(place, seen):
                return None
            self._study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=self._startup,
                multivariate=True,
                seed=(self._seed * 100_003 + place * 101 + attempt) % 2**32,
            )
            trial = self._study.ask()
            values = {key: self._space[key][self._suggest(trial, key)] for key in self._space}
            if _key(values) not in seen:
                return Proposal(place, values, trial)
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    def _suggest(self, trial: optuna.Trial, key: str) -> int:
        """The number of a choice.

        The sampler learns that near numbers are alike where the choices are numbers that ascend.
        """
        choices = self._space[key]
        last = len(choices) - 1
        ordered = all(type(one) in {int, float} for one in choices) and sorted(choices) == list(choices)
        return (
            trial.suggest_int(key, 0, last)
            if ordered
            else int(trial.suggest_categorical(key, range(last + 1)))
        )

    def _enqueue_by_chance(self, place: int, seen: set[str]) -> bool:
        chance = random.Random(self._seed * 100_003 + place)
        for _ in range(1000):
            values = {key: chance.choice(choices) for key, choices in self._space.items()}
            if _key(values) not in seen:
                self._study.enqueue_trial(self._indices(values))
                return True
        return False

    def _proposals(self) -> list[FrozenTrial]:
        """All but those that were proposed before, and those whose process died."""
        return [
            trial
            for trial in self._study.trials
            if trial.state != TrialState.FAIL or RESULT in trial.user_attrs
        ]

    def _revive(self) -> int:
        """What ran when the search was killed is proposed again, before all else; returns how many.

        What had a result is closed.
        """
        waiting = [_told(trial) for trial in self._study.trials if trial.state == TrialState.WAITING]
        running = [trial for trial in self._study.trials if trial.state == TrialState.RUNNING]
        for trial in running:
            if RESULT in trial.user_attrs:
                self._close(optuna.Trial(self._study, trial._trial_id), Result(**trial.user_attrs[RESULT]))
        dead = [trial for trial in running if RESULT not in trial.user_attrs]
        whole = [_told(trial) for trial in dead if len(_told(trial)) == len(self._space)]
        for values in whole:
            if values not in waiting:
                self._study.enqueue_trial(values)
        for trial in dead:
            self._study.tell(trial.number, state=TrialState.FAIL)
        return len(whole)

    def _indices(self, values: Mapping[str, Any]) -> dict[str, int]:
        return {key: list(self._space[key]).index(value) for key, value in values.items()}

    def _values(self, trial: FrozenTrial) -> dict[str, Any]:
        return {key: self._space[key][index] for key, index in _told(trial).items()}


def _told(trial: FrozenTrial) -> dict[str, Any]:
    """The choices of a trial, those it was enqueued with among them."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
