"""Columns whose texts are read as one text: `text: [title, description]` in `ingest.columns`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

Names = str | Sequence[str]
"""A column, or several whose texts are read one after another."""
BETWEEN = " + "


def parts(names: Names) -> list[str]:
    """The columns one by one."""
    return [names] if isinstance(names, str) else list(names)


def name_of(names: Names) -> str:
    """As it is shown: `title + description`."""
    return BETWEEN.join(parts(names))


def all_parts(columns: Mapping[str, Names]) -> list[str]:
    """The columns of all roles."""
    return [part for names in columns.values() for part in parts(names)]


def text_of(texts: Sequence[str]) -> str:
    """The texts one after another, a blank between them; empty ones are left out."""
    return " ".join(filter(None, texts))


def named(text: str, known: Collection[str]) -> Names:
    """The columns that a user calls `title + description`; a column of that very name is itself."""
    found = text.split(BETWEEN)
    return text if text in known or len(found) < 2 else found
