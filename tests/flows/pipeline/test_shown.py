"""One hostile label, text, file name, column name and commit message in all that a browser opens.

Shown as text, and nothing acts.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect, sync_playwright
from prefect.artifacts import create_markdown_artifact

from flows.checkout import plots_page
from flows.pipeline import pages as artifacts
from flows.pipeline.task_runs import Outcome
from flows.retraining.night import announce
from flows.server import password, server
from tasks.benchmark import report
from tasks.ingest import report as ingest_report
from tests import browser
from tests.flows.retraining.record.test_history import entry
from tests.flows.toy import REPOSITORY, call

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.NO_CHROMIUM)

SCRIPT = "</script><script>window.__pwned=1;alert(1)</script>"
PICTURE = "![p](http://evil.example/p.png) <img src=http://evil.example/x.png onerror=window.__pwned=1>"
LINK = "[x](javascript:alert(1)) http://evil.example www.evil.example a@evil.example"
LAYOUT = "`a` | b \\| c </td></table> # d"
LABEL = f"{SCRIPT} {PICTURE} {LINK} {LAYOUT} \u202e\x1b[31m"
LONG = "the budget would be balanced by the end of the decade " * 12


class Visitor:
    """Opens pages, and notes what they ask for and what they say without being asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda one: self.hosts.append(one.url))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def check_nothing_acted(self, root: str = "body") -> None:
        assert self.dialogs == []
        assert self.page.evaluate("window.__pwned") is None
        assert [url for url in self.hosts if "evil" in url] == []
        held = self.page.locator(root)
        assert held.locator("[href*=evil], [src*=evil], [href^=javascript], [onerror]").count() == 0


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM)
        try:
            yield Visitor(chromium.new_page(viewport={"width": 1366, "height": 768}))
        finally:
            chromium.close()


@pytest.mark.slow
def test_page_of_the_plots_draws_hostile_labels_and_runs_none(project: Path, visitor: Visitor) -> None:
    for name in ("config", "plots"):
        call(project, "cp", "-r", str(REPOSITORY / ".dvc" / name), str(project / ".dvc"))
    (project / plots_page.PAGE).write_text(plots_page.page(), encoding="utf-8")
    table = project / "x' onclick=alert(1) ]--><script>.csv"
    tables: dict[Path, list[list[object]]] = {
        project / "confusion.csv": [["actual", "predicted"], [LABEL, "b"], ["<!-- <script>", "{plot_divs}"]],
        table: [["epoch", f"q{SCRIPT}"], [0, 1], [1, 2]],
    }
    for file, rows in tables.items():
        with file.open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    categories = [{"category": LABEL, "f1": 0.5, "rows": 3}, {"category": "b", "f1": float("nan"), "rows": 4}]
    (project / "metrics.json").write_text(json.dumps({"categories": categories}), encoding="utf-8")
    shown: list[dict[str, Any]] = [
        {"confusion.csv": {"template": "confusion", "x": "actual", "y": "predicted", "title": LABEL}},
        {"metrics.json": {"template": "categories", "x": "f1", "y": "category", "title": "F1"}},
        {table.name: {"x": "epoch", "y": f"q{SCRIPT}", "title": SCRIPT}},
    ]
    (project / "dvc.yaml").write_text(json.dumps({"plots": shown}), encoding="utf-8")
    call(project, "git", "add", "--all")
    call(project, "git", "commit", "--quiet", "--message", SCRIPT)
    call(project, "git", "branch", "x</script><script>alert(2)</script>")
    call(project, "dvc", "plots", "diff", "--quiet", "x</script><script>alert(2)</script>", "workspace")
    visitor.page.goto((project / "dvc_plots" / "index.html").as_uri())
    expect(visitor.page.locator("svg.marks")).to_have_count(len(shown))
    visitor.check_nothing_acted()
    assert SCRIPT[:20] in visitor.page.locator("#plots").text_content().replace("\u2026", "")  # type: ignore[union-attr]
    assert "cannot be drawn" not in visitor.page.locator("#plots").inner_text()


