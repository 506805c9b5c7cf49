"""What `python -m tasks` sets for its stages holds for tests that run them in their own process too."""

from __future__ import annotations

import os
import signal

import pytest

from tasks.launch.environment import ENVIRONMENT

os.environ.update(ENVIRONMENT)

# A script that starts the tests in its background has them ignore Ctrl-C, and so would the flows they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    "retraining/night/test_nights.py",
    "kinds/test_kinds.py",
    "server/test_deployments.py",
    "tests/test_smoke.py",
    "benchmark/test_stage.py",
    "training/test_distributed.py",
    "flows/test_fan_out.py",
    "finetune/test_stage.py",
    "benchmark/test_openvino.py",
    "flows/test_search.py",
)
"""Files that take minutes. They begin first, or one of them would be left at the end for one process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the order within a file stays."""
    places = {name: at for at, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((at for name, at in places.items() if path.endswith(name)), len(places))

    items.sort(key=place)
