"""Unlabelled texts for a run that has none: sentences of the news, where its students learn from them."""

from __future__ import annotations

from pathlib import Path

from flows.raw_data import languages, sources
from flows.starting.choice import Choice
from flows.starting.look import Looked
from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import load_kind

TOLD = (
    "no unlabelled texts: paragraphs of the BBC's news (package {package}) are put into unlabelled/news.txt, "
    "for the student to learn on from its teacher; --unlabelled none leaves them out"
)


def bring(folder: Path, looked: Looked, choice: Choice, asked: str | None) -> bool:
    """Puts them into the raw data that were looked at, if they help or are asked for; whether it did.

    Raises:
        ParamsError: they are asked for, and rows of this kind are no texts.
        DataError: the data hold a file of their name.
    """
    if asked == "none" or (asked is None and not _help(looked, choice)):
        return False
    if not load_kind(choice.kind).data.has_pool:
        raise ParamsError(
            "slipway new", f"--unlabelled news: rows of {choice.kind} are no texts; leave it out"
        )
    sources.bring(sources.NEWS, folder)
    return True


def told() -> str:
    """What is said of it."""
    return TOLD.format(package=sources.BBC_PACKAGE)


def _help(looked: Looked, choice: Choice) -> bool:
    if not choice.proposal.general_texts or looked.raw.unlabelled or "pool" in choice.columns:
        return False
    names = [str(name) for role, name in choice.columns.items() if role in ("text", "tokens")]
    texts = [" ".join(str(row.values.get(name, "")) for name in names) for row in looked.raw.rows]
    return languages.is_english(languages.look(texts))
