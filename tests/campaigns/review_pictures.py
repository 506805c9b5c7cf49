"""Takes the pictures of the docs from a page that `make diff` wrote: its top on light ground, its charts and
rows on dark.

    python -m tests.campaigns.review_pictures review/review.html docs/pictures/review

Needs Chromium on the path.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import sync_playwright

from tests import browser

COLOURS = 128
SHOTS: tuple[tuple[str, Literal["light", "dark"], str], ...] = (
    ("verdict", "light", "h1"),
    ("rows", "dark", "Rows that became wrong"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.review_pictures")
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args(arguments)
    if browser.CHROMIUM is None:
        sys.exit(browser.NO_CHROMIUM)
    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.CHROMIUM)
        for name, scheme, at in SHOTS:
            page = chromium.new_context(
                viewport={"width": 1080, "height": 1020}, color_scheme=scheme
            ).new_page()
            page.goto(given.page.resolve().as_uri())
            place = page.locator("h1") if at == "h1" else page.get_by_text(at).first
            place.evaluate("one => window.scrollTo(0, one.getBoundingClientRect().top + window.scrollY - 24)")
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            file = given.folder / f"{name}.png"
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
            print(f"{file}: {file.stat().st_size} bytes")
        chromium.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
