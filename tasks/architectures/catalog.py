"""Which architectures there are: `ARCHITECTURE` of every module in the folders beside this one."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any

from tasks import architectures
from tasks.architectures.record import Architecture


@functools.cache
def folders() -> Mapping[str, Mapping[str, Architecture]]:
    """Folder, which is what its models read (`text`, `image`) -> model type -> record, alphabetically."""
    found = {}
    for folder in pkgutil.iter_modules(architectures.__path__):
        if folder.ispkg:
            package = importlib.import_module(f"{architectures.__name__}.{folder.name}")
            names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
            modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
            found[folder.name] = {module.ARCHITECTURE.model_type: module.ARCHITECTURE for module in modules}
    return found


def records() -> list[Architecture]:
    """All of them, those of texts first."""
    return [record for folder in sorted(folders(), reverse=True) for record in folders()[folder].values()]


def of(config: Any) -> Architecture:
    """The record of a config's model type; of an unknown type one that tells nothing but its name."""
    name = str(config.model_type)
    known = {record.model_type: record for record in records()}
    return known.get(name, Architecture(name, name))


def sentence(chosen: Iterable[Architecture]) -> str:
    """Their names as a message lists them: `A, B and C`."""
    *names, last = [record.name for record in chosen]
    return f"{', '.join(names)} and {last}" if names else last
