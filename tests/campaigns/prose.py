"""How often a file that holds no rows is taken for data by its content: `python -m tests.campaigns.prose`.

Documents, licences, programs and settings of this system are looked at as if they were called `x.txt`, for a
name like README would tell.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tasks.ingest.forms import form
from tasks.ingest.forms.form import AmbiguousError
from tasks.ingest.raw.packed import OPENERS

FOLDERS = (
    Path("/usr/share"),
    Path("/usr/lib/python3"),
    Path("/etc"),
    Path(form.__file__).parents[3] / ".venv",
)
PATTERNS = (
    *(f"*.{ending}" for ending in ("txt", "md", "rst", "py", "pyi", "h", "toml", "yaml", "cfg", "pm")),
    *("LICENSE*", "README*", "METADATA", "copyright"),
)
NAME = "x.txt"


def files(folders: tuple[Path, ...]) -> Iterator[Path]:
    """Files that hold no rows, by their names."""
    for folder in folders:
        for pattern in PATTERNS:
            yield from (
                path for path in folder.rglob(pattern) if path.is_file() and path.suffix not in OPENERS
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=8_000)
    count = parser.parse_args().count
    found = sorted(set(files(FOLDERS)))
    random.Random(0).shuffle(found)
    taken: defaultdict[str, list[Path]] = defaultdict(list)
    for path in found[:count]:
        try:
            seen = form.of(path, NAME)
        except AmbiguousError as error:
            taken[str(error)].append(path)
        else:
            taken[seen.about if seen else "no rows"].append(path)
    for about, paths in Counter({about: len(paths) for about, paths in taken.items()}).most_common():
        print(f"{paths:6,}  {about}")
        for path in taken[about][:10] if about != "no rows" else ():
            print(f"        {path}")


if __name__ == "__main__":
    main()
