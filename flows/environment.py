"""The environment that Prefect, DVC and Hugging Face find: quiet, without telemetry, with all state inside the project.

It is set when this module is imported, which must be before prefect is: Prefect reads its settings then. What the user has set stays.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_HOME": str(Path.cwd() / ".prefect"),
    "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "30",  # several workers write into one SQLite file
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "5",
}
FAULT_FILE = "SLIPWAY_FAULT_FILE"

for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)


def of_stage(fault_file: Path) -> dict[str, str]:
    """What a stage's process gets: this Python first in PATH, no bars in the log, and where to write what went wrong."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1", FAULT_FILE: str(fault_file)}
