"""Reads params.yaml, strictly.

Every value a run uses stands there and nowhere else, and all faults are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.core import documents, former_keys, needs
from tasks.core.errors import ParamsError, did_you_mean
from tasks.core.needs import Need
from tasks.core.param_faults import describe, section_faults, short, shown

RUN_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
RESERVED = {
    **dict.fromkeys(("raw", "collected", "quarantine", "inbox"), "is a folder of data/ that all runs share"),
    "all": "means all runs in the commands",
    **dict.fromkeys(
        (
            "con",
            "prn",
            "aux",
            "nul",
            *(f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)),
        ),
        "is a device on Windows, where no folder can have that name",
    ),
}
"""Names that a run cannot have, and why."""


class Section(BaseModel):
    """The values one stage reads. No field has a default: a value is in params.yaml or nowhere."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        """Which values cannot be together, `stage.key = value: why` for each.

        It gets the run's sections, as far as there are.
        """
        return []

    def needs(self) -> list[Need]:
        """The values that must be there, or be null, as others say."""
        return []


KindName = Annotated[str, Field(description="folder below tasks/kinds/ that has a kind.py")]
Seed = Annotated[int, Field(ge=0, lt=2**31, description="of every random choice")]
Threads = Annotated[
    int,
    Field(ge=1, le=256, description="processor threads; results differ in their last bits between counts"),
]
Processes = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="processes that train together, each on a GPU of its own; on a CPU they share its cores",
    ),
]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|mps)$", description="auto, cpu, cuda or mps")]
Options = Annotated[
    dict[str, Any], Field(description="what only this kind asks for, by name; {} if it asks for nothing")
]
InputSize = Annotated[
    int,
    Field(
        ge=8, le=8192, description="largest input the model sees: tokens of a text, pixels of an image's side"
    ),
]


class RunFields(Section):
    """What the stages of a run share. A stage's `Params` takes those of them it reads by naming them."""

    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    processes: Processes
    device: Device
    input_size: InputSize


