"""Gives texts without labels the labels that they are most like, by what is said of each label: a start where
nobody has labelled a row.

    slipway prelabel messages.csv --labels "card arrival, lost card, exchange rate" --to labelled
    slipway prelabel messages.csv --labels labels.csv --to labelled
    slipway new support labelled

FILE of --labels has the columns label and description; a label may have several rows, texts that have it
among them. The folder then holds train.csv, the surest texts of each label; unlabelled/texts.txt, the others,
which the teacher will answer; and test.csv, rows for a person to label, as labels by likeness cannot measure
anything. Where some rows have labels already (--label COLUMN), these are test.csv.
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.raw_data import several
from flows.starting import likeness, look
from flows.starting.likeness import Descriptions, Encoder, Likeness
from flows.starting.look import Looked
from tasks.benchmark.bootstrap import interval, resampled_sums
from tasks.core import escape
from tasks.core.errors import DataError, ParamsError, did_you_mean
from tasks.kinds.base.kind import Kind, known_kinds, load_kind
from tasks.launch.command import Command
from tasks.proposals.proposal import load_proposal

TEXT, LABEL, DESCRIPTION = "text", "label", "description"
SHARE = 0.5
"""Of each label's texts, the surest, that are labelled."""
CHECKED, MOST_CHECKED = 200, 0.2
"""Texts for a person to label, and the share of all that they are at most."""
RESAMPLES = 2000
SHOWN = 12
"""Labels that a line tells."""


@dataclass(frozen=True)
class Texts:
    """What is to be labelled, and what is."""

    unlabelled: list[str]
    labelled: list[tuple[str, str]]
    """Texts and their labels."""
    torn: int
    """Texts that have several labels, which are left out."""


def texts_of(looked: Looked, text: str | None, label: str | None) -> Texts:
    """The texts of raw data: those of a column, or of the one with the longest texts.

    Raises:
        ParamsError: there is no such column.
    """
    faults = [
        f"--{role} {column}: no column{did_you_mean(column, looked.columns)}"
        for role, column in ((TEXT, text), (LABEL, label))
        if column is not None and column not in looked.columns
    ]
    if faults:
        raise ParamsError("slipway prelabel", *faults)
    column = text or max(looked.columns.values(), key=lambda one: one.words * one.filled).name
    found = [
        (_plain(row.values.get(column, "")), _plain(row.values.get(label, "")) if label else "")
        for row in looked.raw.rows
    ]
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for read, given in found:
        if read:
            labels[read] |= {given} - {""}
    return Texts(
        [read for read, given in labels.items() if not given],
        [(read, min(given)) for read, given in labels.items() if len(given) == 1],
        sum(len(given) > 1 for given in labels.values()),
    )


def _plain(value: str | bytes) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def descriptions(asked: str) -> Descriptions:
    """What is said of each label: by a file, or by the names alone, with commas between.

    Raises:
        DataError: the file has no such columns, or too few labels.
    """
    if Path(asked).is_file():
        found = _read(Path(asked))
    else:
        found = {name: [] for name in map(str.strip, asked.split(",")) if name}
    if len(found) < 2:
        raise DataError(
            f"--labels {asked}",
            f"tells {len(found)} labels, 2 are needed at least; name them with commas between, or a file "
            f"with the columns {LABEL} and {DESCRIPTION}",
        )
    return {label: said or [likeness.spelled(label)] for label, said in found.items()}


def _read(file: Path) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        several.bring([str(file)], Path(folder))
        looked = look.look(Path(folder))
    if LABEL not in looked.columns:
        raise DataError(file.name, f"has the columns {', '.join(looked.columns)}; a column {LABEL} is needed")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in looked.raw.rows:
        if label := _plain(row.values.get(LABEL, "")):
            found[label] += filter(None, [_plain(row.values.get(DESCRIPTION, ""))])
    return dict(found)


