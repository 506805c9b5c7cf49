"""The seam between the stages and a kind of task. A kind is a value: five records of functions, no
inheritance, loaded by the name in params.

Stages import what they need of the seam from here; rows, features and ids are explained in rows.py.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tasks.core.params import Section
from tasks.kinds.base.data import Data, Reworder, Rewording
from tasks.kinds.base.generation import Generation
from tasks.kinds.base.model import Converter, Model
from tasks.kinds.base.package import Package
from tasks.kinds.base.quality import Baseline, Quality
from tasks.kinds.base.report import Report
from tasks.kinds.base.rows import IGNORED, UNDECIDED, Features, Processor, Row, Truth, decisions

__all__ = [
    "IGNORED",
    "UNDECIDED",
    "Baseline",
    "Converter",
    "Data",
    "Features",
    "Kind",
    "Model",
    "NoOptions",
    "Package",
    "Processor",
    "Quality",
    "Report",
    "Reworder",
    "Rewording",
    "Row",
    "Truth",
    "decisions",
    "known_kinds",
    "load_kind",
]

KINDS = Path(__file__).resolve().parents[1]


class NoOptions(Section):
    """The options of kinds that ask for none."""


@dataclass(frozen=True)
class Kind:
    """What differs between one kind of task and another."""

    task: str
    """What preprocessing.json and the model card call it."""
    options: type[Section]
    """The values of `runs.<run>.options`: what only this kind asks for."""
    data: Data
    model: Model
    quality: Quality
    """Of what is shipped."""
    package: Package
    report: Report
    learning: Quality | None = None
    """Of answers in training, where these are no figures of what is shipped: of the pieces of texts that are
    given, for instance, and not of texts that the model writes."""
    generation: Generation | None = None
    """Of kinds whose models write their answers: these are texts then, one for each row."""

    @property
    def progress(self) -> Quality:
        """The figures by which epochs are chosen."""
        return self.learning or self.quality


def load_kind(name: str) -> Kind:
    """The kind of `tasks/kinds/<name>/kind.py`. The name has been checked against the folders there."""
    return cast(Kind, importlib.import_module(f"tasks.kinds.{name.replace('/', '.')}.kind").KIND)


def known_kinds() -> dict[str, type[Section]]:
    """Every kind, and the options it asks for."""
    names = sorted(path.parent.relative_to(KINDS).as_posix() for path in KINDS.glob("*/*/kind.py"))
    return {name: load_kind(name).options for name in names}
