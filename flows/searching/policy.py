"""How a run is searched.

`search.<run>` of params.yaml, beside `runs`, because none of it changes what a stage makes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from flows.searching import budget, chain
from tasks.core import former_keys, params, stages
from tasks.core.errors import ParamsError, did_you_mean
from tasks.core.params import Section
from tasks.kinds.base.kind import known_kinds, load_kind

Choices = Annotated[list[Any], Field(min_length=1, max_length=100)]
MISSING = object()
NO_MATTER_TO_A_TEACHER = ("teachers", "pool_outputs")
"""Values of finetune that say nothing of one teacher: a trial makes one, and it labels no pool."""
Values = Mapping[str, Any]
"""What a trial sets: `prune.ffn` -> 512."""


class TeacherPolicy(Section):
    space: dict[str, Choices] = Field(
        min_length=1, description="value of the teacher, as finetune.learning_rate -> what it may be"
    )
    trials: int = Field(
        ge=1, le=10_000, description="teachers that are tried, at most; the committed one is the first"
    )
    minutes: float = Field(gt=0, le=100_000, description="after which no further teacher is begun")


class Policy(Section):
    budget: str = Field(
        description="what a student must keep, then what is wanted most; docs/search.md has the grammar"
    )
    space: dict[str, Choices] = Field(
        min_length=1,
        description="value of the run, as prune.ffn or distill.relations.weight -> what it may be",
    )
    trials: int = Field(
        ge=1, le=10_000, description="students that are tried, at most; the committed one is the first"
    )
    minutes: float = Field(gt=0, le=100_000, description="after which no further trial is begun")
    startup: int = Field(ge=1, le=1000, description="trials by chance before the sampler learns from them")
    rungs: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        description="shares of the recovery after which a trial may be given up, ascending; [] for none"
    )
    rung_slack: float = Field(
        ge=0,
        le=10,
        description="share by which a trial may be further from the teacher than a cheaper one at a rung",
    )
    seed: int = Field(ge=0, lt=2**31, description="of what is proposed")
    workers: int = Field(ge=1, le=64, description="trials at once; each uses the run's `threads`")
    runner: Literal["local", "dask"] = Field(
        description="where trials run: processes of this machine, or a Dask cluster"
    )
    dask_address: str = Field(
        description="scheduler of the cluster, as tcp://host:8786; empty: a cluster on this machine"
    )
    teacher: TeacherPolicy | None = Field(
        None, description="how a teacher is searched before its students; left out: the run's own is taken"
    )


def is_told(root: Path, run: str) -> bool:
    """Whether params.yaml says how the run is searched."""
    sections = params.document(root / "params.yaml").get("search")
    return isinstance(sections, dict) and run in sections


def read(root: Path, run: str) -> Policy:
    """What params.yaml says of a search.

    Raises:
        ParamsError: it is not said how the run is searched, or with every fault in it.
    """
    file = root / "params.yaml"
    runs = params.read(file)
    if run not in runs:
        raise ParamsError("params.yaml", f"there is no run `{run}`{did_you_mean(run, runs)}")
    if not is_told(root, run):
        raise ParamsError("params.yaml", f"search.{run}: is missing; docs/search.md has a section to copy")
    try:
        policy = Policy.model_validate(params.document(file)["search"][run])
    except ValidationError as error:
        raise ParamsError("params.yaml", *(_told(run, detail) for detail in error.errors())) from None
    if faults := [f"search.{run}.{fault}" for fault in _faults(policy, runs[run])]:
        raise ParamsError("params.yaml", *faults)
    if why := unsearched(str(runs[run]["kind"])):
        raise ParamsError("params.yaml", f"search.{run}: {why}")
    return policy


def unsearched(kind: str) -> str:
    """Why runs of a kind are not searched; empty: they are."""
    if not load_kind(kind).generation:
        return ""
    return f"models of {kind} write texts, which trials do not measure; choose their sizes by hand"


def default(space: Iterable[str], run: Values) -> dict[str, Any]:
    """The values of a space as the run has them."""
    return {key: _at(run, key) for key in space}


def with_values(run: Values, values: Values) -> dict[str, Any]:
    """The run's whole section with these values in it."""
    section: dict[str, Any] = copy.deepcopy(dict(run))
    for key, value in values.items():
        *parents, name = key.split(".")
        place = section
        for parent in parents:
            place = place[parent]
        place[name] = value
    return section


