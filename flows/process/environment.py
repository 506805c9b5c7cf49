"""The environment that Prefect, DVC and Hugging Face find: quiet, without telemetry, with all state inside
the project.

It is set when this module is imported, which must be before prefect is: Prefect reads its settings then. What
the user has set stays, but that no proxy stands between processes of this machine; what cannot be ends with
one message. `python -m flows.process.environment` writes what bare `dvc` needs into .dvc/config.local.
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from flows.process import private
from tasks.core.errors import ParamsError, SlipwayError

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
SCHEMES = ("http", "https", "socks5", "socks5h")
CERTIFICATES = "SSL_CERT_FILE"
SITE_CACHE = "DVC_SITE_CACHE_DIR"
OURS = "/.dvc/tmp/site-cache"


def reach_this_machine() -> None:
    """Processes of this machine speak with each other directly; the user's proxy stays for all other hosts.

    One that cannot be used would end every client of Prefect, those of this machine among them.
    """
    said = [host.strip() for name in NO_PROXY for host in os.environ.get(name, "").split(",") if host.strip()]
    hosts = ",".join(dict.fromkeys([*said, *HERE]))
    os.environ.update(dict.fromkeys(NO_PROXY, hosts))
    for name in [name for name in os.environ if name.upper() in PROXIES and not _is_proxy(os.environ[name])]:
        del os.environ[name]
        print(
            f"{name}: names no proxy: it must be as http://proxy.example:3128; going on without this proxy",
            file=sys.stderr,
        )


def _is_proxy(url: str) -> bool:
    try:
        place = urlsplit(url if "://" in url else f"http://{url}")
        return place.scheme in SCHEMES and place.port != 0
    except ValueError:
        return False


def check_certificates() -> None:
    """Checks the files of certificates that the environment names.

    Raises:
        ParamsError: the file of certificates that every client is told to read cannot be read.
    """
    if file := os.environ.get(CERTIFICATES):
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:  # ssl.SSLError is one
            raise ParamsError(
                CERTIFICATES, f"names no file of certificates: {file} ({error.strerror or error})"
            ) from None


def tell_settings(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Takes the place of the traceback where Prefect cannot read its settings, which it does while it is
    imported.
    """
    if (
        kind.__module__.partition(".")[0] not in ("pydantic_core", "pydantic_settings")
        or "Settings" not in str(error) + kind.__name__
    ):
        sys.__excepthook__(kind, error, trace)
        return
    words = [" ".join(line.split()) for line in str(error).splitlines() if "errors.pydantic.dev" not in line]
    print(
        ParamsError(
            "Prefect's settings (PREFECT_… in the environment, prefect.toml, .env)", " / ".join(words)
        ),
        file=sys.stderr,
    )
    sys.exit(ParamsError.exit_code)


def own_site_cache() -> Path:
    """Where DVC keeps what it knows of a checkout's files, for us alone: its default, which it unpickles, is
    open to all accounts.

    Raises:
        SlipwayError: another account has put one there. One that cannot be made for other reasons DVC cannot
            make either, and says so.
    """
    place = Path(f"{Path.cwd()}{OURS}")
    if place.parents[1].is_dir() and os.environ.setdefault(SITE_CACHE, str(place)) == str(place):
        try:
            private.scratch(place)
        except SlipwayError:
            if os.path.lexists(place):
                raise
    return place


def of_stage(fault_file: Path) -> dict[str, str]:
    """What a stage's process gets.

    This Python first in PATH, no bars in the log, and where to write what went wrong.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        **os.environ,
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
        "TQDM_DISABLE": "1",
        FAULT_FILE: str(fault_file),
    }


def main() -> int:
    from dvc.config import Config, ConfigError

    place = own_site_cache()
    try:
        config = Config(".dvc")
        said = config["core"].get("site_cache_dir")
        if not said or said.endswith(OURS):  # ours may be that of a place from which the checkout was moved
            with config.edit("local") as local:
                local.setdefault("core", {})["site_cache_dir"] = str(place)
    except (ConfigError, OSError) as error:
        print(f".dvc/config.local: cannot be written ({error}); run this where dvc.yaml is", file=sys.stderr)
        return 2
    return 0


for _name, _value in DEFAULTS.items():
    os.environ.setdefault(_name, _value)
reach_this_machine()
sys.excepthook = tell_settings
try:
    check_certificates()
    own_site_cache()
except SlipwayError as _error:
    print(_error, file=sys.stderr)
    sys.exit(_error.exit_code)

if __name__ == "__main__":
    sys.exit(main())
