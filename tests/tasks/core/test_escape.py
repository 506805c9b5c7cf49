"""Text out of data, shown: it comes out as the text it is, and nothing in it acts."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.core import escape
from tasks.core.errors import DataError

HOSTILE = [
    "![p](http://evil.example/p.png)",
    "[x](javascript:alert(1)) [y][z] [z]: http://evil.example",
    "<img src=x onerror=alert(1)> <b>bold</b> </td></tr><!-- ",
    "http://evil.example www.evil.example WWW.evil.example a@evil.example ftp://evil.example",
    "a | b \\| c \\",
    "`code` ``x`` *em* **strong** ~~del~~ _em_ __strong__ $x$",
    "# title",
    "---",
    "===",
    "1. one",
    "> quote",
    "&lt;b&gt; &#60;i&#62; &amp;",
    "first\n\n    indented\n```\nfence\n```",
]
ORDINARY = [
    "Economy 'strong' in election year",
    "Nasdaq planning $100m share sale",
    "Tate & Lyle boss bags top award",
    "articles.jsonl",
    'Minimum wage increased to £5.05 (by 5 %), "soon" - or not: 3/4, a+b=c; x_y!',
    "mañana, 北京, שלום, 👨\u200d👩\u200d👧, می\u200cخواهم",
]
MARKUP = [
    "*",
    "_",
    "`",
    "[",
    "](",
    ")",
    "<b>",
    "</b>",
    "|",
    "\\",
    "&lt;",
    "~~",
    "#",
    "http://x.yz",
    "www.x.yz",
    "a@x.yz",
    "\n",
    "- ",
    "1. ",
]
texts = st.text() | st.lists(st.sampled_from(MARKUP) | st.text(max_size=3), max_size=12).map("".join)
RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ADDRESS = re.compile(r"(?<!\\)://|www\.|(?<!\\)@[\w-]+\.", re.IGNORECASE)
"""What GitHub and the UI make a link without being asked to."""


def shown(markdown: str) -> tuple[str, set[str]]:
    """What a reader sees of it, and what kinds of elements it is made of."""
    tokens = [one for block in RENDERER.parse(markdown) for one in (block, *(block.children or []))]
    return "".join(one.content for one in tokens if one.type in ("text", "code_inline", "text_special")), {
        one.type for one in tokens
    }


TEXT_ALONE = {"paragraph_open", "paragraph_close", "inline", "text"}


@settings(max_examples=500, deadline=None)
@given(texts)
def test_any_text_is_shown_by_markdown_as_it_is(text: str) -> None:
    seen, kinds = shown(escape.markdown(text))
    assert seen == escape.line(text)
    assert kinds <= TEXT_ALONE
    assert not ADDRESS.search(escape.markdown(text))


@settings(max_examples=500, deadline=None)
@given(texts, texts)
def test_any_text_stays_in_its_cell_of_a_table(text: str, other: str) -> None:
    cells = [escape.markdown(text), escape.markdown(other)]
    table = RENDERER.parse(f"| head | head |\n| --- | --- |\n| {' | '.join(cells)} |\n")
    inside = [block.children or [] for block in table if block.type == "inline"]
    assert ["".join(one.content for one in cell) for cell in inside] == [
        "head",
        "head",
        escape.line(text),
        escape.line(other),
    ]
    assert {one.type for cell in inside for one in cell} <= {"text"}


@settings(max_examples=500, deadline=None)
@given(texts)
def test_any_text_is_shown_as_code_as_it_is(text: str) -> None:
    seen, kinds = shown(f"told: {escape.code(text)} .")
    assert seen == f"told: {escape.line(text)} ."
    assert kinds <= TEXT_ALONE | {"code_inline"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_by_markdown_as_it_is(text: str) -> None:
    assert shown(escape.markdown(text)) == (escape.line(text), TEXT_ALONE)
    assert not ADDRESS.search(escape.markdown(text))


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_keeps_its_bytes(text: str) -> None:
    assert escape.markdown(text) == escape.visible(text) == escape.cell(text) == text


@settings(max_examples=500, deadline=None)
@given(st.text())
def test_what_is_visible_holds_no_control_and_can_be_written_as_utf_8(text: str) -> None:
    plain = escape.visible(text)
    plain.encode("utf-8")
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(sign) for sign in plain}
    assert escape.visible(plain) == plain


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("safe\u202egnp.exe", r"safe\u202egnp.exe"),
        ("pay\u2066pal\u2069", r"pay\u2066pal\u2069"),
        ("pay\u200bpal", r"pay\u200bpal"),
        ("pay\u200dpal", r"pay\u200dpal"),
        ("\ufeffhead", r"\ufeffhead"),
        ("flag\U000e0067", r"flag\U000e0067"),
        ("half \udcff", r"half \udcff"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
    ],
)
def test_what_hides_or_deceives_is_written_out(text: str, seen: str) -> None:
    assert escape.visible(text) == seen


@settings(max_examples=500, deadline=None)
@given(texts)
def test_a_table_of_csv_gives_the_text_back_and_no_formula(text: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerow([escape.cell(text), "b"])
    ((cell, last),) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert last == "b"
    assert cell.replace("'", "") == escape.visible(text).replace("'", "")
    assert not cell.lstrip().startswith(("=", "@", "+", "-")) or escape.NUMBER.fullmatch(cell)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('=HYPERLINK("http://evil.example")', '\'=HYPERLINK("http://evil.example")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-cmd", "'-cmd"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("a;=1", "a;'=1"),
        ("-1", "-1"),
        ("+1,5 %", "+1,5 %"),
        (-1, -1),
    ],
)
def test_a_formula_becomes_text_and_a_number_stays_one(text: object, cell: object) -> None:
    assert escape.cell(text) == cell


def test_a_message_shows_what_steers_a_terminal() -> None:
    one = DataError("raw/\x1b]0;title\x07.csv", "the header names `\x1b[2Jlabel\u202e`")
    assert str(one) == r"raw/\x1b]0;title\x07.csv: the header names `\x1b[2Jlabel\u202e`"
    assert str(DataError("a", "b", "c\x1b")) == "a: 2 faults\n  b\n  c\\x1b"
