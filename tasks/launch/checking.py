"""The command `slipway check`: whether params.yaml and the files that DVC reads are in order."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tasks.core import documents, params, stages
from tasks.kinds.base.kind import known_kinds
from tasks.launch import faults, results
from tasks.launch.command import Command


def check(given: argparse.Namespace) -> int:
    """Checks one run, or all, and prints which are in order.

    Raises:
        ParamsError: with every fault.
    """
    checked = all_of(Path.cwd(), given.run)
    if getattr(given, "json", False):
        print(json.dumps({"in_order": checked}))
    else:
        print(f"params.yaml: {len(checked)} run(s) in order: {', '.join(checked)}")
    return 0


def all_of(root: Path, only: str | None = None) -> list[str]:
    """The runs that are in order: all of them, or the one that is named.

    Raises:
        ParamsError: with every fault of params.yaml and of the files that DVC reads.
    """
    documents.check_files(root)
    models = {name: stage.Params for name, stage in stages.load_all().items()}
    return list(params.check(params.read(root / "params.yaml"), models, known_kinds(), only=only))


def _arguments(parser: argparse.ArgumentParser) -> None:
    results.run_name(parser, optional=True)
    results.as_json(parser)


COMMAND = Command(
    "slipway check",
    """Checks params.yaml and the files that DVC reads; tells all faults at once.

    slipway check
    slipway check bbc
""",
    check,
    _arguments,
    faults.translate,
    faults.tell,
)
