"""The names of classes that the library `datasets` keeps in the schema of a Parquet or Arrow file, whose
columns hold their numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

Named = Callable[[Any], Any]
UNLABELLED = -1


def of_schema(metadata: Mapping[bytes, bytes] | None) -> dict[str, Named]:
    """Column -> what puts names in the place of numbers, at any depth of its values; only for columns that
    have some.

    It raises ValueError for a number without a name.
    """
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        named = {column: _named(feature) for column, feature in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return {column: change for column, change in named.items() if change}


def _named(feature: Any) -> Named | None:
    """Lists are written as `[feature]` or as an object with a type of its own, which changed its name.

    Structs are plain objects.
    """
    if isinstance(feature, list):
        return _named(feature[0]) if len(feature) == 1 else None
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel":
        return _name(feature["names"]) if isinstance(feature.get("names"), list) else None
    if isinstance(feature.get("_type"), str):
        return _named(feature.get("feature"))
    fields = {name: change for name, one in feature.items() if (change := _named(one))}
    return _within(fields) if fields else None


def _name(names: list[str]) -> Named:
    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(one) for one in value]
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            return value
        if value == UNLABELLED:
            return None
        if value not in range(len(names)):
            raise ValueError(f"the number {value} where its file names the classes 0 to {len(names) - 1}")
        return str(names[int(value)])

    return change


def _within(fields: dict[str, Named]) -> Named:
    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {name: fields[name](one) if name in fields else one for name, one in value.items()}

    return change
