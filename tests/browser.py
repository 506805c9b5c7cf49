"""An operator at Slipway's UI.

`make ui` in a project, and a headless Chromium whose pages are clicked through and read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Request, WebSocket, expect, sync_playwright
from scipy import ndimage

from tests.waiting import until

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
NO_CHROMIUM = f"none of {', '.join(NAMES)} is on the path; in Debian: apt-get install chromium"
VIEW = {"width": 1280, "height": 800}
STOP_SECONDS = 600
LOOK_SECONDS = 600
"""For what a page shows; an assertion that waits ends as soon as it holds."""
RUN_SECONDS = 1800
"""How long a run may take until it is in the state we wait for."""
TRIES = 5
FINAL = re.compile("Completed|Cached|Failed|Crashed|Cancelled")
GREEN = (33, 157, 75)
"""What the graph of a run paints a task run with that completed."""


@contextmanager
def served(project: Path, port: int, env: Mapping[str, str]) -> Iterator[str]:
    """`python -m flows.server.ui` at work in the project; yields where the UI is."""
    log, url = project.parent / "ui.log", f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "flows.server.ui", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=project, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        until(lambda: f"Slipway is at {url}" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def operator(url: str, password: str | None = None) -> Iterator[Operator]:
    """Someone who has just opened the page, and the UI with its password."""
    expect.set_options(timeout=LOOK_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            operator = Operator(browser, url)
            if password:
                log_in(operator.page, url, password)
            yield operator
        finally:
            browser.close()


def log_in(page: Page, url: str, password: str) -> None:
    """Through the UI's own page for it; its complaints of the time before are left behind."""
    page.goto(url)
    page.locator("input").fill(password)
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_role("button", name="Deployments", exact=True)).to_be_visible(
        timeout=LOOK_SECONDS * 1000
    )
    page.reload()