def _at(run: Any, key: str) -> Any:
    """The value at `distill.relations.weight`; `MISSING` where there is none."""
    for name in key.split("."):
        run = run.get(name, MISSING) if isinstance(run, dict) else MISSING
    return run


def _faults(policy: Policy, run: Any) -> list[str]:
    faults = []
    try:
        budget.parse(policy.budget)
    except ParamsError as error:
        faults += [f"budget: {fault}" for fault in error.faults]
    if sorted(set(policy.rungs)) != policy.rungs:
        faults.append(f"rungs = {policy.rungs}: must ascend")
    faults += _faults_of_space("space", policy.space, run, chain.searched())
    if policy.teacher is not None:
        faults += _faults_of_space("teacher.space", policy.teacher.space, run, [chain.TEACHER])
    return faults


def _faults_of_space(at: str, space: Mapping[str, list[Any]], run: Any, searched: Sequence[str]) -> list[str]:
    faults = []
    for key, choices in space.items():
        parts = [other for other in space if other.startswith(f"{key}.")]
        faults += [
            f"{at}.{other}: is part of {key}, which is searched as a whole; take one" for other in parts
        ]
        faults += [f"{at}.{key}{fault}" for fault in _faults_of_choices(at, key, choices, run, searched)]
    return faults


def _faults_of_choices(at: str, key: str, choices: list[Any], run: Any, names: Sequence[str]) -> list[str]:
    stage, own = key.partition(".")[0], _at(run, key)
    if stage not in names:
        return [f": only values of {', '.join(names)} can be searched here"]
    if stage == chain.TEACHER and key.partition(".")[2] in NO_MATTER_TO_A_TEACHER:
        return [": has no effect here: each trial trains one teacher, which labels no pool"]
    if own is MISSING:
        return [_no_such_value(at, run, key)]
    faults = (
        []
        if own in choices
        else [f" = {choices}: lacks the run's own value, {own!r}: the search begins there"]
    )
    if any(choices.count(choice) > 1 for choice in choices):
        faults.append(f" = {choices}: says a value twice")
    models = {stage: stages.load(stage).Params for stage in names}
    for choice in choices:
        shared = {one: run[one] for one in params.RunFields.model_fields if one in run}
        tried = {**shared, stage: with_values(run, {key: choice})[stage]}
        try:
            params.check({"run": tried}, {stage: models[stage]}, known_kinds(), strict=False)
        except ParamsError as error:
            faults += [f": {fault.partition(f'runs.run.{key} = ')[2] or fault}" for fault in error.faults]
    return faults


def _no_such_value(at: str, run: Any, key: str) -> str:
    above, _, name = key.rpartition(".")
    stage, beside = key.partition(".")[0], _at(run, above)
    if above == stage and (now := former_keys.place_now(stage, name)):
        return f": write {at}.{stage}.{now} instead"
    if beside is None:
        return f": the run has {above}: null; give it its values in the run first"
    return f": the run has no such value{did_you_mean(name, beside if isinstance(beside, dict) else {})}"


def _told(run: str, detail: Any) -> str:
    at = ".".join(["search", run, *map(str, detail["loc"])])
    *above, name = [*map(str, detail["loc"])] or [""]
    fields = TeacherPolicy.model_fields if above[:1] == ["teacher"] else Policy.model_fields
    field = fields.get(name)
    if detail["type"] == "missing":
        return f"{at}: is missing ({field.description if field else 'a value'})"
    if detail["type"] == "extra_forbidden":
        return f"{at}: unknown key{did_you_mean(name, fields)}"
    if detail["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return f"{at} = {detail['input']!r}: must be a section, with keys and values"
    return f"{at} = {detail['input']!r}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
