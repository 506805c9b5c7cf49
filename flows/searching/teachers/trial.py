"""One teacher, in a process of its own:  python -m flows.searching.teachers.trial FOLDER

Reads FOLDER/job.json, writes FOLDER/result.json. Runs `finetune` as the stage does, on the training rows, and
keeps what the best epoch has on the validation rows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from flows.searching import workplace
from flows.searching.chain import TEACHER
from flows.searching.job import Job, Result
from flows.searching.workplace import Workplace
from tasks.kinds.base.kind import load_kind

ONE_UNHEARD: dict[str, Any] = {"teachers": 1, "pool_outputs": 0}
"""Nobody learns from it, so it labels no pool; several together begin with this one."""


def run(asked: Job, root: Path) -> Result:
    """Makes the teacher; how that ended."""

    def work(figures: dict[str, Any]) -> None:
        place = Workplace(asked, root)
        place.link()
        made = place.made(TEACHER, TEACHER, **ONE_UNHEARD)
        best = json.loads((made / "metrics.json").read_text(encoding="utf-8"))["validation"]
        headline = best[load_kind(asked.params["kind"]).quality.headline]
        figures.update(headline=headline, error=1 - headline, **best)

    return workplace.ended(work)


if __name__ == "__main__":
    workplace.main(Path(sys.argv[1]), Job, run)
