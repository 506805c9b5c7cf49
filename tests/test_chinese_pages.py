"""Each Chinese page, `X.zh.md`, says what its English page, `X.md`, says."""

from __future__ import annotations

from pathlib import Path
from unicodedata import east_asian_width

import pytest

from tests.translated import LINK, Page, differences, parse

ROOT = Path(__file__).resolve().parents[1]
CHINESE = [*sorted(ROOT.glob("*.zh.md")), *sorted((ROOT / "docs").rglob("*.zh.md"))]
LONGEST = 110
WHAT_TO_DO = """
{chinese} and {english} say different things. For each line below: carry the change of one page over to the
other. What is code or a digit on one page is code or a digit on the other; a number written as a word in
English is written in Chinese characters.
"""


def _read(path: Path) -> Page:
    return parse(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def _english(path: Path) -> Path:
    return path.with_name(path.name.replace(".zh.md", ".md"))


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.name)
def test_chinese_page_says_what_the_english_one_says(path: Path) -> None:
    english, chinese = _read(_english(path)), _read(path)
    if found := list(differences(english, chinese)):
        advice = WHAT_TO_DO.format(chinese=chinese.name, english=english.name)
        pytest.fail("\n".join([advice, *found]), pytrace=False)


def test_the_pages_of_the_first_hour_are_there_and_link_each_other() -> None:
    names = [path.relative_to(ROOT).as_posix() for path in CHINESE]
    assert names == ["README.zh.md", "docs/own-data.zh.md"]
    for path in CHINESE:
        assert f"[English]({_english(path).name})" in path.read_text(encoding="utf-8").splitlines()[:5]
        assert f"[中文]({path.name})" in _english(path).read_text(encoding="utf-8").splitlines()[:5]


def test_lines_are_short() -> None:
    """A Chinese character is as wide as two others; tables, code and links may be longer."""
    assert [
        f"{path.name}:{line.number}"
        for path in CHINESE
        for section in _read(path).sections
        for line in section.prose
        if sum(1 + (east_asian_width(each) in "WF") for each in LINK.sub("]", line.text)) > LONGEST
    ] == []


ENGLISH = """# Title

It keeps 98.3 % of 1,447 rows, the F1 of `a
b`: [more](docs/own.md). Seeds 0 and 1, −0.049.

<!-- results -->
| what | figure |
|---|---:|
| first | 0.858 [0.828, 0.884] |
| second, `x` | 3.0 |
<!-- /results -->

## Code

```
make x     # takes 6 min

make y
```
"""
SAME = """# 标题

共 1,447 行，−0.049，种子 0、1：[更多](docs/own.zh.md)，`a b` 保留98.3%，即 `a b`。

<!-- results -->
| 什么 | 数字 |
|---|---:|
| 第一 | 0.858 [0.828, 0.884] |
| `x`，第二 | 3.0 |
<!-- /results -->

## 代码

```
make x  # 6 分钟
make y
```
"""


def _compared(old: str, new: str) -> list[str]:
    assert SAME.count(old) >= 1
    return list(differences(parse("p.md", ENGLISH), parse("p.zh.md", SAME.replace(old, new, 1))))


def test_order_of_words_alignment_and_the_language_of_comments_are_free() -> None:
    assert _compared("标题", "题目") == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        # A figure that drifted, in prose and in a table: what is missing, and what is too much.
        (
            "98.3%",
            "98.4%",
            ["1 (# 标题): figure missing: `98.3 %` of p.md:3", "figure too much: `98.4 %` of p.zh.md:3"],
        ),
        (
            "3.0",
            "3.1",
            ["9 (| `x`，第二 | 3.1 |): figure missing: `3.0` of p.md:10", "figure too much: `3.1`"],
        ),
        ("−0.049", "0.049", ["figure missing: `−0.049`", "figure too much: `0.049`"]),
        ("种子 0、1", "种子 1", ["figure missing: `0` of p.md:4"]),
        ("6 分钟", "7 分钟", ["in a comment missing: `6`", "in a comment too much: `7`"]),
        # Of a figure that stands in several lines all are named.
        ("种子 0、1", "种子 0、1、0，\n0", ["figure too much: `0` of p.zh.md:3, 4"]),
        # Figures that changed their cells.
        (" 3.0 |", " |\n| 3.0 | |", ["rows or cells of tables: p.md has 4, p.zh.md has 5"]),
        ("| 第一 | 0.858 [", "| 第一 0.858 | [", ["figure too much: `0.858`", "figure missing: `0.858`"]),
        # A row, a mark, a link, code, a heading left out.
        (
            "| `x`，第二 | 3.0 |\n",
            "",
            ["p.md has 4, p.zh.md has 3", "figure missing: `3.0`", "inline code missing: `x`"],
        ),
        ("<!-- /results -->", "", ["mark missing: `/results` of p.md:11"]),
        (
            "docs/own.zh.md",
            "docs/other.md",
            ["link missing: `docs/own.md`", "link too much: `docs/other.md`"],
        ),
        ("，即 `a b`", "，即 `a c`", ["inline code too much: `a c`"]),
        (
            "make y\n",
            "make z\n",
            ["code missing: `make y` of p.md:18", "code too much: `make z` of p.zh.md:16"],
        ),
        (
            "make x  # 6 分钟\nmake y",
            "make y\nmake x  # 6 分钟",
            ["code missing: `make", "code too much: `make"],
        ),
        (
            SAME[SAME.index("```") :],
            "",
            ["code missing: `make x`", "code missing: `make y`", "in a comment missing: `6`"],
        ),
        ("## 代码", "### 代码", ["headings differ", "  13 ## Code | 12 ### 代码"]),
        ("## 代码", "代码", ["headings differ", "  1 # Title | 1 # 标题", "  13 ## Code | -"]),
    ],
)
def test_what_differs_is_named(old: str, new: str, found: list[str]) -> None:
    said = _compared(old, new)
    assert [each for each in found if not any(each in one for one in said)] == [], "\n".join(said)