class Operator:
    """What one does at the UI's page with a mouse, and reads there.

    `hosts` are all the machines its pages asked for something so far.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self.hosts: set[str] = set()
        self.page: Page = browser.new_context(viewport=VIEW, timezone_id="UTC").new_page()  # type: ignore[arg-type]
        self.page.context.on("request", self._note)
        self.page.on("websocket", self._note)
        self.page.goto(url)

    def _note(self, asked: Request | WebSocket) -> None:
        place = urlsplit(asked.url)
        if place.scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(place.hostname or "")

    # -- the deployment --

    def open_deployment(self, flow: str, name: str) -> None:
        self.page.get_by_role("button", name="Deployments", exact=True).click()
        row = self.page.get_by_role("row").filter(has=self.page.get_by_title(flow, exact=True))
        row.get_by_role("link", name=name, exact=True).click()

    def open_form(self) -> None:
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("link", name="Custom run").click()
        expect(self.page.get_by_role("button", name="Submit")).to_be_visible()

    def run_at_once(self) -> None:
        self._start(self._quick_run)

    def _quick_run(self) -> None:
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("button", name="Quick run").click()

    # -- its form --

    def parameters(self) -> dict[str, str]:
        """The label of each field of the form, and the text under it."""
        fields = self.page.locator(".schema-form-property").all()
        return {
            one.locator(".schema-form-property__label").inner_text(): one.get_by_role("article").inner_text()
            for one in fields
        }

    def parameter(self, name: str) -> Locator:
        return self.page.locator(".schema-form-property").filter(
            has=self.page.get_by_text(f"{name} (Optional)", exact=True)
        )

    def add(self, parameter: str, value: str) -> None:
        """Another item for a parameter that is a list."""
        boxes = self.parameter(parameter).get_by_role("textbox")
        before = boxes.count()
        self.parameter(parameter).get_by_role("button", name="Add item").click()
        expect(boxes).to_have_count(before + 1)
        boxes.last.fill(value)

    def choose(self, parameter: str, value: str) -> None:
        """One of the choices of a parameter."""
        self.parameter(parameter).locator(".p-select-button__control").focus()
        self.page.keyboard.press("ArrowDown")
        self.page.locator(".p-select-option").filter(
            has_text=re.compile(f"^\\s*{re.escape(value)}\\s*$")
        ).click()
        self.page.keyboard.press("Escape")

    def remove_first(self, parameter: str) -> None:
        boxes = self.parameter(parameter).get_by_role("textbox")
        before = boxes.count()
        _menu_of_the_list, bin_of_its_first, *_ = self.parameter(parameter).get_by_role("button").all()
        bin_of_its_first.click()
        expect(boxes).to_have_count(before - 1)

    def name_run(self, name: str) -> None:
        self.page.locator("form").get_by_role("textbox").first.fill(name)

    def submit(self) -> None:
        self.page.get_by_role("button", name="Submit").click()

    def submit_and_view(self) -> None:
        self._start(self.submit)

    def _start(self, ask: Callable[[], None]) -> None:
        """Asks until there is a run, and goes to its page.

        Where SQLite is busy the server says 503, and the UI does not try again.
        """
        for _ in range(TRIES):
            with self.page.expect_response(re.compile("/create_flow_run$")) as answer:
                ask()
            if answer.value.ok:
                break
        assert answer.value.ok, answer.value.text()
        self.page.get_by_role("link", name=answer.value.json()["name"], exact=True).first.click()
        expect(self.page.locator("header .state-badge")).to_be_visible()

    # -- the page of a run --

    def state(self, wanted: str | re.Pattern[str] = FINAL) -> str:
        """The state of the run, once it is as wanted."""
        badge = self.page.locator("header .state-badge")
        expect(badge).to_have_text(wanted, timeout=RUN_SECONDS * 1000)
        return badge.inner_text().strip()

    def open_tab(self, name: str) -> Locator:
        self.page.get_by_role("tablist").get_by_text(name, exact=True).click()
        return self.page.get_by_role("tabpanel")

    def stages(self, count: int) -> dict[str, str]:
        """The name and the state of each task run, once there are as many."""
        runs = self.open_tab("Task Runs").locator(".state-list-item")
        expect(runs).to_have_count(count)
        return {
            row.get_by_role("link").first.inner_text(): row.locator(".state-badge").inner_text().strip()
            for row in runs.all()
        }

    def nodes(self) -> list[str]:
        """The names of the graph's nodes that completed.

        The graph is a painting: each node is clicked, and a panel says what it is.
        """
        panel, names = self.page.locator(".flow-run-graph-selection-panel"), []
        for place in self._painted():
            self._click(place)
            names.append(panel.get_by_role("heading").inner_text())
            panel.get_by_role("button").first.click()
            expect(panel).to_have_count(0)
            self.page.wait_for_timeout(400)
        return sorted(names)

    def _painted(self) -> list[tuple[float, float]]:
        """Where on the page the graph has nodes that completed, once it holds still."""
        canvas = self.page.locator(".run-graph__stage canvas")
        before = b""
        while (now := canvas.screenshot()) != before:
            before = now
            self.page.wait_for_timeout(300)
        box = canvas.bounding_box()
        assert box is not None
        picture = np.asarray(Image.open(BytesIO(now)).convert("RGB")).astype(int)
        regions, _ = ndimage.label(np.abs(picture - np.array(GREEN)).sum(axis=2) < 30)
        shapes = [
            (rows, columns) for rows, columns in ndimage.find_objects(regions) if rows.stop - rows.start > 20
        ]
        return [
            (box["x"] + (columns.start + columns.stop) / 2, box["y"] + (rows.start + rows.stop) / 2)
            for rows, columns in shapes
        ]

    def _click(self, place: tuple[float, float]) -> None:
        """Slowly: the graph wants to see the mouse come."""
        x, y = place
        self.page.mouse.move(x - 5, y)
        self.page.mouse.move(x, y, steps=3)
        self.page.wait_for_timeout(200)
        self.page.mouse.down()
        self.page.wait_for_timeout(50)
        self.page.mouse.up()
        expect(self.page.locator(".flow-run-graph-selection-panel")).to_be_visible()

    def artifacts(self, *expected: str) -> dict[str, str]:
        """The key of each artifact of the run and its stages, and what its card says, once the expected ones
        are there.
        """
        for key in expected:
            assert self.has_artifact(key, LOOK_SECONDS), f"there is no artifact {key}"
        return {
            card.locator(".artifact-card__title").inner_text(): card.locator(
                ".artifact-card__description"
            ).inner_text()
            for card in self.page.locator(".artifact-card").all()
        }

    def has_artifact(self, key: str, seconds: float = 2) -> bool:
        """Whether it is there within that time.

        The cards of stages come only where one scrolls down to them.
        """
        self.open_tab("Artifacts")
        deadline = time.monotonic() + seconds
        while not (found := self._card(key).count() > 0) and time.monotonic() < deadline:
            self.page.mouse.wheel(0, 3000)
            self.page.wait_for_timeout(300)
        return found

    def says(self, key: str, text: str) -> bool:
        """Opens the artifact; whether its description has the text."""
        self.open_artifact(key)
        return text in self.page.get_by_role("article").first.inner_text()

    def _card(self, key: str) -> Locator:
        return self.page.locator(".artifact-card").filter(has=self.page.get_by_text(key, exact=True))

    def open_artifact(self, key: str) -> None:
        self.artifacts(key)
        self._card(key).click()
        expect(self.page.get_by_role("button", name="Show raw data")).to_be_visible()
