"""What hostile rows and names do to the pages: nothing. And that a page needs nothing but itself."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from flows.reviewing.pages import markdown, web
from flows.reviewing.pages.page import Items, Line, Page, Paragraph, Section, Table, Text, foreign
from tests import browser
from tests.flows.reviewing import planted
from tests.flows.reviewing.planted import RUN, Planted

HOSTILE = [
    "<script>alert(1)</script>",
    "![x](https://example.org/x.png)",
    "[click](https://example.org) www.example.org https://example.org",
    "@someone closes #1, and **bold**, ~~gone~~, `code`",
    "a | b \\| ![x](https://example.org/x.png) | c",
    "</code></details></td><img src=https://example.org/x.png>",
    "\u202eright to left\u202c and \x00 nothing",
    "&lt;b&gt; &#60;img&#62; &amp;",
    "--- \n# title\n* item\n> quote",
    "__init__ and __é__, _a_ snake_case __",
    "x" * 500,
]


class Elements(HTMLParser):
    """Every tag of a page, and every attribute that names an address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")
        ]
        assert not any(
            name.startswith("on") or "url" in (value or "")
            for name, value in attrs
            if name == "style" or name.startswith("on")
        )

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Rows, labels and files' names that mean harm, made into two revisions."""
    project = planted.new(tmp_path_factory.mktemp("hostile") / "project")
    rows = project.rows()
    for at, text in enumerate(HOSTILE):
        rows[at]["text"] = text
    for row in rows:
        row["label"] = {
            "apple": "a|pple <b></script><script>window.__pwned = 1</script>",
            "pear": "@pear",
            "plum": "![plum](https://example.org/p.png)",
        }[row["label"]]
    project.put(rows)
    project.commit("mean harm </script><script>window.__pwned = 2</script> ![x](https://example.org/c.png)")
    project.put([*rows[5:], *({**row, "text": f"{row['text']} again"} for row in rows[:5])])
    project.params(wrong=list(range(40)))
    project.commit("mean more harm")
    return project


@pytest.mark.slow
def test_markdown_shows_hostile_rows_as_they_are_and_they_do_nothing(hostile: Planted) -> None:
    done = hostile.diff("--a", "HEAD~1", "--b", "HEAD", "--fail-on", "never", "--pictures", "beside/")
    assert done.returncode == 0, done.stderr
    rendered = Elements(MarkdownIt("commonmark").enable("table").render(done.stdout))
    pictures = [one for one in rendered.addresses if one]
    assert pictures
    assert all(one.startswith(f"beside/{RUN}-") and one.endswith(".png") for one in pictures)
    assert not {"script", "a", "em", "strong", "del"} & set(rendered.tags)
    shown = "".join(rendered.words)
    assert "<script>alert(1)</script>" in shown
    assert "![x](https://example.org/x.png)" in shown
    assert "@someone" not in done.stdout
    assert "\u202e" not in done.stdout
    for line in (
        line for line in done.stdout.splitlines() if line.startswith("| <code>") or line.startswith("| 1 ")
    ):
        assert len(planted.cells(line)) in (3, 4, 5), line


def test_html_shows_hostile_rows_as_they_are_and_names_no_other_host(
    hostile: Planted, tmp_path: Path
) -> None:
    hostile.diff("--a", "HEAD~1", "--b", "HEAD", "--fail-on", "never", "--out", str(tmp_path))
    text = (tmp_path / "review.html").read_text(encoding="utf-8")
    page = Elements(text)
    assert not {"script", "a", "link", "iframe", "object", "form"} & set(page.tags)
    assert all(one.startswith("data:image/png;base64,") for one in page.addresses)
    assert page.tags.count("img") == len(page.addresses) == 2
    assert "<script>alert(1)</script>" in "".join(page.words)
    assert (
        json.loads((tmp_path / "review.json").read_text(encoding="utf-8"))["runs"][RUN]["verdict"] == "worse"
    )
    pictures = {f"{RUN}-categories.png", f"{RUN}-quality-latency.png"}
    assert {file.name for file in tmp_path.iterdir()} == {
        "review.md",
        "review.html",
        "review.json",
        *pictures,
    }


@pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.NO_CHROMIUM)
def test_a_browser_shows_the_page_without_asking_any_host(hostile: Planted, tmp_path: Path) -> None:
    hostile.diff("--a", "HEAD~1", "--b", "HEAD", "--fail-on", "never", "--out", str(tmp_path / "page.html"))
    with browser.operator((tmp_path / "page.html").as_uri()) as operator:
        assert operator.hosts == set()
        assert operator.page.locator("h1").inner_text().startswith("Review:")
        assert operator.page.locator("img").first.evaluate("one => one.complete && one.naturalWidth > 100")
        assert operator.page.get_by_text("Rows that became wrong").is_visible()
        assert operator.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert operator.page.evaluate("window.__pwned") is None
        assert operator.page.locator("a, script, iframe, img:not([src^='data:'])").count() == 0


@pytest.mark.slow
def test_pictures_get_the_address_that_is_given(hostile: Planted) -> None:
    said = hostile.diff(
        "--a", "HEAD~1", "--b", "HEAD", "--fail-on", "never", "--pictures", "https://example.com/at/"
    ).stdout
    assert f"](https://example.com/at/{RUN}-categories.png)" in said
    assert (
        "!["
        not in hostile.diff("--a", "HEAD~1", "--b", "HEAD", "--fail-on", "never", "--pictures", "none").stdout
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_comes_out_as_the_same_text(text: str) -> None:
    cell = foreign(text)
    page = Page(
        "title",
        [Table(["head", "b"], [[cell, "1"]])],
        [Section(["run ", cell], [Items([["told: ", cell]])], aside=False)],
    )
    for written in (
        MarkdownIt("commonmark").enable("table").render(markdown.written(page)),
        web.written(page),
    ):
        elements = Elements(written)
        assert "".join(elements.words).count(cell.text) == 3, written
        assert elements.addresses == []


def test_a_comment_that_would_be_too_long_leaves_the_last_details_out_and_says_so() -> None:
    rows: list[list[Line]] = [[foreign("word " * 40), str(at)] for at in range(150)]
    folded = [Section(f"part {at}", [Table(["row", "at"], rows)]) for at in range(4)]
    page = Page(
        "title",
        [Paragraph("the verdict")],
        [Section("run", [Paragraph(Text("told", "strong")), *folded], aside=False)],
    )
    written = markdown.written(page)
    assert len(written) <= markdown.MOST
    assert "part 0" in written
    assert "part 3" not in written
    assert written.count("<details>") == written.count("</details>") > 0
    assert markdown.LEFT_OUT in written
    assert "part 3" in web.written(page)
