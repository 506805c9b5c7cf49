"""What is said of each label: by a table, or by the names alone."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from flows.prelabelling import likeness
from flows.prelabelling.likeness import Descriptions
from flows.prelabelling.texts import plain
from flows.raw_data import several
from flows.starting import look
from flows.starting.look import Looked
from tasks.core.errors import DataError

LABEL, DESCRIPTION = "label", "description"
FEWEST = 2
SHOWN = 5


def read(asked: str) -> Descriptions:
    """Of a file with the columns label and description, or of names with commas between.

    Raises:
        DataError: with every fault of the file; or the labels are too few.
    """
    file = Path(asked)
    if _is_file(file):
        found = _table(file)
    elif "," not in asked:
        what = f"{asked or 'nothing'}: is neither a file nor several names with commas between"
        raise DataError("--labels", what)
    else:
        found = {name: [] for name in map(str.strip, asked.split(",")) if name}
    faults = _alike(found)
    if len(found) < FEWEST:
        faults.append(f"names {len(found)}; {FEWEST} labels are needed at least")
    if faults:
        raise DataError(f"--labels {file.name if _is_file(file) else asked}", *faults)
    return {label: said or [likeness.spelled(label)] for label, said in found.items()}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # so many names are too long for a path
        return False


def _table(file: Path) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        several.bring([str(file)], Path(folder))
        looked = look.look(Path(folder))
    columns = _columns(file, looked)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in looked.raw.rows:
        label, said = (plain(row.values.get(columns.get(role, ""), "")) for role in (LABEL, DESCRIPTION))
        if label:
            found[label] += filter(None, [said])
    return dict(found)


def _columns(file: Path, looked: Looked) -> dict[str, str]:
    """Role -> column, in whatever case."""
    faults = [f"line {one.line}: {one.reason}" for one in looked.raw.rejected[:SHOWN]]
    columns = {name.strip().casefold(): name for name in looked.columns}
    strange = [name for key, name in columns.items() if key not in (LABEL, DESCRIPTION)]
    if LABEL not in columns or strange:
        faults.append(
            f"has the columns {', '.join(looked.columns)}; it must have {LABEL}, and may have {DESCRIPTION}"
        )
    if faults:
        raise DataError(f"--labels {file.name}", *faults)
    return columns


def _alike(labels: dict[str, list[str]]) -> list[str]:
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        alike[label.casefold()].append(label)
    return [
        f"tells apart labels that differ in case alone: {', '.join(some)}"
        for some in alike.values()
        if len(some) > 1
    ]
