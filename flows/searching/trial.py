"""One trial, in a process of its own:  python -m flows.searching.trial FOLDER

Reads FOLDER/job.json, writes FOLDER/result.json. Runs the stages between the teacher and the folder that
ships, in the graph's order (flows/searching/chain.py), by their own `run`, in FOLDER; what one that was
killed left there is gone on with. A hopeless trial ends early: before any recovery, if what prune leaves is
too large or too slow already (in int8 before recovery it is as fast as after it); and at each rung, a share
of the recovery, if it is further from the teacher than an earlier trial was there that costs no more. That is
successive halving's idea (Jamieson and Talwalkar, Non-stochastic Best Arm Identification, 2016) for several
objectives, which Optuna's pruners do not know.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from flows.searching import budget, inputs, workplace
from flows.searching.chain import RECOVERY, SHIPPED, Chain, maker, of_trial
from flows.searching.job import Result, StudentJob
from flows.searching.workplace import GivenUpError, Workplace
from tasks.core import tables
from tasks.kinds.base.kind import load_kind

NOTHING_ASKED = {"min_agreement": 0.0}
"""Before recovery a student agrees with nobody; only its size and speed are of interest."""


class Trial:
    """`figures` grow as it goes on."""

    def __init__(self, asked: StudentJob, root: Path, figures: dict[str, Any]) -> None:
        self._job, self._place = asked, Workplace(asked, root)
        self._home, self._params = self._place.home, self._place.params
        self.figures = figures
        figures["rungs"] = {}
        self._budget = budget.parse(asked.budget)

    def run(self) -> None:
        """Runs the trial to its end.

        Raises:
            GivenUpError: it is hopeless.
            SlipwayError: these values make no student.
        """
        from flows.searching.measure import Bench

        self._place.link()
        ingest, teacher, outputs = (
            self._home / name for name in (inputs.INGEST, inputs.TEACHER, inputs.OUTPUTS)
        )
        bench, chain = Bench(ingest, teacher, outputs, self._params["benchmark"]), of_trial()
        for stage in chain.before:
            self._place.made(stage, stage)
        folder = self._unrecovered(chain)
        self.figures["cost"] = bench.cost(self._home / chain.start, folder)
        self._weigh(bench, folder)
        for rung in self._job.rungs:
            self._climb(rung, self._place.made(f"rung-{rung}", RECOVERY, **self._share(rung)))
        for stage in (RECOVERY, *chain.after):
            self._place.made(stage, stage)
        folder = self._home / SHIPPED / "out"
        self.figures |= bench.quality(folder)
        self._weigh(bench, folder)

    def _unrecovered(self, chain: Chain) -> Path:
        """The folder that ships, made of what the recovery begins from in place of what it leaves."""
        instead = {f"{RECOVERY}/out": chain.start}
        for stage in chain.after:
            place = f"before-{stage}"
            self._place.made(place, stage, instead, **(NOTHING_ASKED if stage == SHIPPED else {}))
            instead |= {name: f"before-{name}" for name in chain.made if maker(name) == stage}
        return self._home / f"before-{SHIPPED}" / "out"

    def _weigh(self, bench: Any, folder: Path) -> None:
        """Bytes and speed of a shippable folder; a shape that was timed before is not timed again."""
        from flows.searching import measure
        from tasks.benchmark.forms.variants import size_of

        self.figures |= {"bytes": size_of(folder), "shape": measure.shape(folder)}
        known = self._job.speeds.get(self.figures["shape"])
        if known is None and self.figures.get("timed") != self.figures["shape"]:
            known = bench.speed(folder, self._home.parent / "timing.lock")
        if known is not None:
            self.figures |= {**known, "timed": self.figures["shape"]}
            self.figures["latency"] = round(
                (self._job.teacher_ms or known["teacher_ms"]) / known["speedup"], 5
            )
        if (
            self._job.teacher_ms is not None
            and "divergence" not in self.figures
            and (broken := self._budget.broken(self.figures))
        ):
            raise GivenUpError(f"before recovery: {', '.join(limit.said for limit in broken)} cannot be kept")

    def _share(self, rung: float) -> dict[str, Any]:
        """A share of the transfer set; where there is none, of the epochs."""
        recovery: Any = self._params[RECOVERY]
        if not recovery.pool:
            return {"epochs": math.ceil(recovery.epochs * rung)}
        kind = load_kind(recovery.kind)
        train, pool = (
            tables.read(self._home / inputs.INGEST / f"{split}.parquet") for split in ("train", "pool")
        )
        transferred = kind.data.transfer(
            train, pool, recovery.pool, kind.options.model_validate(recovery.options)
        )
        return {"pool": math.ceil(len(transferred) * rung)}

    def _climb(self, rung: float, made: Path) -> None:
        reached = json.loads((made / "metrics.json").read_text(encoding="utf-8"))["validation"]["divergence"]
        self.figures["rungs"][str(rung)] = reached
        better = [far for cost, far in self._job.bars.get(str(rung), []) if cost <= self.figures["cost"]]
        if self._job.teacher_ms is not None and better and reached > min(better) * (1 + self._job.rung_slack):
            raise GivenUpError(
                f"after {rung:.0%} of the recovery: divergence {reached:.3f}, a cheaper student had "
                f"{min(better):.3f}"
            )


def run(asked: StudentJob, root: Path) -> Result:
    """Makes the student; how that ended."""
    return workplace.ended(lambda figures: Trial(asked, root, figures).run())


if __name__ == "__main__":
    workplace.main(Path(sys.argv[1]), StudentJob, run)
