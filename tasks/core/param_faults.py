"""A value of params that is not allowed, in words: where, what was found, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

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
        yield from (describe(at, model, detail) for detail in error.errors())


def describe(at: str, model: type[BaseModel], detail: ErrorDetails, allowed: Sequence[str] = ()) -> str:
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
        return f"{at}: is missing{_optional(field)}{about}"
    own = detail["msg"].removeprefix("Value error, ") if detail["type"] == "value_error" else ""
    return f"{at} = {short(detail['input'])}: {'' if own else _allowed(field) or detail['msg']}{own}{about}"


def shown(key: Any) -> str:
    """A key as it stands in the file, if that is short and plain."""
    return str(key) if re.fullmatch(r"[\w .@/+-]{1,60}", str(key)) else short(key)


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def flow(value: Any) -> str:
    """A value as it stands in params.yaml, on one line: `{rank: 8, alpha: 16.0}`."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)}: {flow(below)}" for key, below in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return shown(value)


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
            return None, siblings if current is model else list(fields) or siblings
        current = _without_none(field)
    return field, siblings


def _without_none(field: FieldInfo) -> Any:
    """The type of a field; of one that may be left out, what it is if it is given."""
    given = [one for one in get_args(field.annotation) if one is not type(None)]
    is_either = get_origin(field.annotation) in (UnionType, Union)  # a choice or None is the second
    return given[0] if is_either and len(given) == 1 else field.annotation


def _optional(field: FieldInfo | None) -> str:
    """What to write for a key that must be there and may be null, or is a choice; empty for other fields."""
    choices = get_args(_without_none(field)) if field and get_origin(_without_none(field)) is Literal else ()
    said = (
        f"{{{', '.join(keys)}}}" if (keys := _keys(field)) else ", or ".join(map(str, choices)) or "a value"
    )
    if _may_be_null(field):
        return f"; write null, or {said}"
    return f"; write {said}" if choices else ""


def _may_be_null(field: FieldInfo | None) -> bool:
    """Whether a key must be there and may be null."""
    return field is not None and field.is_required() and _without_none(field) != field.annotation


def _keys(field: FieldInfo | None) -> list[str]:
    """Of a field that is a section its keys."""
    kind = _without_none(field) if field is not None else None
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _allowed(field: FieldInfo | None) -> str:
    """What a number, a choice or a section may be.

    Empty for other types, whose own message is good enough.
    """
    allowed = _values(field)
    return f"{allowed}, or null" if allowed and _may_be_null(field) else allowed


def _values(field: FieldInfo | None) -> str:
    kind = _without_none(field) if field is not None else None
    if keys := _keys(field):
        return f"must be a mapping of {', '.join(keys)}"
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