def make(asked: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Writes the folder.

    Raises:
        SlipwayError: of what is amiss; nothing is written then.
    """
    faults = [f"--to {asked.to}: is there already; name a new folder"] if asked.to.exists() else []
    if asked.check < 1:
        faults.append(f"--check {asked.check}: must be 1 at least")
    if faults:
        raise ParamsError("slipway prelabel", *faults)
    told = descriptions(asked.labels)
    with tempfile.TemporaryDirectory() as there:
        raw = Path(there) / "raw"
        raw.mkdir()
        brought = ", ".join(several.bring(asked.source, raw))
        texts = texts_of(look.look(raw), asked.text, asked.label)
        if strange := sorted({label for _, label in texts.labelled} - told.keys()):
            raise DataError(brought, f"has labels that --labels does not tell: {', '.join(strange[:SHOWN])}")
        if len(texts.unlabelled) < len(told):
            raise DataError(
                brought, f"has {len(texts.unlabelled)} texts without a label, for {len(told)} labels"
            )
        every = [*texts.unlabelled, *(text for text, _ in texts.labelled)]
        encoder = Encoder(every, _kind(), Path.cwd(), Path(there) / "pretrained")
        say(f"{brought}: {len(every):,} different texts; {encoder.about}")
        if texts.torn:
            say(f"look at this: {texts.torn:,} texts have several labels, and are left out")
        if encoder.warning:
            say(f"look at this: {encoder.warning}")
        found = likeness.measured(every, told, encoder)
        made = _written(Path(there) / "made", texts, found, asked.check, say)
        asked.to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, asked.to)
    say(f"{asked.to}: look over train.csv, then `slipway new RUN {asked.to}`")


def _kind() -> Kind:
    return next(
        load_kind(name) for name in known_kinds() if (found := load_proposal(name)) and found.described
    )


def _written(folder: Path, texts: Texts, found: Likeness, check: int, say: Callable[[str], None]) -> Path:
    """The three files, and what is said of them."""
    count = len(texts.unlabelled)
    tested = (
        set()
        if texts.labelled
        else set(random.Random(0).sample(range(count), min(check, int(MOST_CHECKED * count))))
    )
    names = [found.names[at] for at in found.chosen]
    sure = found.sure(SHARE)
    (folder / "unlabelled").mkdir(parents=True)
    kept = [at for at in range(count) if at not in tested]
    train = [(texts.unlabelled[at], names[at]) for at in kept if sure[at]]
    rest = [texts.unlabelled[at] for at in kept if not sure[at]]
    test = texts.labelled or [(texts.unlabelled[at], "") for at in sorted(tested)]
    _table(folder / "train.csv", train)
    _table(folder / "test.csv", test)
    (folder / "unlabelled" / "texts.txt").write_text("".join(f"{text}\n" for text in rest), encoding="utf-8")
    by_label = Counter(label for _, label in train)
    some = ", ".join(f"{label} {count:,}" for label, count in by_label.most_common(SHOWN))
    say(f"train.csv: {len(train):,} texts, the surer half of each label: {some}")
    if missing := [name for name in found.names if not by_label[name]]:
        say(f"look at this: no text is most like {', '.join(missing)}; say more of them with --labels FILE")
    say(f"unlabelled/texts.txt: {len(rest):,} texts, which the teacher will answer")
    say(_of_test(test, names[count:]))
    return folder


def _of_test(test: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    if not names:
        return (
            f"test.csv: {len(test):,} texts; write the right label of each into the column {LABEL}, as "
            "labels by likeness measure nothing"
        )
    right = np.array([label == name for (_, label), name in zip(test, names, strict=True)], float)
    (sums,) = resampled_sums([np.column_stack([right, np.ones(len(right))])], RESAMPLES, 0)
    low, high = interval(sums[:, 0] / sums[:, 1])
    return (
        f"test.csv: {len(test):,} texts with their own labels; of these likeness finds {right.mean():.1%} "
        f"[{low:.1%}, {high:.1%}]"
    )


def _table(file: Path, rows: Sequence[tuple[str, str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([(TEXT, LABEL), *rows])


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
        help=f"texts for a person to label, where none has one (default: {CHECKED})",
    )


def _run(given: argparse.Namespace) -> int:
    make(given, lambda line: print(escape.visible(line), flush=True))
    return 0


COMMAND = Command("slipway prelabel", __doc__, _run, _arguments)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
