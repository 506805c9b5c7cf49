"""Where rows go: to `collected` until a champion has learned from them, then to `raw`; to `quarantine`, with
reasons, if of no use.

Three folders, data/raw/<run>, data/collected/<run> and data/quarantine/<run>, each versioned by its .dvc
file. Names follow from content, so that a night which is begun again writes the same files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from flows.raw_data import data
from flows.raw_data.pointer import Pointer, files
from flows.retraining.arrivals import arrived
from flows.retraining.arrivals.drops import Rules
from flows.retraining.arrivals.inbox import Drop
from tasks.core.errors import DataError
from tasks.ingest.raw.rows import RawRow, Rejected
from tasks.ingest.reading.class_folders import ARRIVED

REASONS = "reasons.jsonl"
SHORT = 16
LONGEST_NAME = 200
"""Bytes; a file system has room for a few more, which `.link.txt` needs."""


@dataclass(frozen=True)
class Store:
    """Of a run, in the project `root`."""

    root: Path
    run: str

    @property
    def raw(self) -> Pointer:
        return Pointer(self.root, self.root / "data" / "raw" / self.run)

    @property
    def collected(self) -> Pointer:
        return Pointer(self.root, self.root / "data" / "collected" / self.run)

    @property
    def quarantine(self) -> Pointer:
        return Pointer(self.root, self.root / "data" / "quarantine" / self.run)

    @property
    def teacher(self) -> Pointer:
        """The champion's teacher, from which a challenger's began; only with `start: champion`."""
        return Pointer(self.root, self.root / "models" / f"champion-{self.run}")

    def pointers(self) -> list[Pointer]:
        return [self.raw, self.collected, self.quarantine, self.teacher]

    def restore(self) -> None:
        """Brings the folders to what their .dvc files say. What is in them beyond that is lost: look at
        `changed` first.

        Raises:
            DataError: their files can be had nowhere.
        """
        for pointer in self.pointers()[1:]:
            if not pointer.path.exists():
                shutil.rmtree(pointer.folder, ignore_errors=True)
            elif not pointer.matches():
                pointer.check_out()
        if not self.raw.matches():
            try:
                self.raw.check_out()
            except DataError:  # an embedded corpus can be made again
                data.restore(self.root, [self.run])

    def changed(self) -> list[str]:
        """The folders that hold what no .dvc file knows of."""
        return [one.name for one in self.pointers() if files(one.folder) and not one.matches()]

    def version(self) -> None:
        """`dvc add` of what changed since `restore`; an empty folder has no .dvc file."""
        for pointer in self.pointers():
            if files(pointer.folder):
                if not pointer.matches():
                    pointer.version()
            elif pointer != self.raw:
                shutil.rmtree(pointer.folder, ignore_errors=True)
                pointer.path.unlink(missing_ok=True)

    def collect(self, rows: Sequence[RawRow], rules: Rules, staging: Path) -> None:
        arrived.write(rows, self.collected.folder, staging, rules.file_columns, rules.needed)

    def learn(self, rows: Sequence[RawRow], rules: Rules) -> None:
        """Collected rows become rows that ingest reads."""
        arrived.write(
            rows, self.raw.folder / ARRIVED, self.collected.folder, rules.file_columns, rules.needed
        )

    def keep_collected(self, rows: Sequence[RawRow], rules: Rules) -> None:
        """Of the collected rows only these stay; the others were learned from."""
        before = files(self.collected.folder)
        kept = arrived.write(
            rows, self.collected.folder, self.collected.folder, rules.file_columns, rules.needed
        )
        for name in before:
            if kept is None or self.collected.folder / name != kept:
                (self.collected.folder / name).unlink()

    def _free_place(self, name: str) -> Path:
        """A file that comes twice has two places: neither its reasons nor its name may be lost."""
        numbered = (
            self.quarantine.folder / (name if number == 1 else f"{name}-{number}") for number in count(1)
        )
        return next(place for place in numbered if not place.exists())

    def set_aside(self, drop: Drop, fault: str, rejected: Iterable[Rejected]) -> None:
        """The whole drop as it came, and a line for each row that was not taken, or one for all of it."""
        place = self._free_place(drop.sha256[:SHORT])
        place.mkdir(parents=True)
        reasons = [asdict(one) for one in rejected] or [
            {"file": drop.name, "line": 0, "reason": fault, "excerpt": ""}
        ]
        if fault:
            reasons[0] |= {"whole": True}
        lines = (json.dumps(one, ensure_ascii=False) for one in reasons)
        (place / REASONS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        _keep(drop, place / "drop")


def _quiet(name: str) -> str:
    """Under names like these DVC would look for stages in the file, wherever it lies, and stop at a file that
    holds none.
    """
    return f"{name}.kept" if name in ("dvc.yaml", "dvc.lock") or name.endswith(".dvc") else name


def _keep(drop: Drop, place: Path) -> None:
    """A link is kept as the text it holds; it is never followed."""
    place.mkdir()
    printable = (
        "".join(sign if sign.isprintable() and sign not in '\\/:"*?<>|' else "_" for sign in drop.name).strip(
            ". "
        )
        or "drop"
    )
    name = _quiet(printable.encode()[:LONGEST_NAME].decode(errors="ignore"))
    if drop.path.is_symlink():
        (place / f"{name}.link.txt").write_text(str(drop.path.readlink()), encoding="utf-8")
    elif drop.path.is_file():
        shutil.copyfile(drop.path, place / name)
    elif drop.path.is_dir():
        for file in sorted(drop.path.rglob("*")):
            if file.is_file() and not file.is_symlink():
                target = place / name / Path(*map(_quiet, file.relative_to(drop.path).parts))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
