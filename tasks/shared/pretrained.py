"""Finds a pretrained checkpoint where params say, and checks that it is the one they pin and can be used."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.errors import ModelError, PassingError, did_you_mean

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tasks.pretrain import Source

# What the stages after this one know how to prune; see tasks/prune.py.
ARCHITECTURES = ("bert", "roberta", "xlm-roberta")
# A tokenizer of far fewer pieces than the config tells is not the model's: transformers makes one up where the files are missing.
VOCABULARY_SHARE = 0.9
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


def find(source: Source, workspace: Path) -> Path:
    """The folder of the checkpoint.

    Raises:
        ModelError: it is not there, not the pinned one, not safetensors, or of an architecture we cannot compress.
        PassingError: the hub cannot be reached.
    """
    if source.package is not None:
        folder = _in_package(source.package, str(source.version))
    elif source.folder is not None:
        folder = _in_workspace(source.folder, str(source.sha256), workspace)
    else:
        folder = _from_hub(str(source.hub), str(source.revision))
    _check(folder, source.package or source.folder or str(source.hub))
    return folder


def load(folder: Path, device: torch.device, input_size: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The encoder without a head, and its tokenizer.

    Raises:
        ModelError: weights, config and tokenizer do not belong together, or it cannot read inputs of `input_size`.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    from tasks.shared import checkpoint

    try:
        tokenizer = checkpoint.load_tokenizer(folder)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ModelError(folder.name, f"its tokenizer cannot be read: {_short(error)}") from None
    try:
        model, info = AutoModel.from_pretrained(folder, output_loading_info=True, **checkpoint.SAFELY)
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(folder.name, f"its weights do not fit its config: {_short(error)}") from None
    missing = sorted(name for name in info["missing_keys"] if "pooler" not in name)
    faults = [f"its weights lack {len(missing)} tensors that its config asks for, such as {missing[0]}"] if missing else []
    if not VOCABULARY_SHARE * model.config.vocab_size <= len(tokenizer) <= model.config.vocab_size or tokenizer.pad_token_id is None:
        faults.append(
            f"its tokenizer has {len(tokenizer)} pieces and the padding piece {tokenizer.pad_token}, its config {model.config.vocab_size}"
        )
    # RoBERTa and its like number their positions from the padding piece on.
    longest = model.config.max_position_embeddings - (0 if model.config.model_type == "bert" else tokenizer.pad_token_id + 1)
    if input_size > longest:
        faults.append(f"input_size = {input_size}: it reads at most {longest} pieces")
    if faults:
        raise ModelError(folder.name, *faults)
    return model.to(device).eval(), tokenizer


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _in_package(package: str, version: str) -> Path:
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(f"package {package}", f"is not installed; install it with `pip install {package}=={version}`") from None
    if found != version:
        raise ModelError(f"package {package}", f"is installed as {found}, pretrain.source.version asks for {version}")
    files = importlib.metadata.files(package) or []
    folders = sorted(Path(str(file.locate())).parent for file in files if file.name == "config.json")
    complete = [folder for folder in folders if list(folder.glob("*.safetensors"))]
    if len(complete) != 1:
        raise ModelError(f"package {package}", f"must carry one folder with config.json and *.safetensors; it has {len(complete)}")
    return complete[0]


def _in_workspace(name: str, sha256: str, workspace: Path) -> Path:
    folder = (workspace / name).resolve()
    if not folder.is_relative_to(workspace.resolve()):
        raise ModelError(name, "lies outside the workspace; copy the checkpoint into it, for instance to models/")
    if not folder.is_dir():
        raise ModelError(name, "is no folder of the workspace; pretrain.source.folder names a folder with config.json and *.safetensors")
    outside = [file.name for file in folder.rglob("*") if not file.resolve().is_relative_to(folder)]
    if outside:
        raise ModelError(name, f"has links that lead out of it: {', '.join(sorted(outside))}")
    found = content_hash(folder)
    if found != sha256:
        raise ModelError(
            name, f"its files have the hash {found}, pretrain.source.sha256 says {sha256}; if the change was meant, write the new one"
        )
    return folder


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
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise ModelError(f"hub {name}", f"has no such model at commit {revision}, or it is private; check both names") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PassingError(
            f"hub {name}", f"cannot be reached and commit {revision} is not in the local cache ({type(error).__name__})"
        ) from None


def _check(folder: Path, name: str) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(name, "has no config.json: it is no transformers checkpoint")
    if not list(folder.glob("*.safetensors")):
        pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in folder.glob(pattern))
        found = f"only {', '.join(pickles)}, a pickle, which can run code when it is read" if pickles else "no weights"
        raise ModelError(name, f"has no *.safetensors, {found}; save the model with `save_pretrained`, which writes safetensors")
    try:
        architecture = str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type"))
    except (ValueError, AttributeError):
        raise ModelError(name, "its config.json is not readable as JSON") from None
    if architecture not in ARCHITECTURES:
        raise ModelError(
            name, f"is of the architecture {architecture!r}, which we cannot compress{did_you_mean(architecture, ARCHITECTURES)}"
        )