def hostile_report(folder: Path) -> None:
    """The report of a benchmark as the stage writes it, of this repository's own figures with a hostile
    label.
    """
    own = REPOSITORY / "data" / "bbc" / "benchmark"
    figures, timings = (
        json.loads((own / name).read_text(encoding="utf-8")) for name in ("metrics.json", "timings.json")
    )
    scores = [{"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3.0}]
    mistake = {"text": f"{LABEL} {LONG}", "label": LABEL, "answer": f"{LABEL} (0.99)"}
    folder.mkdir(parents=True)
    text = report.markdown(
        figures,
        timings,
        report.Tables([LABEL], scores, scores, [mistake], pictured=False, best=[], drawn=["confusion"]),
    )
    (folder / "report.md").write_text(text, encoding="utf-8")


def hostile_intake() -> str:
    found = {
        "rows": {"train": 1},
        "pool": 0,
        "read": 1,
        "rejected": {LABEL: 1},
        "classes": {LABEL: {"train": 1}},
        "columns": {"text": LABEL},
        "files": [{"file": LABEL, "encoding": "utf-8", "rows": 1, "rescued": 0}],
        "ignored": [LABEL],
        "cleaned": {LABEL: 1},
        "extent_of": "length",
        "extent": {"train": {"0 %": 1}},
        "examples": {LABEL: [{"at": f"{LABEL}:1", "reason": LABEL, "excerpt": LABEL}]},
    }
    return "\n".join(ingest_report._markdown(found))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """By its key where the UI shows each artifact that tells of hostile data."""
    port, own = server.free_port(), password.new()
    url = f"http://{server.HOST}:{port}"
    process = server.start(port, own, {"PREFECT_SERVER_UI_API_URL": f"{url}/api"})
    command = [sys.executable, "-W", "ignore", "-c", f"import {__name__} as one; one.tell_of_hostile_data()"]
    env = {
        **os.environ,
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_API_AUTH_STRING": own,
        "PYTHONPATH": str(REPOSITORY),
    }
    try:
        done = subprocess.run(
            command,
            cwd=tmp_path_factory.mktemp("shown"),
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        pages = {key: f"{url}/artifacts/artifact/{number}" for key, number in json.loads(done.stdout).items()}
        yield {**pages, "url": url, "password": own}
    finally:
        server.stop(process)
        process.stdin.close()  # type: ignore[union-attr]


def tell_of_hostile_data() -> None:
    """In a process of its own, for Prefect keeps its connections open.

    Prints the number of each artifact by its key.
    """
    real, made, root = create_markdown_artifact, dict[str, str](), Path.cwd()

    def noted(text: str, **told: Any) -> None:
        made[told["key"]] = str(real(text, **told))

    for module in (artifacts, announce):
        vars(module)["create_markdown_artifact"] = noted
    Path("params.yaml").write_text(json.dumps({"runs": {"a": {LABEL: f"```\n{LABEL}"}}}), encoding="utf-8")
    artifacts.show_origin(artifacts.Origin("0" * 40, [LABEL], [f'runs.a.x 1 → "{LABEL}"'], "name"), ["a"])
    hostile_report(root / "data" / "a" / "benchmark" / "report")
    artifacts.show_reports(["a"])
    (drop,) = entry()["files"]
    announce.show(root, "a", entry(why=LABEL, files=[drop | {"name": LABEL, "fault": f"{LABEL} {LONG}"}]))
    noted(hostile_intake(), key="a-ingest", description="as its report.md")
    print(json.dumps(made))


@pytest.mark.slow
@pytest.mark.parametrize("key", ["origin", "a-report", "a-night", "a-ingest"])
def test_an_artifact_of_the_ui_shows_hostile_text_and_nothing_in_it_acts(
    shown: dict[str, str], visitor: Visitor, key: str
) -> None:
    browser.log_in(visitor.page, shown["url"], shown["password"])
    visitor.page.goto(shown[key])
    visitor.page.get_by_text("window.__pwned", exact=False).first.wait_for(
        timeout=browser.LOOK_SECONDS * 1000
    )
    visitor.check_nothing_acted()
    text = "\n".join(visitor.page.locator("article").all_inner_texts())
    assert "\u202e" not in text
    assert "\\x1b[31m" in text
    assert "![p](http://evil.example/p.png)" in text
    if key == "a-report":
        worst = visitor.page.locator(".markdown-renderer__table", has_text="the budget would").last
        assert worst.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_outputs_show_why_a_stage_ran_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda rows, **more: told.update(more, rows=rows))

    class One:
        def manifest(self, _stage: str) -> list[dict[str, Any]]:
            return [{"path": f"data/{LABEL}", "md5": "0", "size": 1}]

    outcome = Outcome("ingest@a", "Completed", LABEL, 0)
    artifacts.show_outputs(One(), [outcome])  # type: ignore[arg-type]
    for text in (told["description"], told["rows"][0]["output"]):
        assert "![p]" not in text
        assert "\\<img" in text
        assert "http\\://evil" in text
