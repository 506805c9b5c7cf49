"""Reads params.yaml, strictly: every value a run uses stands there and nowhere else, and all faults are told at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tasks.core import documents
from tasks.core.errors import ParamsError, did_you_mean

BOUNDS: dict[type, tuple[str, str]] = {
    Ge: ("ge", "at least"),
    Gt: ("gt", "above"),
    Le: ("le", "at most"),
    Lt: ("lt", "below"),
    MultipleOf: ("multiple_of", "a multiple of"),
}
RUN_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
RESERVED = {
    **dict.fromkeys(("raw", "collected", "quarantine", "inbox"), "is a folder of data/ that all runs share"),
    "all": "means all runs in the commands",
    **dict.fromkeys(
        ("con", "prn", "aux", "nul", *(f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10))),
        "is a device on Windows, where no folder can have that name",
    ),
}
"""Names that a run cannot have, and why."""


class Section(BaseModel):
    """The values one stage reads. No field has a default: a value is in params.yaml or nowhere."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        """Which values cannot be together, `stage.key = value: why` for each. It gets the run's sections, as far as there are."""
        return []


KindName = Annotated[str, Field(description="folder below tasks/kinds/ that has a kind.py")]
Seed = Annotated[int, Field(ge=0, lt=2**31, description="of every random choice")]
Threads = Annotated[int, Field(ge=1, le=256, description="processor threads; results differ in their last bits between counts")]
Processes = Annotated[
    int, Field(ge=1, le=64, description="processes that train together, each on a GPU of its own; on a CPU they share its cores")
]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|mps)$", description="auto, cpu, cuda or mps")]
Options = Annotated[dict[str, Any], Field(description="what only this kind asks for, by name; {} if it asks for nothing")]
InputSize = Annotated[int, Field(ge=8, le=8192, description="largest input the model sees: tokens of a text, pixels of an image's side")]


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
    patience: int = Field(ge=1, le=1000, description="epochs without a better one on the validation rows after which training stops")
    batch_size: int = Field(ge=1, le=4096, description="rows per step")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate")
    warmup: float = Field(ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(ge=0, le=1, description="of the weight matrices")
    clip: float = Field(gt=0, le=1000, description="greatest norm of the gradient")
    dropout: float = Field(ge=0, lt=1, description="in the encoder and before the head")
    precision: Literal["fp32", "bf16"] = Field(description="of the matrix products; bf16 pays with AMX or a GPU")


def document(path: Path) -> dict[str, Any]:
    """All of a params file.

    Raises:
        ParamsError: there is no such file, or it is no YAML with keys.
    """
    if path.is_dir():
        raise ParamsError(path.name, "is a folder; params.yaml must be a file")
    if not path.is_file():
        raise ParamsError(path.name, "there is no such file here; run this in the top folder of the project, where params.yaml is")
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
        raise ParamsError(path.name, *(f"runs.{_shown(key)}: a run's name must be text, this is {_short(key)}" for key in odd))
    below = ((key, name) for key, values in found.items() if isinstance(values, dict) for name, one in values.items() if _is_run(one))
    if stray := [f"{_shown(key)}.{_shown(name)}: is a run; put it below `runs`" for key, name in below]:
        raise ParamsError(path.name, *stray)
    return runs


def _is_run(value: Any) -> bool:
    return isinstance(value, dict) and {"kind", "ingest"} <= value.keys()


def bad_name(name: str) -> str:
    """Why a run cannot have this name: folders, references of git, stages of DVC and keys of artifacts are made of it; empty if it can."""
    if not RUN_NAME.fullmatch(name):
        return "a run's name is made of a-z, 0-9 and -, starts with a letter, ends with a letter or number and has at most 40 signs"
    return f"`{name}` {RESERVED[name]}; choose another name" if name in RESERVED else ""


def check(
    runs: Mapping[str, Any], models: Mapping[str, type[Section]], kinds: Mapping[str, type[Section]], only: str | None = None
) -> dict[str, dict[str, Section]]:
    """Run -> stage -> its checked params. `kinds`: the options each kind asks for.

    Raises:
        ParamsError: with every fault of the file, or of the run `only`.
    """
    if only is not None and only not in runs:
        raise ParamsError("params.yaml", f"there is no run `{only}`{did_you_mean(only, runs)}")
    chosen = {only: runs[only]} if only is not None else dict(runs)
    faults: list[str] = []
    checked = {name: _check_run(str(name), run, models, kinds, faults) for name, run in chosen.items()}
    if faults:
        raise ParamsError("params.yaml", *faults)
    for name, sections in checked.items():
        faults += [f"runs.{name}.{fault}" for section in sections.values() for fault in section.faults(sections)]
    if faults:
        raise ParamsError("params.yaml", *faults)
    return checked


def _check_run(
    name: str, run: Any, models: Mapping[str, type[Section]], kinds: Mapping[str, type[Section]], faults: list[str]
) -> dict[str, Section]:
    at = f"runs.{_shown(name)}"
    if bad := bad_name(name):
        faults.append(f"{at}: {bad}")
    if not isinstance(run, dict):
        faults.append(f"{at} = {_short(run)}: must be a mapping of {', '.join([*RunFields.model_fields, *models])}")
        return {}
    allowed = [*RunFields.model_fields, *models]
    faults.extend(f"{at}.{_shown(key)}: unknown key{did_you_mean(str(key), allowed)}" for key in run if key not in allowed)
    shared = {key: run[key] for key in RunFields.model_fields if key in run}
    faults.extend(_faults(at, RunFields, shared))
    if isinstance(run.get("kind"), str) and run["kind"] not in kinds:
        faults.append(f"{at}.kind = {_short(run['kind'])}: unknown kind; there are: {', '.join(kinds)}")
    elif isinstance(run.get("options"), dict) and isinstance(run.get("kind"), str):
        faults.extend(_faults(f"{at}.options", kinds[run["kind"]], run["options"]))
    checked = {}
    for stage, model in models.items():
        taken = {key: value for key, value in shared.items() if key in model.model_fields}
        section = run.get(stage, {})
        if not isinstance(section, dict):
            faults.append(f"{at}.{stage} = {_short(section)}: must be a mapping of {', '.join(own_fields(model))}")
            continue
        clash = RunFields.model_fields.keys() & section.keys()
        faults.extend(f"{at}.{stage}.{key}: unknown key; `{key}` stands once, at {at}.{key}" for key in sorted(clash))
        try:
            checked[stage] = model.model_validate({**{k: v for k, v in section.items() if k not in clash}, **taken})
        except ValidationError as error:
            own = (detail for detail in error.errors() if detail["loc"][0] not in RunFields.model_fields)
            faults.extend(_say(f"{at}.{stage}", model, detail) for detail in own)
    return checked


def own_fields(model: type[Section]) -> list[str]:
    """The fields of a stage's section, without those the whole run shares."""
    return [name for name in model.model_fields if name not in RunFields.model_fields]


def _faults(at: str, model: type[Section], values: Mapping[str, Any]) -> Iterator[str]:
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        yield from (_say(at, model, detail) for detail in error.errors())


def _say(at: str, model: type[BaseModel], detail: ErrorDetails) -> str:
    """`runs.bbc.prune.ffn = 1.2: must be a whole number from 8 to 65536, a multiple of 8 (feed-forward channels kept)`."""
    field, siblings = _field(model, detail["loc"])
    at = ".".join([at, *map(_shown, detail["loc"])])
    if detail["type"] == "extra_forbidden":
        return f"{at}: unknown key{did_you_mean(str(detail['loc'][-1]), siblings)}"
    about = f" ({field.description})" if field and field.description else ""
    if detail["type"] == "missing":
        return f"{at}: is missing{about}"
    return f"{at} = {_short(detail['input'])}: {_allowed(field) or detail['msg'].removeprefix('Value error, ')}{about}"


def _shown(key: Any) -> str:
    """A key as it stands in the file, if that is short and plain."""
    return str(key) if re.fullmatch(r"[\w .@/+-]{1,60}", str(key)) else _short(key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _field(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[FieldInfo | None, list[str]]:
    """The field at a location in nested models, and the names beside it."""
    field: FieldInfo | None = None
    siblings = own_fields(model) if issubclass(model, Section) else list(model.model_fields)
    current: Any = model
    for step in location:
        fields = getattr(current, "model_fields", {})
        if isinstance(step, int) and get_origin(current) is list:
            field = FieldInfo.from_annotation(get_args(current)[0])
        elif step in fields:
            field, siblings = fields[step], list(fields)
        else:
            return None, siblings
        current = _without_none(field)
    return field, siblings


def _without_none(field: FieldInfo) -> Any:
    """The type of a field; of one that may be left out, what it is if it is given."""
    given = [one for one in get_args(field.annotation) if one is not type(None)]
    return given[0] if get_origin(field.annotation) is UnionType and len(given) == 1 else field.annotation


def _allowed(field: FieldInfo | None) -> str:
    """What a number or a choice may be; empty for other types, whose own message is good enough."""
    kind = _without_none(field) if field is not None else None
    if get_origin(kind) is Literal:
        *most, last = (repr(choice) for choice in get_args(kind))
        return f"must be {', '.join(most)} or {last}" if most else f"must be {last}"
    words = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind)  # type: ignore[arg-type]
    if field is None or words is None:
        return ""
    bounds = [f"{BOUNDS[type(bound)][1]} {getattr(bound, BOUNDS[type(bound)][0])}" for bound in field.metadata if type(bound) in BOUNDS]
    return ", ".join([f"must be {words}", *bounds])