class TrainingFields(Section):
    """How a stage trains; see tasks/training/loop.py."""

    epochs: int = Field(ge=1, le=1000, description="passes over the training rows, at most")
    patience: int = Field(
        ge=1,
        le=1000,
        description="epochs without a better one on the validation rows after which training stops",
    )
    batch_size: int = Field(ge=1, le=4096, description="rows per step")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate")
    warmup: float = Field(ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(ge=0, le=1, description="of the weight matrices")
    clip: float = Field(gt=0, le=1000, description="greatest norm of the gradient")
    dropout: float = Field(ge=0, lt=1, description="in the encoder and before the head")
    precision: Literal["fp32", "bf16"] = Field(
        description="of the matrix products; bf16 pays with AMX or a GPU"
    )


def document(path: Path) -> dict[str, Any]:
    """All of a params file.

    Raises:
        ParamsError: there is no such file, or it is no YAML with keys.
    """
    if path.is_dir():
        raise ParamsError(path.name, "is a folder; params.yaml must be a file")
    if not path.is_file():
        raise ParamsError(
            path.name,
            "there is no such file here; run this in the top folder of the project, where params.yaml is",
        )
    found = documents.yaml(path.read_bytes(), path.name)
    return found if isinstance(found, dict) else {}


def read(path: Path) -> dict[str, Any]:
    """The `runs` of a params file.

    Raises:
        ParamsError: there is no such file, it is no YAML, or it has no `runs`.
    """
    runs = (found := document(path)).pop("runs", None)
    if not isinstance(runs, dict) or not runs:
        raise ParamsError(path.name, "must have a key `runs` with at least one run below it")
    if odd := [key for key in runs if not isinstance(key, str)]:
        raise ParamsError(
            path.name,
            *(f"runs.{shown(key)}: a run's name must be text, this is {short(key)}" for key in odd),
        )
    below = (
        (key, name)
        for key, values in found.items()
        if isinstance(values, dict)
        for name, one in values.items()
        if _is_run(one)
    )
    if stray := [f"{shown(key)}.{shown(name)}: is a run; put it below `runs`" for key, name in below]:
        raise ParamsError(path.name, *stray)
    return runs


def _is_run(value: Any) -> bool:
    return isinstance(value, dict) and {"kind", "ingest"} <= value.keys()


def bad_name(name: str) -> str:
    """Why a run cannot have this name.

    Folders, references of git, stages of DVC and keys of artifacts are made of it; empty if it can.
    """
    if not RUN_NAME.fullmatch(name):
        return (
            "a run's name is made of a-z, 0-9 and -, starts with a letter, ends with a letter or number "
            "and has at most 40 signs"
        )
    return f"`{name}` {RESERVED[name]}; choose another name" if name in RESERVED else ""


def check(
    runs: Mapping[str, Any],
    models: Mapping[str, type[Section]],
    kinds: Mapping[str, type[Section]],
    only: str | None = None,
    strict: bool = True,
) -> dict[str, dict[str, Section]]:
    """Run -> stage -> its checked params.

    Args:
        kinds: the options each kind asks for.
        strict: whether a value without effect is a fault. A search tries values under which others have none.

    Raises:
        ParamsError: with every fault of the file, or of the run `only`.
    """
    if only is not None and only not in runs:
        raise ParamsError("params.yaml", f"there is no run `{only}`{did_you_mean(only, runs)}")
    chosen = {only: runs[only]} if only is not None else dict(runs)
    faults: list[str] = []
    checked = {name: _check_run(str(name), run, models, kinds, faults) for name, run in chosen.items()}
    judge = needs.faults if strict else needs.lacking
    for name, sections in checked.items():
        if sections and str(chosen[name].get("kind")) in kinds:
            found = (
                fault
                for section in sections.values()
                for fault in [*judge(section.needs()), *section.faults(sections)]
            )
            faults += [f"runs.{shown(name)}.{fault}" for fault in found]
    if faults:
        raise ParamsError("params.yaml", *faults)
    return checked


def _check_run(
    name: str,
    run: Any,
    models: Mapping[str, type[Section]],
    kinds: Mapping[str, type[Section]],
    faults: list[str],
) -> dict[str, Section]:
    at = f"runs.{shown(name)}"
    if bad := bad_name(name):
        faults.append(f"{at}: {bad}")
    if not isinstance(run, dict):
        faults.append(
            f"{at} = {short(run)}: must be a mapping of {', '.join([*RunFields.model_fields, *models])}"
        )
        return {}
    allowed = [*RunFields.model_fields, *models]
    faults.extend(
        f"{at}.{shown(key)}: unknown key{did_you_mean(str(key), allowed)}"
        for key in run
        if key not in allowed
    )
    shared = {key: run[key] for key in RunFields.model_fields if key in run}
    faults.extend(section_faults(at, RunFields, shared))
    if isinstance(run.get("kind"), str) and run["kind"] not in kinds:
        faults.append(f"{at}.kind = {short(run['kind'])}: unknown kind; there are: {', '.join(kinds)}")
    elif isinstance(run.get("options"), dict) and isinstance(run.get("kind"), str):
        faults.extend(section_faults(f"{at}.options", kinds[run["kind"]], run["options"]))
    checked = {}
    for stage, model in models.items():
        section = run.get(stage, {})
        if not isinstance(section, dict):
            faults.append(
                f"{at}.{stage} = {short(section)}: must be a mapping of {', '.join(own_fields(model))}"
            )
            continue
        taken = {key: value for key, value in shared.items() if key in model.model_fields}
        if values := _check_section(f"{at}.{stage}", stage, model, section, taken, faults):
            checked[stage] = values
    return checked


def _check_section(
    at: str,
    stage: str,
    model: type[Section],
    section: Mapping[str, Any],
    taken: Mapping[str, Any],
    faults: list[str],
) -> Section | None:
    """The section of a stage with the values it takes from the run; None if there are faults in it."""
    clash = RunFields.model_fields.keys() & section.keys()
    faults.extend(
        f"{at}.{key}: unknown key; `{key}` stands once, at {at.rpartition('.')[0]}.{key}"
        for key in sorted(clash)
    )
    old = former_keys.replaced(stage, section)
    faults.extend(former_keys.faults(at, section, old))
    said, begun = {*RunFields.model_fields, *old}, {former.into for former in old.values()}
    try:
        return model.model_validate({**{k: v for k, v in section.items() if k not in clash}, **taken})
    except ValidationError as error:
        for detail in error.errors():
            key = detail["loc"][0]
            if key not in said and not (detail["type"] == "missing" and key in begun):
                faults.append(describe(at, model, detail, own_fields(model)))
        return None


def own_fields(model: type[Section]) -> list[str]:
    """The fields of a stage's section, without those the whole run shares."""
    return [name for name in model.model_fields if name not in RunFields.model_fields]
