"""The environment that Prefect, DVC and Hugging Face find: quiet, without telemetry, with all state inside the project.

It is set when this module is imported, which must be before prefect is: Prefect reads its settings then. What the user has set stays, but
that no proxy stands between processes of this machine. `python -m flows.environment` writes what bare `dvc` needs into .dvc/config.local.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from flows import private
from tasks.shared.errors import SlipwayError

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
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
HERE = ("127.0.0.1", "localhost", "::1")
NO_PROXY = ("NO_PROXY", "no_proxy")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SITE_CACHE = "DVC_SITE_CACHE_DIR"
OURS = "/.dvc/tmp/site-cache"


def reach_this_machine() -> None:
    """Processes of this machine speak with each other directly; the user's proxy stays for all other hosts.

    A SOCKS proxy without the package for it would end every client of Prefect, those of this machine among them.
    """
    said = [host.strip() for name in NO_PROXY for host in os.environ.get(name, "").split(",") if host.strip()]
    hosts = ",".join(dict.fromkeys([*said, *HERE]))
    os.environ.update(dict.fromkeys(NO_PROXY, hosts))
    if importlib.util.find_spec("socksio") is None:
        for name in [name for name in os.environ if name.upper() in PROXIES and os.environ[name].lower().startswith("socks")]:
            del os.environ[name]
            print(f"{name}: names a SOCKS proxy, for which the package socksio is missing; going on without this proxy", file=sys.stderr)


def own_site_cache() -> Path:
    """Where DVC keeps what it knows of a checkout's files, for us alone: its default, which it unpickles, is open to all accounts.

    Raises:
        SlipwayError: there is no such folder to be had.
    """
    place = Path(f"{Path.cwd()}{OURS}")
    if place.parents[1].is_dir() and os.environ.setdefault(SITE_CACHE, str(place)) == str(place):
        private.scratch(place)
    return place


def of_stage(fault_file: Path) -> dict[str, str]:
    """What a stage's process gets: this Python first in PATH, no bars in the log, and where to write what went wrong."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1", FAULT_FILE: str(fault_file)}


def main() -> int:
    from dvc.config import Config, ConfigError

    place = own_site_cache()
    try:
        config = Config(".dvc")
        said = config["core"].get("site_cache_dir")
        if not said or said.endswith(OURS):  # ours may be that of a place from which the checkout was moved
            with config.edit("local") as local:
                local.setdefault("core", {})["site_cache_dir"] = str(place)
    except ConfigError as error:
        print(f".dvc: {error}", file=sys.stderr)
        return 2
    return 0


for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)
reach_this_machine()
try:
    own_site_cache()
except SlipwayError as _error:
    print(_error, file=sys.stderr)
    sys.exit(_error.exit_code)

if __name__ == "__main__":
    sys.exit(main())
