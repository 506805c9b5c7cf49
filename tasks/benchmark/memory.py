"""How much memory a variant needs at most, in a process of its own: `python -m tasks.benchmark.memory` reads
a job and prints mebibytes.

The process opens the variant and answers a few real inputs one by one. Libraries count: whoever serves the
variant needs them too.
"""

from __future__ import annotations

import base64
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.core.errors import ModelError
from tasks.kinds.base.kind import Row

INPUTS = 32
BYTES = "bytes"
TOP = Path(__file__).resolve().parents[2]
MODULE = "tasks.benchmark.memory"


def peaks(
    sources: Sequence[Source], setting: Setting, rows: Sequence[Row], at_once: int, module: str = MODULE
) -> dict[str, float]:
    """Peak resident memory of each variant in MiB, `at_once` processes side by side. `module` is what they
    run: one that knows more forms.

    Raises:
        ModelError: a process could not open its variant, or could not answer.
    """

    def one(source: Source) -> float:
        place = {**asdict(source), "folder": str(source.folder.resolve())}
        job = json.dumps(
            {"source": place, "setting": asdict(setting), "rows": [_packed(row) for row in rows[:INPUTS]]}
        )
        child = subprocess.run(
            [sys.executable, "-m", module], cwd=TOP, input=job.encode(), capture_output=True, check=False
        )
        if child.returncode:
            said = child.stderr.decode(errors="replace").strip()[-2000:]
            raise ModelError(
                source.name, f"could not be opened in a process of its own to measure its memory: {said}"
            )
        return float(child.stdout.split()[-1])

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip((source.name for source in sources), pool.map(one, sources), strict=True))


def _packed(row: Row) -> dict[str, Any]:
    """What JSON can hold: reading a table would need memory of its own, and be measured too."""
    return {
        name: {BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _unpacked(row: Row) -> dict[str, Any]:
    return {
        name: base64.b64decode(value[BYTES]) if isinstance(value, dict) else value
        for name, value in row.items()
    }


def main() -> None:
    job = json.load(sys.stdin)
    place = Path(job["source"].pop("folder"))
    variant = open_variant(Source(**job["source"], folder=place), Setting(**job["setting"]))
    variant.use(1)
    for row in job["rows"]:
        variant.answer(_unpacked(row))
    print(round(peak_mib(), 1))


def peak_mib() -> float:
    """Linux: VmHWM, because `ru_maxrss` also counts what the parent held when it forked.

    Elsewhere `ru_maxrss`: macOS counts bytes.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return next(
            int(line.split()[1]) / 2**10
            for line in status.read_text(encoding="ascii").splitlines()
            if line.startswith("VmHWM")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
