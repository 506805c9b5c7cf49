"""The password of a server of ours. That of `make ui` is made at its first start and kept in PREFECT_HOME,
for its owner's eyes alone.

It is Prefect's `user:password`, one text, and goes from process to process in the environment, which no other
account can read.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from prefect.settings import get_current_settings

from flows.process import private
from tasks.core.errors import ParamsError

FILE = "password"
USER = "slipway"


def new() -> str:
    return f"{USER}:{secrets.token_urlsafe(24)}"


def of_operator() -> str | None:
    """What the operator has set for the server, in Prefect's own variables or settings.

    Raises:
        ParamsError: Prefect could not compare it with what it is sent.
    """
    settings = get_current_settings()
    said = settings.server.api.auth_string or settings.api.auth_string
    text = said.get_secret_value() if said else ""
    if not text.isascii():
        raise ParamsError("PREFECT_SERVER_API_AUTH_STRING", "must be of ASCII signs, as user:password")
    return text or None


def kept(home: Path) -> str | None:
    """That of a former start, if nobody else can have read or written it."""
    text = (private.read(home / FILE) or "").strip()
    return text if ":" in text else None


def keep(home: Path) -> str:
    """The same, made where there is none."""
    password = kept(home)
    if password is None:
        password = new()
        private.write(home / FILE, f"{password}\n")
    return password
