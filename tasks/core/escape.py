"""Text that comes from data, params or names, as it may stand where it is shown: nothing in it is markup, a
formula or a control sequence.

A page in HTML escapes with the standard library's `html.escape`; what it shows goes through `visible` all the
same.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any
from unicodedata import east_asian_width

PAGE, LONGEST = 90, 400
"""Characters: of a table's line, and of a text in it."""
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\u024f\u200b-\u200f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u024f\u200b-\u200f])"
)
"""Controls, what turns the direction of writing, what has no width, halves of pairs. Joiners stay where
scripts and emoji need them."""
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
MARKUP = re.compile(
    r"[\\`*\[\]<|~#]"
    r"|(?<![^\W_])_|_(?![^\W_])"
    r"|&(?=#?\w+;)|\$(?!\d)"
    r"|:(?=//)|(?<=www)\.|@(?=[\w-]+\.)|(?<!\w)@(?=\w)",
    re.IGNORECASE,
)
"""What begins emphasis, code, a link, a tag, a cell, a reference, a formula, or an address that is made a
link by itself."""
BLOCK = re.compile(r"^(?:([-+=:>])|(\d+)([.)](?= |$)))")
FORMULA = re.compile(r"(^\s*|;)(?=[=+@\-＝＋＠－])")
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*\s*%?")


def visible(text: object, keep: str = "") -> str:
    """ "The text with what cannot be seen, or deceives the eye, written out as in Python: `\x1b`, `\u202e`.

    What is in `keep` stays.
    """

    def written_out(found: re.Match[str]) -> str:
        sign = found[0]
        if sign in keep:
            return sign
        number = ord(sign)
        plain = (
            f"\\x{number:02x}"
            if number < 0x100
            else f"\\u{number:04x}"
            if number < 0x10000
            else f"\\U{number:08x}"
        )
        return SHORT.get(sign, plain)

    return HIDDEN.sub(written_out, str(text))


def line(text: object, longest: int | None = None) -> str:
    """On one line, white space collapsed, nothing hidden, cut to `longest` characters."""
    plain = visible(" ".join(str(text).split()))
    return plain if longest is None or len(plain) <= longest else plain[: longest - 1] + "…"


def markdown(value: Any, longest: int | None = None) -> str:
    """One line of Markdown, also for a cell of a table, that shows the text and nothing else.

    No link, picture, tag or emphasis.
    """
    quiet = MARKUP.sub(r"\\\g<0>", line(value, longest))
    return BLOCK.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}", quiet)


def wrapped(value: Any, width: int, longest: int | None = None) -> str:
    """As `markdown`, in lines of at most `width` characters.

    The tables of Prefect's UI break none themselves, and cut off what is long.
    """
    return "<br>".join(map(markdown, textwrap.wrap(line(value, longest), width)))


def table(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells, wrapped so that the table fits on a page of the UI beside its menu.

    The longest column yields first.
    """
    widths = [max(len(line(cell, LONGEST)) for cell in column) for column in zip(*rows, strict=True)]
    wide = any(east_asian_width(sign) in "WF" for row in rows for cell in row for sign in cell)
    while sum(widths) > (PAGE // 2 if wide else PAGE):
        widths[widths.index(max(widths))] -= 1
    return [
        [wrapped(cell, max(1, width), LONGEST) for cell, width in zip(row, widths, strict=True)]
        for row in rows
    ]


def code(value: Any, longest: int | None = None) -> str:
    """The same in the letters of code, for hashes, paths and names.

    Plain where it holds a sign that code cannot.
    """
    plain = line(value, longest)
    return f"`{plain}`" if plain and not re.search(r"[`|\\]", plain) else markdown(value, longest)


def cell(value: Any) -> Any:
    """A cell of a CSV file.

    A spreadsheet would run a text that begins as a formula does: an apostrophe before it says that it is
    text.
    """
    if not isinstance(value, str):
        return value
    plain = visible(value)
    return plain if NUMBER.fullmatch(plain) else FORMULA.sub(r"\1'", plain)
