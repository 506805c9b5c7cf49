"""Runs a stage in tests as the runner does.

On the committed params of `bbc`, small and plain, changed where a test says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.core import params, stages
from tasks.core.params import RunFields

ROOT = Path(__file__).resolve().parents[2]


def checked(name: str, **changed: Any) -> Any:
    """The stage's params; `changed` overrides fields of its section or of the run."""
    committed = params.read(ROOT / "params.yaml")["bbc"]
    usual = {"threads": 1, "input_size": 32, "relations": None, "embeddings": "as_format"}
    values = {
        **committed[name],
        **{key: committed[key] for key in RunFields.model_fields},
        **usual,
        **changed,
    }
    model = stages.load(name).Params
    return model.model_validate({key: value for key, value in values.items() if key in model.model_fields})


def run(name: str, inputs: Any, home: Path, **changed: Any) -> stages.Metrics:
    """Leaves the result in `home`; its scratch folder, home/scratch, stays for the next run."""
    (home / "scratch").mkdir(parents=True, exist_ok=True)
    return stages.load(name).run(inputs, checked(name, **changed), home, home / "scratch")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
