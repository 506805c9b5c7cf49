"""The pages name files, modules, make targets and headings that exist, in lines of at most 110 columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 110
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
# Records of what was measured and decided keep the layout they were written in.
RECORDS = "docs/log.md", "docs/results/", "docs/adr/"
# These show, as an example, files that the reader will make.
EXAMPLES = "docs/add-"
# A page that is being rewritten, in lines that are longer.
LONG = "docs/add-a-kind.md"
# The page that says what a name became; the first cell of its tables is the former name.
FORMER_NAMES = "docs/upgrading.md"
TOP = r"(?:tasks|flows|tests|docs|recipes|requirements|benchmarks|agents|\.ci|\.github)"
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _text(page: Path) -> str:
    """The page without the former names that it maps to new ones."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^\| [^|]*\|", "|", text, flags=re.MULTILINE) if _name(page) == FORMER_NAMES else text


def _code(text: str) -> str:
    """All code of a page, blocks and spans, one per line."""
    blocks = FENCE.findall(text)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])


def missing_paths(page: Path) -> Iterator[str]:
    """Paths below a folder of the repository that lead nowhere.

    `<name>` and `*` stand for any name; a test may be named without `tests/` and `.py`.
    """
    if _name(page).startswith(EXAMPLES):
        return
    for path in re.findall(rf"(?<![\w./<>@-]){TOP}/[\w./<>*-]*[\w/>*]", _code(_text(page))):
        pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
        if not any(ROOT.glob(pattern)) and not (ROOT / "tests" / f"{path}.py").is_file():
            yield path


def missing_modules(page: Path) -> Iterator[str]:
    """Modules of the repository that `python -m` would not find."""
    for module in re.findall(r"python -m ([\w.]*\w)", _text(page)):
        path = ROOT / module.replace(".", "/")
        ours = module.split(".")[0] in {"tasks", "flows", "benchmarks", "tests"}
        if ours and not path.with_suffix(".py").is_file() and not (path / "__main__.py").is_file():
            yield module


def missing_targets(page: Path) -> Iterator[str]:
    """Targets that the Makefile does not have; records may quote commands that never worked."""
    if _name(page).startswith(RECORDS):
        return
    targets = re.findall(r"^([\w./-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in re.findall(r"(?:^|[;&|] ?|\w=\S+ )make ([\w./-]+)", _code(_text(page)), re.MULTILINE):
        if target not in targets:
            yield target


def missing_links(page: Path) -> Iterator[str]:
    """Links to files, or to headings of a page, that are not there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"\w+:|…", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        if not linked.exists() or (anchor and anchor not in _anchors(linked)):
            yield target


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("missing", [missing_paths, missing_modules, missing_targets, missing_links])
def test_what_the_pages_name_is_there(missing: Callable[[Path], Iterator[str]]) -> None:
    assert len(PAGES) > 30
    assert {(_name(page), found) for page in PAGES for found in missing(page)} == set()


def test_lines_of_prose_are_short() -> None:
    """Tables, code, links and what stands in records may be longer."""
    pages = [page for page in PAGES if not _name(page).startswith((*RECORDS, LONG))]
    assert len(pages) > 12
    assert [
        (_name(page), line[:60])
        for page in pages
        for line in re.sub(r"\]\([^)]*\)", "]", FENCE.sub("", page.read_text(encoding="utf-8"))).splitlines()
        if len(line) > LONGEST and not line.startswith("|")
    ] == []


@pytest.mark.parametrize(
    ("missing", "text", "found"),
    [
        (missing_paths, "`tasks/no.py`, `tasks/core/*.py`, `tasks/<stage>/stage.py`", "tasks/no.py"),
        (missing_modules, "`python -m flows.no` and `python -m pip`, `python -m tasks`", "flows.no"),
        (missing_targets, "```\nmake no RUN=bbc\nmake repro\n```", "no"),
        (missing_links, "[a](no.md) and [b](#here), [c](https://example.org)\n\n# Here", "no.md"),
        (missing_links, "[a](#there)\n\n# Here", "#there"),
    ],
)
def test_what_is_not_there_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: Callable[[Path], Iterator[str]],
    text: str,
    found: str,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    monkeypatch.setattr("tests.test_docs._name", lambda _page: "page.md")
    assert list(missing(page)) == [found]
