"""Rows whose answer is a text: what in them is a duplicate, what a contradiction. They have no labels.

In the tables of ingest `text` holds what is asked, `label` the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tasks.kinds.base.data import Data, Extent, Labels, Role, cannot_reword
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import texts


def fingerprint(row: Row) -> str:
    """The prompt, without regard to case and white space."""
    return " ".join(row["text"].casefold().split())


def content(row: Row) -> str:
    """Prompt and completion: several answers to one prompt do not contradict each other."""
    return f"{fingerprint(row)}\n{row.get('label') or ''}"


def pool(row: Row, longest: int) -> list[str]:
    """The paragraphs of a text, of each at most so many words: prompts are more than a sentence."""
    paragraphs = (line.strip() for line in (row.get("pool") or "").splitlines())
    return [cut for line in paragraphs if (cut := texts.begin_of(line, longest))]


def label_names(found: Any) -> list[str]:
    """None: answers are texts."""
    return []


def classes(label: str) -> list[str]:
    """None."""
    return []


LABELS = Labels(names=label_names, classes=classes, fewest=0)


def data(*, roles: Mapping[str, Role], examine: Callable[..., list[dict[str, Any]]]) -> Data:
    """Rows of prompts and completions."""
    return Data(
        roles=roles,
        examine=examine,
        labels=LABELS,
        fingerprint=fingerprint,
        alike=fingerprint,
        content=content,
        extent=Extent(texts.extent, "length of a prompt, in characters"),
        pool=pool,
        transfer=texts.from_pool,
        reword=cannot_reword("answers that are texts would not fit varied prompts; write rewording: null"),
    )
