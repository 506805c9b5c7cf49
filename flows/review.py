"""Reviews two revisions of the project side by side; nothing is run again.

    slipway review [--a REV] [--b REV] [--run RUN …] [--format markdown|html|json] [--out FILE]
    [--fail-on MARK …]

REV is a commit, tag, branch, DVC experiment or `workspace`. A is by default where this branch left main, on
main the commit before; B the workspace. Runs are by default all that differ. --out takes a file, or a folder,
which gets all three formats and the pictures. Without it Markdown goes to the terminal, and HTML into
review/.

Exit status: 0 nothing that was asked about was found (--fail-on, by default `worse`, `gates`, `stale` and
`unjudged`). Else the lowest of 3 a mark without a status of its own, 4 `stale`, 5 `unjudged`. 1 is a bug of
ours, 2 a fault of the call or of a file, 75 a passing one.

    worse     the headline figure fell beyond noise and margin
    slower    the ratio to its teacher fell, quartile for quartile
    class     F1 of a category fell beyond noise and margin
    larger    the folder that ships grew by more than a hundredth
    gates     a gate of side B is not passed
    unjudged  there is no verdict
    baseline  side B ships a model no better than a linear one
    stale     stages of B were not run again since their code, data or params changed, or figures were edited
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)
from dvc.exceptions import DvcException, NotDvcRepoError

from tasks.core import escape
from tasks.core.errors import ParamsError, SlipwayError, did_you_mean
from tasks.launch.command import Command

FORMATS = {"markdown": ".md", "html": ".html", "json": ".json"}
BY_DEFAULT = ("worse", "gates", "stale", "unjudged")
FOUND, STATUS = 3, {"stale": 4, "unjudged": 5}
NEVER = "never"
FOLDER = Path("review")


def _run(given: argparse.Namespace) -> int:
    form, out, asked = _terms(given)
    from flows.reviewing.pages import content
    from flows.reviewing.review import review

    found = review(Path.cwd(), given.a, given.b, given.run)
    print(_write(found, content.page(found), form, out, _place(given.pictures, out)))
    marks = found.found(asked)
    for run, mark in marks:
        print(f"{run}: {mark}", file=sys.stderr)
    return min((STATUS.get(mark, FOUND) for _, mark in marks), default=0)


def _translate(error: Exception) -> SlipwayError | None:
    if isinstance(error, NotDvcRepoError):
        return ParamsError(str(Path.cwd()), "is no DVC project; go to the project's top folder")
    if isinstance(error, DvcException):
        return ParamsError("diff", escape.line(error))
    if isinstance(error, OSError):
        why = (error.strerror or str(error)).lower()
        return ParamsError(str(error.filename or "diff"), f"{why}; the pages were not written")
    return None


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--a", metavar="REV", help="the older side")
    parser.add_argument("--b", metavar="REV", help="the newer side")
    parser.add_argument(
        "--run", action="append", default=[], metavar="RUN", help="only this run; may be given more than once"
    )
    parser.add_argument(
        "--format",
        default=None,
        metavar="|".join(FORMATS),
        help="by default what the ending of --out says, else markdown",
    )
    parser.add_argument("--out", metavar="PATH", help="file, or folder for all formats and pictures")
    parser.add_argument(
        "--pictures",
        default=None,
        metavar="URL",
        help="put before the names of pictures in Markdown; `none` leaves them out",
    )
    parser.add_argument(
        "--fail-on",
        action="append",
        nargs="+",
        metavar="MARK",
        help="what does not end with status 0; `never`: nothing",
    )


def _terms(given: argparse.Namespace) -> tuple[str | None, Path | None, list[str]]:
    """Format (None: all), place and marks.

    Raises:
        ParamsError: with all faults of the call.
    """
    from flows.reviewing.review import MARKS

    asked = [
        mark for group in given.fail_on or [BY_DEFAULT] for one in group for mark in one.split(",") if mark
    ]
    faults = [
        f"--fail-on {mark}: there is no such mark{did_you_mean(mark, [*MARKS, NEVER])}"
        for mark in asked
        if mark not in (*MARKS, NEVER)
    ]
    if NEVER in asked and len(asked) > 1:
        faults.append("--fail-on never: stands alone, for it asks about nothing")
    form, out = given.format, Path(given.out) if given.out else None
    if form is not None and form not in FORMATS:
        faults.append(f"--format {form}: there is no such format{did_you_mean(form, FORMATS)}")
    ending = {suffix: name for name, suffix in FORMATS.items()}.get(out.suffix) if out else None
    if out and out.suffix and not out.is_dir() and ending is None and form is None:
        faults.append(
            f"--out {out}: the ending says no format; allowed: {', '.join(FORMATS.values())}, or a folder, "
            "or name it with --format"
        )
    if faults:
        raise ParamsError("diff", *faults)
    if out is None:
        out = FOLDER / "review.html" if form == "html" else None
        return form or "markdown", out, asked
    return form or ending, out, asked


def _place(asked: str | None, out: Path | None) -> str | None:
    """What stands before the names of pictures; None where there are none, as on a terminal."""
    if asked == "none" or (asked is None and out is None):
        return None
    return asked or ""


def _write(found: Any, page: Any, form: str | None, out: Path | None, pictures: str | None) -> str:
    """Returns what the terminal shows."""
    from flows.reviewing.pages import as_json, markdown, web

    if out is None:
        return (as_json.written(found) if form == "json" else markdown.written(page, pictures)).rstrip("\n")
    folder = out if form is None or out.is_dir() or not out.suffix else None
    wanted = {
        (folder or out.parent) / f"review{suffix}" if folder else out: name
        for name, suffix in FORMATS.items()
        if form in (None, name)
    }
    for file, name in wanted.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        if name == "markdown":
            for picture in _pictures(page.chapters):
                (file.parent / picture.name).write_bytes(picture.png)
        text = (
            as_json.written(found)
            if name == "json"
            else web.written(page)
            if name == "html"
            else markdown.written(page, pictures)
        )
        file.write_text(text, encoding="utf-8")
    return "\n".join(file.as_posix() for file in wanted)


def _pictures(blocks: Sequence[Any]) -> Iterator[Any]:
    from flows.reviewing.pages.page import Picture, Section

    for block in blocks:
        if isinstance(block, Picture):
            yield block
        elif isinstance(block, Section):
            yield from _pictures(block.blocks)


COMMAND = Command("slipway review", __doc__, _run, _arguments, _translate)
main = COMMAND.main


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no fault
    sys.exit(main())
