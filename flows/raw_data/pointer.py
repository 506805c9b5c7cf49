"""The .dvc file of a raw folder.

Whether the folder is what it says, where the data came from, and bringing the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from ruamel.yaml import YAML

from tasks.core import documents
from tasks.core.errors import DataError


@dataclass(frozen=True)
class Pointer:
    """`folder` is data/raw/<run> in the project `root`; its .dvc file lies beside it."""

    root: Path
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.dvc")

    @property
    def name(self) -> str:
        return self.folder.relative_to(self.root).as_posix()

    def matches(self) -> bool:
        """Whether the folder is, byte for byte, what the .dvc file says.

        Raises:
            DataError: the .dvc file is none.
        """
        if not self.path.exists():
            return False
        self._load()  # of an empty file DVC would say that nothing differs
        with self._repo() as repo:
            return not any(
                out.workspace_status() for stage in repo.stage.load_file(str(self.path)) for out in stage.outs
            )

    def lacks_files(self) -> bool:
        """Whether the folder has fewer files than the .dvc file counts."""
        return self.path.exists() and len(files(self.folder)) < sum(
            out.get("nfiles", 1) for out in self._load()["outs"]
        )

    def sources(self) -> list[str]:
        """Where the data came from, first things first."""
        named = (self._load().get("meta") or {}).get("source") or []
        return [named] if isinstance(named, str) else list(named)

    def version(self) -> None:
        """`dvc add`."""
        with self._repo() as repo:
            repo.scm_context.quiet = True
            repo.add(targets=[str(self.folder)])

    def remember(self, source: str) -> None:
        """Writes into the .dvc file where the data came from, if it is not there yet."""
        named = self.sources()
        if source in named:
            return
        document = self._load()
        document.setdefault("meta", {})["source"] = [*named, source] if named else source
        written = self.path.with_name(f".{self.path.name}.new")
        with written.open("w", encoding="utf-8") as file:
            YAML().dump(document, file)
        written.replace(self.path)

    def check_out(self) -> None:
        """Makes the folder what the .dvc file says, whatever is in it.

        Raises:
            DataError: neither DVC's cache nor a remote has the files.
        """
        try:
            with self._repo() as repo:
                repo.checkout(targets=[str(self.path)], force=True)
        except DvcException:
            self.pull()

    def pull(self) -> None:
        """Fetches the raw data from the DVC remote.

        Raises:
            DataError: neither DVC's cache nor a remote has the files.
        """
        existed = self.folder.exists()
        try:
            with self._repo() as repo:
                remotes = ", ".join(repo.config["remote"]) or "no remote, for none is configured"
                repo.pull(targets=[str(self.path)])
        except Exception as error:  # each kind of remote has errors of its own
            if not existed and self.folder.exists() and not files(self.folder):
                self.folder.rmdir()
            why = " ".join(str(error).split())[:200]
            raise DataError(
                self.name, f"DVC cannot fetch its files from its cache or {remotes} ({why})"
            ) from None

    def _load(self) -> Any:
        content, name = self.path.read_bytes(), self.path.relative_to(self.root).as_posix()
        found = documents.yaml(content, name)
        outs = found.get("outs") if isinstance(found, dict) else None
        if not isinstance(outs, list) or not outs or not all(isinstance(out, dict) for out in outs):
            raise DataError(
                name, "is not what `dvc add` writes; `git checkout` it, or delete it and add the data again"
            )
        return YAML().load(content)

    @contextmanager
    def _repo(self) -> Iterator[Any]:
        repo = Repo(str(self.root), _wait_for_lock=True)
        try:
            yield repo
        finally:
            repo.close()


def files(folder: Path) -> list[Path]:
    """Relative paths of all files below a folder; none if it does not exist."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
