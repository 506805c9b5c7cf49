"""Tables that are one JSON object.

Rows below a key, the sides of a split below a key each, or a data frame as pandas writes it in one of its
orients. A row is an object; below the sides of a split also a list of values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.errors import DataError
from tasks.ingest.raw.sides import side_named

OF_ROWS = {"text", "label", "labels", "tokens", "tags", "spans", "entities", "image"}
"""An object with one of these keys is a row, whatever lists it holds."""


def sides(value: Any) -> dict[str, list[Any]] | None:
    """Rows by the side of the split that their key names, as `{"train": [["a text", "label"], ...], ...}`;
    None if the value is no split.
    """
    if not isinstance(value, dict):
        return None
    below = {key: one for key, one in value.items() if _are_rows(one) or _are_lists(one)}
    return below if len(below) > 1 and all(map(side_named, below)) else None


def rows(value: Mapping[str, Any], name: str) -> Iterator[Any] | None:
    """The rows of a table; None if the object is no table but a row itself.

    Raises:
        DataError: there are rows below several keys, or the columns differ in length.
    """
    if value.keys() >= {"columns", "data"} and _is_split(value):
        return _split(value, name)
    below = [] if value.keys() & OF_ROWS else [key for key, one in value.items() if _are_rows(one)]
    if len(below) > 1:
        shown = ", ".join(f"`{key[:40]}`" for key in below[:5])
        raise DataError(name, f"holds rows below {shown}; put those of each key into a file of its own")
    if below:
        found: list[Any] = value[below[0]]
        return iter(found)
    if len(value) > 0 and all(isinstance(one, dict) and one for one in value.values()):
        return _of_objects(value)
    return None


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(one, dict) for one in value)


def _are_lists(value: Any) -> bool:
    """Lists of one length, of texts and numbers."""
    return (
        isinstance(value, list)
        and len(value) > 1
        and all(isinstance(one, list) and len(one) == len(value[0]) > 1 for one in value)
        and not any(isinstance(item, dict | list) for one in value for item in one)
    )


def _is_split(value: Mapping[str, Any]) -> bool:
    columns, data = value["columns"], value["data"]
    return isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data)


def _split(value: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    columns = [str(column) for column in value["columns"]]
    if len(set(columns)) < len(columns):
        raise DataError(name, "names a column twice; give each column a name of its own")
    for row in value["data"]:
        if len(row) != len(columns):
            raise DataError(name, f"has a row of {len(row)} values where there are {len(columns)} columns")
        yield dict(zip(columns, row, strict=True))


def _of_objects(value: Mapping[str, Mapping[str, Any]]) -> Iterator[Any] | None:
    """By column, each with its values by row (pandas: `columns`), or by row (`index`).

    What is numbered are the rows.
    """
    inner = {key: None for one in value.values() for key in one}
    if all(map(_is_number, inner)):
        return ({column: values.get(row) for column, values in value.items()} for row in inner)
    if all(map(_is_number, value)):
        return iter(value.values())
    return None


def _is_number(key: str) -> bool:
    return key.isdecimal()
