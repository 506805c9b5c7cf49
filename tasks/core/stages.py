"""What a stage is, and where its artifacts lie.

A stage is a module `tasks/<stage>/stage.py` with `Params`, `Inputs` and `run(inputs, params, out, scratch) ->
Metrics`. The fields of `Inputs` name the artifacts it reads: they are the edges of the graph.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Protocol, cast

from tasks.core.params import Section

TASKS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Metrics:
    """`figures` are the same for the same inputs; `timings` are of the day."""

    figures: Mapping[str, Any]
    timings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Stage(Protocol):
    Params: type[Section]
    Inputs: type[Any]

    @staticmethod
    def run(inputs: Any, params: Any, out: Path, scratch: Path) -> Metrics: ...


def artifact(name: str) -> Any:
    """A field of `Inputs`.

    `artifact("finetune/out")` is data/<run>/finetune/out, `artifact("raw")` is data/raw/<run>.
    """
    return dataclasses.field(metadata={"artifact": name})


def workspace() -> Any:
    """A field of `Inputs`: the top folder, for what params pin by its content themselves.

    No edge of the graph.
    """
    return dataclasses.field(metadata={"artifact": None})


def artifacts(stage: Stage) -> dict[str, str]:
    """Field of `Inputs` -> artifact name."""
    named = {field.name: field.metadata["artifact"] for field in dataclasses.fields(stage.Inputs)}
    return {field: name for field, name in named.items() if name is not None}


def locate(name: str, root: Path, run: str) -> Path:
    return root / "data" / "raw" / run if name == "raw" else root / "data" / run / name


def inputs(stage: Stage, root: Path, run: str) -> Any:
    """The `Inputs` of a stage in the workspace `root`."""
    named = artifacts(stage)
    return stage.Inputs(
        **{
            field.name: locate(named[field.name], root, run) if field.name in named else root
            for field in dataclasses.fields(stage.Inputs)
        }
    )


def load(name: str) -> Stage:
    return cast(Stage, importlib.import_module(f"tasks.{name}.stage"))


def load_all() -> dict[str, Stage]:
    """Every stage, upstream first."""
    names = sorted(path.parent.name for path in TASKS.glob("*/stage.py"))
    stages = {name: load(name) for name in names}
    return {
        name: stages[name]
        for name in TopologicalSorter({name: upstream(stages[name]) for name in names}).static_order()
    }


def upstream(stage: Stage) -> list[str]:
    """Names of the stages whose artifacts this one reads."""
    return sorted({name.split("/")[0] for name in artifacts(stage).values()} - {"raw"})
