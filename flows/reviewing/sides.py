"""What one revision of the project holds: files of git, and artifacts from disk, DVC's cache or a remote. Reads, never writes the project.

Only the files asked for are fetched, one by one. What cannot be had is None, and the side remembers why.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dvc.fs import DVCFileSystem
from dvc.repo import Repo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.reviewing.revisions import Revision
from tasks.shared.params import RUN_NAME

logging.getLogger("dvc_data").setLevel(logging.CRITICAL)  # it warns of what we tell ourselves


class Side:
    """`lacking` tells of each file that was asked for and cannot be had, why."""

    def __init__(self, repo: Repo, revision: Revision) -> None:
        self.revision = revision
        self.lacking: dict[str, str] = {}
        self._files = DVCFileSystem(repo=repo) if revision.commit is None else _at(revision.commit, repo)
        self._remotes = bool(repo.config["remote"])

    def read(self, path: str) -> bytes | None:
        try:
            content: bytes = self._files.read_bytes(path)
        except (AttributeError, TypeError):
            raise
        except Exception as error:  # each kind of remote has errors of its own
            self.lacking[path] = self._why(path, error)
            return None
        return content

    def _why(self, path: str, error: Exception) -> str:
        if self.digest(path) is None and isinstance(error, FileNotFoundError):
            place = "" if self._remotes else ", and no remote is configured"
            return f"not there{place if path.rpartition('/')[0].endswith('/out') else ''}"
        where = "neither in the cache nor in a remote" if self._remotes else "not in the cache, and no remote is configured"
        return where if isinstance(error, FileNotFoundError) else f"{where} ({' '.join(str(error).split())[:160]})"

    def digest(self, path: str) -> str | None:
        """The MD5 that DVC has for an artifact, without fetching it."""
        try:
            found = self._files.info(path)
        except Exception:
            return None
        md5 = found.get("md5") or getattr(getattr(found.get("dvc_info", {}).get("entry"), "hash_info", None), "value", None)
        return str(md5) if md5 else None

    def json(self, path: str) -> dict[str, Any] | None:
        """None also where the file is none of ours."""
        content = self.read(path)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except ValueError:
            self.lacking[path] = "is no JSON"
            return None
        return found if isinstance(found, dict) else None

    @cached_property
    def params(self) -> Mapping[str, Any]:
        return self._yaml("params.yaml")

    @cached_property
    def lock(self) -> Mapping[str, Any]:
        """The stages of dvc.lock."""
        stages = self._yaml("dvc.lock").get("stages")
        return stages if isinstance(stages, dict) else {}

    @cached_property
    def runs(self) -> list[str]:
        """Names that are none are left out: paths are made of them."""
        runs = self.params.get("runs")
        return [name for name in runs if isinstance(name, str) and RUN_NAME.fullmatch(name)] if isinstance(runs, dict) else []

    def run(self, name: str) -> Mapping[str, Any]:
        run = self.params["runs"].get(name) if name in self.runs else None
        return run if isinstance(run, dict) else {}

    def _yaml(self, path: str) -> Mapping[str, Any]:
        try:
            found = YAML(typ="safe").load((self.read(path) or b"").decode("utf-8"))
        except (YAMLError, UnicodeDecodeError) as error:
            self.lacking[path] = f"is no YAML ({' '.join(str(error).split())[:160]})"
            return {}
        return found if isinstance(found, dict) else {}


def _at(commit: str, repo: Repo) -> DVCFileSystem:
    """The remotes are those of this checkout now, whatever the commit says of them: no other host is asked."""
    files = DVCFileSystem(rev=commit)
    files.repo.config["remote"] = copy.deepcopy(repo.config["remote"])
    files.repo.config["core"]["remote"] = repo.config["core"].get("remote")
    return files
