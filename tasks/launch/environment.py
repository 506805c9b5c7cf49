"""The environment that stages, and commands that ask a model, run in."""

from __future__ import annotations

import os

ENVIRONMENT = {
    # Threads that wait without spinning: beside a busy neighbour training is 9 times faster so; see
    # docs/log.md.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # openpyxl would read workbooks with lxml where that happens to be installed; else with defusedxml.
    "OPENPYXL_LXML": "False",
}


def apply() -> None:
    """Sets what is not set yet; before torch and transformers are imported, which read it then."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
