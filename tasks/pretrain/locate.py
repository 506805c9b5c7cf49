"""Finds a pretrained checkpoint where params say, and checks that it is the one they pin and can be used."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core import links
from tasks.core.errors import ModelError, PassingError
from tasks.pretrain import checkpoint_files, config

if TYPE_CHECKING:
    from tasks.kinds.base.kind import Converter, Kind
    from tasks.pretrain.source import Source

FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


def find(source: Source, kind: Kind, workspace: Path, scratch: Path) -> Path:
    """The folder of the checkpoint.

    Raises:
        ModelError: it is not there, not the pinned one, or something in its files or config speaks against
            it.
        PassingError: the hub cannot be reached.
    """
    if source.package is not None:
        folder = _in_package(source.package, str(source.version), kind, scratch)
    elif source.folder is not None:
        folder = _in_workspace(source.folder, str(source.sha256), workspace)
    else:
        folder = _from_hub(str(source.hub), str(source.revision))
    _check(folder, source.package or source.folder or str(source.hub), kind)
    return folder


def _in_package(package: str, version: str, kind: Kind, scratch: Path) -> Path:
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            f"package {package}", f"is not installed; install it with `pip install {package}=={version}`"
        ) from None
    if found != version:
        raise ModelError(
            f"package {package}", f"is installed as {found}, pretrain.source.version asks for {version}"
        )
    files = [Path(str(file.locate())) for file in importlib.metadata.files(package) or []]
    if package in kind.model.converters:
        return _converted(kind.model.converters[package], files, scratch / "converted")
    folders = sorted(file.parent for file in files if file.name == "config.json")
    complete = [folder for folder in folders if list(folder.glob("*.safetensors"))]
    if len(complete) != 1:
        raise ModelError(
            f"package {package}",
            f"must carry one folder with config.json and *.safetensors; it has {len(complete)}",
        )
    return complete[0]


def _converted(converter: Converter, files: Sequence[Path], folder: Path) -> Path:
    (weights,) = (file for file in files if file.name == converter.file)
    converter.convert(weights, folder)
    return folder


def _in_workspace(name: str, sha256: str, workspace: Path) -> Path:
    folder = workspace_folder(name, workspace)
    found = content_hash(folder)
    if found != sha256:
        raise ModelError(
            name,
            f"its files have the hash {found}, pretrain.source.sha256 says {sha256}; if the change was "
            "meant, write the new one",
        )
    return folder


def workspace_folder(name: str, workspace: Path) -> Path:
    """A folder of the workspace.

    Raises:
        ModelError: there is none of that name inside it, or it has links that lead out.
    """
    folder = (workspace / name).resolve()
    if not folder.is_relative_to(workspace.resolve()):
        raise ModelError(
            name, "lies outside the workspace; copy the checkpoint into it, for instance to models/"
        )
    if not folder.is_dir():
        raise ModelError(
            name,
            "is no folder of the workspace; pretrain.source.folder names a folder with config.json and "
            "*.safetensors",
        )
    if faults := sorted(_link_faults(folder)):
        raise ModelError(name, *faults)
    return folder


def _link_faults(folder: Path) -> Iterator[str]:
    """A link to a folder is refused even within it: the hash would not tell where it leads."""
    for path in folder.rglob("*"):
        fault = links.fault(path, folder)
        if not fault and path.is_symlink() and path.is_dir():
            fault = "is a link to a folder; put the folder itself there"
        if fault:
            yield f"{path.relative_to(folder).as_posix()} {fault}"


def content_hash(folder: Path) -> str:
    """sha256 over the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix().encode()
        digest.update(len(name).to_bytes(8, "big") + name)
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _from_hub(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise ModelError(
            f"hub {name}", f"has no such model at commit {revision}, or it is private; check both names"
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PassingError(
            f"hub {name}",
            f"cannot be reached and commit {revision} is not in the local cache ({type(error).__name__})",
        ) from None


def _check(folder: Path, name: str, kind: Kind) -> None:
    faults = [*config.faults(folder, kind), *checkpoint_files.weights(folder).faults]
    if faults:
        raise ModelError(name, *faults)
