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

import dataclasses
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flows.searching import budget, inputs, job
from flows.searching.chain import RECOVERY, SHIPPED, Chain, maker, of_trial
from flows.searching.job import COMPLETE, FAILED, GIVEN_UP, Job, Result
from tasks.core import params, stages, tables
from tasks.core.errors import SlipwayError
from tasks.core.params import Section
from tasks.kinds.base.kind import known_kinds, load_kind
from tasks.launch.environment import ENVIRONMENT

NOTHING_ASKED = {"min_agreement": 0.0}
"""Before recovery a student agrees with nobody; only its size and speed are of interest."""


NOTHING: Mapping[str, str] = MappingProxyType({})


class GivenUpError(Exception):
    """Why the trial is hopeless."""


class Trial:
    """`figures` grow as it goes on."""

    def __init__(self, asked: Job, root: Path) -> None:
        self._job, self._root, self._home = asked, root, root / asked.folder
        self.figures: dict[str, Any] = {"rungs": {}}
        self._budget = budget.parse(asked.budget)
        single = {**asked.params, "processes": 1}
        models = {name: stage.Params for name, stage in stages.load_all().items()}
        self._params: dict[str, Section] = params.check(
            {asked.run: single}, models, known_kinds(), strict=False
        )[asked.run]

    def run(self) -> None:
        """Runs the trial to its end.

        Raises:
            GivenUpError: it is hopeless.
            SlipwayError: these values make no student.
        """
        from flows.searching.measure import Bench

        inputs.link(self._root, self._job.run, self._job.inputs, self._home)
        ingest, teacher, outputs = (
            self._home / name for name in (inputs.INGEST, inputs.TEACHER, inputs.OUTPUTS)
        )
        bench, chain = Bench(ingest, teacher, outputs, self._params["benchmark"]), of_trial()
        for stage in chain.before:
            self._made(stage, stage)
        folder = self._unrecovered(chain)
        self.figures["cost"] = bench.cost(self._home / chain.start, folder)
        self._weigh(bench, folder)
        for rung in self._job.rungs:
            self._climb(rung, self._made(f"rung-{rung}", RECOVERY, **self._share(rung)))
        for stage in (RECOVERY, *chain.after):
            self._made(stage, stage)
        folder = self._home / SHIPPED / "out"
        self.figures |= bench.quality(folder)
        self._weigh(bench, folder)

    def _unrecovered(self, chain: Chain) -> Path:
        """The folder that ships, made of what the recovery begins from in place of what it leaves."""
        instead = {f"{RECOVERY}/out": chain.start}
        for stage in chain.after:
            place = f"before-{stage}"
            self._made(place, stage, instead, **(NOTHING_ASKED if stage == SHIPPED else {}))
            instead |= {name: f"before-{name}" for name in chain.made if maker(name) == stage}
        return self._home / f"before-{SHIPPED}" / "out"

    def _made(self, name: str, stage: str, instead: Mapping[str, str] = NOTHING, **changed: Any) -> Path:
        """What a stage leaves, in a folder of that name; all of it, or nothing.

        `instead`: artifact -> where one lies that the stage reads in its place.
        """
        place, scratch = self._home / name, self._home / f"{name}.part"
        if place.is_dir():
            return place
        print(f"trial {self._job.number}: {name}", flush=True)
        module, staged = stages.load(stage), scratch / "staged"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        made = module.run(
            self._inputs(module, instead), self._params[stage].model_copy(update=changed), staged, scratch
        )
        (staged / "metrics.json").write_text(json.dumps(made.figures), encoding="utf-8")
        staged.replace(place)
        shutil.rmtree(scratch)
        return place

    def _inputs(self, module: stages.Stage, instead: Mapping[str, str]) -> Any:
        named = stages.artifacts(module)
        places = {field: self._home / instead.get(name, name) for field, name in named.items()}
        rest = {field.name: self._root for field in dataclasses.fields(module.Inputs)}
        return module.Inputs(**{**rest, **places})

    def _weigh(self, bench: Any, folder: Path) -> None:
        """Bytes and speed of a shippable folder; a shape that was timed before is not timed again."""
        from flows.searching import measure
        from tasks.benchmark.variants import size_of

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


def run(asked: Job, root: Path) -> Result:
    """Any end of it but a bug or a kill."""
    started, state, reason = time.monotonic(), COMPLETE, ""
    trial = Trial(asked, root)
    try:
        trial.run()
    except GivenUpError as error:
        state, reason = GIVEN_UP, str(error)
    except SlipwayError as error:
        state, reason = FAILED, str(error)
    return Result(state, reason, round(time.monotonic() - started, 1), trial.figures)


def main(folder: Path) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if job.read_result(folder / "result.json") is None:
        job.write(folder / "result.json", run(job.read_job(folder / "job.json"), Path.cwd()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
