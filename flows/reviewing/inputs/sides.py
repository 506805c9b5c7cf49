"""What one revision of the project holds: files of git, and artifacts from disk, DVC's cache or a remote.
Reads, never writes the project.

Only the files asked for are fetched, one by one. What cannot be had is None, and the side remembers why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs import DVCFileSystem
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

from flows.checkout import committed, git
from flows.reviewing.inputs.revisions import Revision
from tasks.core import documents
from tasks.core.errors import ParamsError
from tasks.core.params import RUN_NAME

NAMES = ("params.yaml", "dvc.yaml", "dvc.lock")
logging.getLogger("dvc_data").setLevel(logging.CRITICAL)  # it warns of what we tell ourselves


class Side:
    """`lacking` tells of each file that was asked for and cannot be had, why."""

    def __init__(self, repo: Repo, revision: Revision) -> None:
        _check_files(repo, revision)
        self.revision = revision
        self.root = Path(repo.root_dir)
        """The checkout in which git is asked, whatever the revision."""
        self.lacking: dict[str, str] = {}
        self._files = (
            DVCFileSystem(repo=repo) if revision.commit is None else committed.files(repo, revision.commit)
        )
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
        where = (
            "neither in the cache nor in a remote"
            if self._remotes
            else "not in the cache, and no remote is configured"
        )
        return (
            where
            if isinstance(error, FileNotFoundError)
            else f"{where} ({' '.join(str(error).split())[:160]})"
        )

    def digest(self, path: str) -> str | None:
        """The MD5 that DVC has for an artifact, without fetching it."""
        try:
            found = self._files.info(path)
        except Exception:
            return None
        md5 = found.get("md5") or getattr(
            getattr(found.get("dvc_info", {}).get("entry"), "hash_info", None), "value", None
        )
        return str(md5) if md5 else None

    def json(self, path: str) -> dict[str, Any] | None:
        """None also where the file is none of ours."""
        content = self.read(path)
        if content is None:
            return None
        try:
            found = documents.json(content, path)
        except ParamsError as error:
            self.lacking[path] = error.faults[0]
            return None
        return found if isinstance(found, dict) else None

    def every_stage(self) -> list[Any]:
        """Those of dvc.yaml, and raw data, with the hashes of dvc.lock and the .dvc files.

        Raises:
            ParamsError: DVC cannot make its graph of them.
        """
        try:
            return list(self._files.repo.index.stages)
        except DvcException as error:
            raise ParamsError(f"{self.revision.told}: dvc.yaml", " ".join(str(error).split())[:300]) from None

    def stages(self, run: str) -> list[Any]:
        return [stage for stage in self.every_stage() if str(getattr(stage, "name", "")).endswith(f"@{run}")]

    @cached_property
    def params(self) -> Mapping[str, Any]:
        return self._yaml("params.yaml")

    @cached_property
    def lock(self) -> Mapping[str, Any]:
        """The stages of dvc.lock."""
        found = self._yaml("dvc.lock")
        try:
            COMPILED_LOCKFILE_SCHEMA(found or {"schema": "2.0"})
        except Invalid as error:
            raise ParamsError(
                f"{self.revision.told}: dvc.lock", f"is not what DVC writes: {error}; `git checkout` it"
            ) from None
        stages = found.get("stages")
        return stages if isinstance(stages, dict) else {}

    @cached_property
    def runs(self) -> list[str]:
        """Names that are none are left out: paths are made of them."""
        runs = self.params.get("runs")
        return (
            [name for name in runs if isinstance(name, str) and RUN_NAME.fullmatch(name)]
            if isinstance(runs, dict)
            else []
        )

    def run(self, name: str) -> Mapping[str, Any]:
        run = self.params["runs"].get(name) if name in self.runs else None
        return run if isinstance(run, dict) else {}

    def _yaml(self, path: str) -> Mapping[str, Any]:
        found = documents.yaml(self.read(path) or b"", f"{self.revision.told}: {path}")
        return found if isinstance(found, dict) else {}


def _check_files(repo: Repo, revision: Revision) -> None:
    """Checks the files of a revision that tools write.

    Raises:
        ParamsError: a merge is not finished in the revision, or one of its files would hang DVC.
    """
    root = Path(repo.root_dir)
    commit = revision.commit
    if commit is None:
        documents.check_files(root)
    listed = (
        git.names(root, "ls-files")
        if commit is None
        else git.names(root, "ls-tree", "-r", "--name-only", commit)
    )
    faults = []
    for path in listed:
        if path.rpartition("/")[2] in NAMES or path.endswith(".dvc"):
            content = (
                git.content(root, commit, path)
                if commit
                else (root / path).read_bytes()
                if (root / path).is_file()
                else None
            )
            faults += [f"{path}: {fault}" for fault in documents.excess(content or b"", path)]
    if faults:
        raise ParamsError(revision.told, *faults)
