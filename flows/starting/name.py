"""The name of a run as its user types it, made one that folders, git, DVC and artifacts can all have."""

from __future__ import annotations

import re
import unicodedata

from tasks.core import params
from tasks.core.errors import ParamsError

LONGEST = 40


def usable(given: str) -> str:
    """The nearest name that a run can have: `SST2` -> `sst2`, `sms_spam` -> `sms-spam`.

    Raises:
        ParamsError: nothing of it can stand in a name, or the name is reserved.
    """
    plain = "".join(
        sign
        for sign in unicodedata.normalize("NFKD", given.strip().lower())
        if not unicodedata.combining(sign)
    )
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if name[:1].isdigit():
        name = f"run-{name}"
    name = name[:LONGEST].rstrip("-")
    if bad := params.bad_name(name):
        raise ParamsError(f"run {given!r}", bad)
    return name
