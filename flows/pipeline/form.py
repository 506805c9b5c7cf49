"""What an operator may ask of a run: the types behind the form of Prefect's UI, which its server checks
before a run begins.

Names of runs and stages are choices: the form's schema, made when a deployment is, lists what params.yaml and
dvc.yaml of the current directory have then. The flow itself takes any name of the right form, for a run of
another revision has names of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from flows.checkout.overrides import PATTERN
from flows.checkout.worktree import HASH
from tasks.core import documents
from tasks.core.errors import ParamsError
from tasks.core.params import RUN_NAME

RUN = RUN_NAME.pattern
Choices = tuple[str, ...]


def runs() -> Choices:
    return _names("params.yaml", "runs")


def retrained() -> Choices:
    return _names("params.yaml", "retrain")


def searched() -> Choices:
    return _names("params.yaml", "search")


def stages() -> Choices:
    """`prune` for every run, then `prune@bbc` for one."""
    named = _names("dvc.yaml", "stages")
    return (*named, *(f"{stage}@{run}" for run in runs() for stage in named))


def choices() -> tuple[Choices, ...]:
    """All that the forms offer."""
    return runs(), retrained(), searched(), stages()


def _names(file: str, section: str) -> Choices:
    """The keys of a section; none where the file cannot be read: then the form takes any name."""
    path = Path.cwd() / file
    try:
        found = path.stat()
        document = _document(path, found.st_mtime_ns, found.st_size)
    except (OSError, ParamsError):
        return ()
    keys = document.get(section) if isinstance(document, dict) else None
    return tuple(key for key in keys if isinstance(key, str)) if isinstance(keys, dict) else ()


@lru_cache(maxsize=8)
def _document(path: Path, _changed: int, _size: int) -> Any:
    return documents.yaml(path.read_bytes(), path.name)


@dataclass(frozen=True)
class Offering:
    """Beside a type: the form offers these names, as far as there are any when the schema is made."""

    known: Callable[[], Choices]

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        return {**schema, "enum": list(found)} if (found := self.known()) else schema


RunName = Annotated[str, Field(pattern=f"^{RUN}$")]
MANY = Field(max_length=1000)
Runs = Annotated[tuple[Annotated[RunName, Offering(runs)], ...], MANY]
RetrainedRun = Annotated[RunName, Offering(retrained)]
RetrainedRuns = Annotated[tuple[RetrainedRun, ...], MANY]
SearchedRun = Annotated[RunName, Offering(searched)]
Stage = Annotated[str, Field(pattern=f"^[a-z][a-z0-9_-]*(@{RUN})?$"), Offering(stages)]
Stages = Annotated[tuple[Stage, ...], MANY]
Overrides = Annotated[
    tuple[Annotated[str, Field(pattern=PATTERN, max_length=500)], ...], Field(max_length=100)
]
Revision = Annotated[str, Field(pattern=HASH)]
Seconds = Annotated[float, Field(ge=0, le=30 * 24 * 3600)]
Deployment = Literal["compress/compress-on-gpu", "compress/compress-on-cpu"]
Version = Annotated[int, Field(ge=0, le=1_000_000)]
Reason = Annotated[str, Field(max_length=1000)]
