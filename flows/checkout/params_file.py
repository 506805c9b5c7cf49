"""params.yaml of a checkout, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from tasks.core import documents, params, stages
from tasks.kinds.base.kind import known_kinds


def check(root: Path) -> None:
    """All of params.yaml, before anything runs, where the project has stages of its own to check it for.

    Raises:
        ParamsError: with every fault in it, or every file in which a merge is not finished.
    """
    documents.check_files(root)
    if (root / "tasks").is_dir():
        sections = {name: stage.Params for name, stage in stages.load_all().items()}
        params.check(params.read(root / "params.yaml"), sections, known_kinds())
