"""The folder of a trial, and what is alike in every trial: stages run in it by their own `run`, on links to
what the trial may read, and a killed trial goes on with what it left there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flows.searching import inputs, job
from flows.searching.job import COMPLETE, FAILED, GIVEN_UP, AnyJob, Job, Result
from tasks.core import params, stages
from tasks.core.errors import SlipwayError
from tasks.core.params import Section
from tasks.kinds.base.kind import known_kinds
from tasks.launch.environment import ENVIRONMENT

Figures = dict[str, Any]
NOTHING: Mapping[str, str] = MappingProxyType({})


class GivenUpError(Exception):
    """Why the trial is hopeless."""


class Workplace:
    """`params` are those of the run's stages, checked."""

    def __init__(self, asked: Job, root: Path) -> None:
        self._job, self._root, self.home = asked, root, root / asked.folder
        single = {**asked.params, "processes": 1}
        models = {name: stage.Params for name, stage in stages.load_all().items()}
        self.params: dict[str, Section] = params.check(
            {asked.run: single}, models, known_kinds(), strict=False
        )[asked.run]

    def link(self) -> None:
        """Links what the trial reads into its folder.

        Raises:
            DataError: this checkout does not hold the same bytes.
        """
        inputs.link(self._root, self._job.run, self._job.inputs, self.home)

    def made(self, name: str, stage: str, instead: Mapping[str, str] = NOTHING, **changed: Any) -> Path:
        """What a stage leaves, in a folder of that name; all of it, or nothing.

        `instead`: artifact -> where one lies that the stage reads in its place. `changed`: values of the
        stage in place of the run's.
        """
        place, scratch = self.home / name, self.home / f"{name}.part"
        if place.is_dir():
            return place
        print(f"trial {self._job.number}: {name}", flush=True)
        module, staged = stages.load(stage), scratch / "staged"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        made = module.run(
            self._inputs(module, instead), self.params[stage].model_copy(update=changed), staged, scratch
        )
        (staged / "metrics.json").write_text(json.dumps(made.figures), encoding="utf-8")
        staged.replace(place)
        shutil.rmtree(scratch)
        return place

    def _inputs(self, module: stages.Stage, instead: Mapping[str, str]) -> Any:
        named = stages.artifacts(module)
        places = {field: self.home / instead.get(name, name) for field, name in named.items()}
        rest = {field.name: self._root for field in dataclasses.fields(module.Inputs)}
        return module.Inputs(**{**rest, **places})


def ended(work: Callable[[Figures], None]) -> Result:
    """How some work ends, and the figures that it tells as far as it comes. Any end but a bug or a kill."""
    started, state, reason = time.monotonic(), COMPLETE, ""
    figures: Figures = {}
    try:
        work(figures)
    except GivenUpError as error:
        state, reason = GIVEN_UP, str(error)
    except SlipwayError as error:
        state, reason = FAILED, str(error)
    return Result(state, reason, round(time.monotonic() - started, 1), figures)


def main(folder: Path, of: type[AnyJob], run: Callable[[AnyJob, Path], Result]) -> None:
    """Does the job in `folder`, in the checkout that is the current directory, unless it is done."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if job.read_result(folder / "result.json") is None:
        job.write(folder / "result.json", run(job.read_job(folder / "job.json", of), Path.cwd()))
