"""A review as Markdown for a comment of a pull request: verdict first, details folded, short enough for
GitHub.

In what comes from data, params and names every sign that can mean something is written as a character
reference, which by its definition means nothing; so a row cannot bring in a picture, a link, a mention or a
tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from flows.reviewing.pages.page import (
    Block,
    Items,
    Line,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    spans,
)

MARK = "<!-- slipway review -->"
"""By which the comment is found again when it is brought up to date."""
MOST = 60_000
"""Characters; GitHub takes 65,536."""
LEFT_OUT = "Further details were left out here, for a comment may not be longer; they are on the page."
FOREIGN = re.compile(
    r"[^\w\s,;()%+×'\"=?/.\u0080-\U0010ffff-]|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])", re.IGNORECASE
)
OWN = re.compile(r"[\\`*<>&|~@#]|(?<![^\W_])_|_(?![^\W_])")
SIGNS = {"good": "🟢 ", "bad": "🔴 "}


def written(page: Page, pictures: str | None = "") -> str:
    """`pictures` is put before the name of each picture's file: a folder or an address.

    None leaves them out.
    """
    for folded in range(_folds(page.chapters) + 1):
        text = (
            "\n\n".join(
                [
                    MARK,
                    f"## {_line(page.title)}",
                    *_blocks(page.short, pictures),
                    *_chapters(page.chapters, pictures, folded),
                ]
            )
            + "\n"
        )
        if len(text) <= MOST:
            return text
    return text[: MOST - len(LEFT_OUT) - 2].rpartition("\n")[0] + f"\n\n{LEFT_OUT}\n"


def _folds(chapters: Sequence[Section]) -> int:
    return sum(isinstance(block, Section) for chapter in chapters for block in chapter.blocks)


def _chapters(chapters: Sequence[Section], pictures: str | None, dropped: int) -> Iterator[str]:
    """Without so many of the folded parts, the last first."""
    kept = _folds(chapters) - dropped
    for chapter in chapters:
        yield f"### {_line(chapter.title)}"
        for block in chapter.blocks:
            kept -= isinstance(block, Section)
            if not isinstance(block, Section) or kept >= 0:
                yield from _block(block, pictures)
    if dropped:
        yield LEFT_OUT


def _blocks(blocks: Sequence[Block], pictures: str | None) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, pictures)


def _block(block: Block, pictures: str | None) -> Iterator[str]:
    match block:
        case Paragraph(line):
            yield _line(line)
        case Items(lines):
            yield "\n".join(f"* {_line(one)}" for one in lines)
        case Table(heads, rows, left):
            marks = ["---" if at < left else "---:" for at in range(len(heads))]
            yield "\n".join(
                f"| {' | '.join(cells)} |"
                for cells in [[*map(_line, heads)], marks, *([*map(_line, row)] for row in rows)]
            )
        case Picture(name, alt) if pictures is not None:
            yield f"![{_referenced(alt, FOREIGN)}]({pictures}{name})"
        case Section(title, parts, aside):
            yield f"<details>\n<summary>{_line(title)}</summary>" if aside else f"#### {_line(title)}"
            yield from _blocks(parts, pictures)
            if aside:
                yield "</details>"


def _line(line: Line) -> str:
    return "".join(map(_span, spans(line)))


def _span(span: Text) -> str:
    sign = SIGNS.get(span.tone, "")
    if span.foreign:
        return f"{sign}<code>{_referenced(span.text, FOREIGN)}</code>" if span.text else ""
    text = _referenced(span.text, OWN)
    return f"<b>{text}</b>" if span.tone == "strong" and text.strip() else sign + text


def _referenced(text: str, signs: re.Pattern[str]) -> str:
    """@ and # stand apart, for GitHub looks for mentions when references have been read."""
    references = signs.sub(
        lambda sign: f"&#{ord(sign[0])};", " ".join(text.split()) if signs is FOREIGN else text
    )
    return re.sub(r"&#(35|64);", r"<span>&#\1;</span>", references)
