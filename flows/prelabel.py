"""Gives texts without labels the labels that they are most like, by what is said of each label: a start where
nobody has labelled a row.

    slipway prelabel messages.csv --labels "card arrival, lost card, exchange rate" --to labelled
    slipway prelabel messages.csv --labels labels.csv --to labelled
    slipway new support labelled

FILE of --labels has the columns label and description; a label may have several rows, texts that have it
among them. The folder then holds train.csv, the surest texts of each label; unlabelled/texts.txt, the others,
which the teacher will answer; and test.csv, rows for a person to label, as labels by likeness cannot measure
anything. Rows that have labels already (--label COLUMN) are in test.csv, too, and say how often likeness is
right.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)

from flows.prelabelling import descriptions, likeness, texts
from flows.prelabelling.likeness import Descriptions, Encoder, Likeness
from flows.prelabelling.texts import Texts
from flows.raw_data import several
from tasks.benchmark.bootstrap import interval, resampled_sums
from tasks.core import escape
from tasks.core.errors import DataError, ParamsError, did_you_mean
from tasks.kinds.base.kind import Kind, known_kinds, load_kind
from tasks.launch.command import Command
from tasks.proposals.proposal import load_proposal

SHARE = 0.5
"""Of each label's texts, the surest, that are labelled."""
CHECKED, MOST_CHECKED = 200, 0.2
"""Texts for a person to label, and the share of all that they are at most."""
RESAMPLES = 2000
SHOWN = 12
"""Labels that a line tells."""
Say = Callable[[str], None]


def make(asked: argparse.Namespace, say: Say) -> None:
    """Writes the folder.

    Raises:
        SlipwayError: of what is amiss; nothing is written then.
    """
    if asked.check < 1:
        raise ParamsError("slipway prelabel", f"--check {asked.check}: must be 1 at least")
    told = descriptions.read(asked.labels)
    with tempfile.TemporaryDirectory(dir=_parent(asked.to), prefix=".prelabel-") as there:
        raw, made = Path(there) / "raw", Path(there) / "made"
        raw.mkdir()
        brought = ", ".join(several.bring(asked.source, raw))
        found = texts.read(raw, asked.text, asked.label)
        _check(brought, found, told)
        encoder = Encoder(found.all, _kind(), Path.cwd(), Path(there) / "pretrained")
        say(f"{brought}: column `{found.column}`, {len(found.all):,} different texts; {encoder.about}")
        for line in [*found.told, *several.left_behind(asked.source)]:
            say(line)
        if encoder.warning:
            say(f"look at this: {encoder.warning}")
        _write(made, found, likeness.measured(found.all, told, encoder), asked.check, say)
        shutil.move(made, asked.to)
    say(f"{asked.to}: look over train.csv, then `slipway new RUN {asked.to}`")


def _parent(wanted: Path) -> Path:
    """The folder that the new one is made in.

    Raises:
        ParamsError: it cannot be.
    """
    if wanted.exists() or wanted.is_symlink():
        raise ParamsError("slipway prelabel", f"--to {wanted}: is there already; name a new folder")
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=wanted.parent).close()
    except OSError as error:
        raise ParamsError("slipway prelabel", f"--to {wanted}: cannot be made: {error.strerror}") from None
    return wanted.parent


def _check(brought: str, found: Texts, told: Descriptions) -> None:
    faults = []
    if strange := sorted({label for _, label in found.labelled} - told.keys()):
        some = ", ".join(f"`{one}`{did_you_mean(one, told)}" for one in strange[:3])
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        faults.append(f"has labels that --labels does not tell: {some}{more}")
    if len(found.unlabelled) < len(told):
        faults.append(f"has {len(found.unlabelled)} texts without a label, for {len(told)} labels")
    if faults:
        raise DataError(brought, *faults)


def _kind() -> Kind:
    return next(
        load_kind(name) for name in known_kinds() if (found := load_proposal(name)) and found.described
    )


def _write(folder: Path, found: Texts, like: Likeness, check: int, say: Say) -> None:
    """The three files, and what is said of them."""
    count = len(found.unlabelled)
    tested = _for_people(like.chosen[:count].tolist(), check - len(found.labelled))
    names, sure = [like.names[at] for at in like.chosen], like.sure(SHARE)
    (folder / "unlabelled").mkdir(parents=True)
    kept = [at for at in range(count) if at not in tested]
    train = [(found.unlabelled[at], names[at]) for at in kept if sure[at]]
    rest = [found.unlabelled[at] for at in kept if not sure[at]]
    _table(folder / "train.csv", train)
    _table(folder / "test.csv", [*found.labelled, *((found.unlabelled[at], "") for at in sorted(tested))])
    (folder / "unlabelled" / "texts.txt").write_text("".join(f"{text}\n" for text in rest), encoding="utf-8")
    by_label = Counter(label for _, label in train)
    some = ", ".join(f"{label} {count:,}" for label, count in by_label.most_common(SHOWN))
    say(f"train.csv: {len(train):,} texts, the surer half of each label: {some}")
    if missing := [name for name in like.names if not by_label[name]]:
        say(f"look at this: no text is most like {', '.join(missing)}; say more of them with --labels FILE")
    say(f"unlabelled/texts.txt: {len(rest):,} texts, which the teacher will answer")
    for line in _of_test(found.labelled, names[count:], len(tested)):
        say(line)


def _for_people(chosen: Sequence[int], wanted: int) -> set[int]:
    """Texts that a person shall label: some of each label, as far as likeness tells."""
    most = min(wanted, int(MOST_CHECKED * len(chosen)))
    order = random.Random(0).sample(range(len(chosen)), len(chosen))
    place: defaultdict[int, int] = defaultdict(int)
    turns = {}
    for at in order:
        turns[at] = place[chosen[at]]
        place[chosen[at]] += 1
    return set(sorted(order, key=turns.__getitem__)[: max(0, most)])  # the sort keeps chance's order


def _of_test(labelled: Sequence[tuple[str, str]], names: Sequence[str], empty: int) -> list[str]:
    told = []
    if labelled:
        right = np.array([label == name for (_, label), name in zip(labelled, names, strict=True)], float)
        (sums,) = resampled_sums([np.column_stack([right, np.ones(len(right))])], RESAMPLES, 0)
        low, high = interval(sums[:, 0] / sums[:, 1])
        told.append(
            f"test.csv: {len(labelled):,} texts with their own labels; of these likeness finds "
            f"{right.mean():.1%} [{low:.1%}, {high:.1%}]"
        )
    if empty:
        told.append(
            f"test.csv: {empty:,} texts without a label, some of each by likeness; write the right ones into "
            "the column label, as labels by likeness measure nothing"
        )
    return told


def _table(file: Path, rows: Sequence[tuple[str, str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", nargs="+", help="files or folders with texts")
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE",
        help="of labels and descriptions, or their names with commas",
    )
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="the new folder to write")
    parser.add_argument("--text", metavar="COLUMN", help="of the texts (default: the longest ones)")
    parser.add_argument("--label", metavar="COLUMN", help="of labels that some rows have already")
    parser.add_argument(
        "--check",
        type=int,
        default=CHECKED,
        metavar="N",
        help=f"texts that people label, in test.csv; a fifth of all at most (default: {CHECKED})",
    )


def _run(given: argparse.Namespace) -> int:
    make(given, lambda line: print(escape.visible(line), flush=True))
    return 0


COMMAND = Command("slipway prelabel", __doc__, _run, _arguments)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
