"""A value of params that is not allowed, in words: where, what was found, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tasks.core.errors import did_you_mean

BOUNDS: dict[type, tuple[str, str]] = {
    Ge: ("ge", "at least"),
    Gt: ("gt", "above"),
    Le: ("le", "at most"),
    Lt: ("lt", "below"),
    MultipleOf: ("multiple_of", "a multiple of"),
}


def section_faults(at: str, model: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    """Every fault of these values, a line each."""
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        yield from (say(at, model, detail) for detail in error.errors())


def say(at: str, model: type[BaseModel], detail: ErrorDetails, allowed: Sequence[str] = ()) -> str:
    """One fault of a section, which stands at `at`.

    `runs.bbc.prune.ffn = 1.2: must be a whole number from 8 to 65536, a multiple of 8 (feed-forward channels
    kept)`.

    Args:
        allowed: the keys of the section that a user may write; none: all fields of the model.
    """
    field, siblings = _field(model, detail["loc"], allowed or list(model.model_fields))
    at = ".".join([at, *map(shown, detail["loc"])])
    if detail["type"] == "extra_forbidden":
        return f"{at}: unknown key{did_you_mean(str(detail['loc'][-1]), siblings)}"
    about = f" ({field.description})" if field and field.description else ""
    if detail["type"] == "missing":
        return f"{at}: is missing{about}"
    return (
        f"{at} = {short(detail['input'])}: "
        f"{_allowed(field) or detail['msg'].removeprefix('Value error, ')}{about}"
    )


def shown(key: Any) -> str:
    """A key as it stands in the file, if that is short and plain."""
    return str(key) if re.fullmatch(r"[\w .@/+-]{1,60}", str(key)) else short(key)


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _field(
    model: type[BaseModel], location: tuple[int | str, ...], siblings: Sequence[str]
) -> tuple[FieldInfo | None, Sequence[str]]:
    """The field at a location in nested models, and the names beside it."""
    field: FieldInfo | None = None
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
    bounds = [
        f"{BOUNDS[type(bound)][1]} {getattr(bound, BOUNDS[type(bound)][0])}"
        for bound in field.metadata
        if type(bound) in BOUNDS
    ]
    return ", ".join([f"must be {words}", *bounds])
