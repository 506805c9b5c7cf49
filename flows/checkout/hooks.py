"""Which of git's hooks refused a command: git itself hands on the hook's words, and does not say whose they
are.

It tells in its trace which hooks it started and how they ended. A hook of a remote is told by the remote, in
git's own message.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VARIABLE = "GIT_TRACE2_EVENT"
OF_A_REMOTE = ("pre-receive", "update", "proc-receive", "post-receive", "post-update")


def refused(trace: Path) -> str | None:
    """The file of the last hook that was started and did not end well, of a command that failed.

    None where it failed without one.
    """
    hook: dict[str, Any] = {}
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        event = json.loads(line)
        if (
            event["event"] == "child_start"
            and event.get("child_class") == "hook"
            and event["hook_name"] not in OF_A_REMOTE
        ):
            hook = event
        elif hook and _is_its_good_end(event, hook):
            hook = {}
        elif hook and event["event"] == "error" and "code" not in hook:
            hook = {}  # where a hook refused that git started aside, as for a commit, git itself says nothing
        elif hook and _is_its_end(event, hook):
            hook["code"] = event["code"]
    return str(hook["argv"][0]) if hook else None


def _is_its_end(event: dict[str, Any], hook: dict[str, Any]) -> bool:
    return event["event"] == "child_exit" and (event["sid"], event["child_id"]) == (
        hook["sid"],
        hook["child_id"],
    )


def _is_its_good_end(event: dict[str, Any], hook: dict[str, Any]) -> bool:
    return _is_its_end(event, hook) and event["code"] == 0
