"""Which files of a checkpoint's folder hold its weights, and what speaks against reading them.

Found in names and headers alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
SHARD = re.compile(r"model-\d{5}-of-(\d{5})\.safetensors")
OTHERS = {
    "*.bin": "a pickle, which can run code when it is read",
    "*.pt": "a pickle, which can run code when it is read",
    "*.pth": "a pickle, which can run code when it is read",
    "*.ckpt": "a pickle, which can run code when it is read",
    "*.h5": "of TensorFlow",
    "*.msgpack": "of Flax",
    "*.gguf": "in the format of llama.cpp",
    "*.onnx": "a graph that cannot be trained",
}
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
COUNTERS = ("position_ids", "token_type_ids", "num_batches_tracked")
"""Last parts of names of tensors that hold whole numbers by right."""
POINTER = b"version https://git-lfs"
GREATEST = 512
"""Characters of a file's name that a message shows."""


@dataclass
class Weights:
    """What was found. Only without faults is the rest whole."""

    files: list[Path] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    """Name of each tensor -> how its numbers are stored, as `F32`,"""
    shapes: dict[str, list[int]] = field(default_factory=dict)
    """and its size."""
    faults: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Other files with weights in the folder, and below it."""


def weights(folder: Path) -> Weights:
    """The files that transformers reads, each of which lies in the folder itself."""
    found = Weights(faults=_adapter(folder))
    if (folder / WHOLE).is_file():
        found.files = [folder / WHOLE]
    elif (folder / INDEX).is_file():
        _take_shards(found, folder)
    elif shards := sorted(file.name for file in folder.glob("*.safetensors") if SHARD.fullmatch(file.name)):
        found.faults.append(
            f"has {_some(shards)}, but no {INDEX}, which says what is in which of them; copy it too"
        )
    elif not found.faults:
        found.faults.append(_nothing(folder))
    others = [
        file for file in folder.rglob("*.safetensors") if file not in found.files and file.name not in ADAPTER
    ]
    found.unread = sorted(file.relative_to(folder).as_posix() for file in others)
    for file in found.files:
        _read_header(found, file)
    found.faults += _stored(found.types)
    return found


def is_pointer(file: Path) -> bool:
    """Whether Git LFS has left its pointer in the file's place."""
    with file.open("rb") as stream:
        return stream.read(len(POINTER)) == POINTER


def _adapter(folder: Path) -> list[str]:
    """transformers would put an adapter into the model, ask the hub for what it belongs to, and save nothing
    but the adapter.
    """
    names = [name for name in ADAPTER if (folder / name).is_file()]
    if not names:
        return []
    if any((folder / name).is_file() for name in (WHOLE, INDEX)):
        return [
            f"has an adapter beside its full weights ({', '.join(names)}); merge it into them, or take its "
            "files out of the folder"
        ]
    advice = (
        "load both with peft, call `merge_and_unload()`, then `save_pretrained`, and name the folder "
        "that it writes"
    )
    return [f"holds an adapter only ({', '.join(names)}); merge it with its base model first: {advice}"]


def _nothing(folder: Path) -> str:
    here = {file.name: said for pattern, said in OTHERS.items() for file in sorted(folder.glob(pattern))}
    odd = sorted(file.name for file in folder.glob("*.safetensors"))
    found = (
        f"only {_some(sorted(here))}, {next(iter(here.values()))}"
        if here
        else f"only {_some(odd)}"
        if odd
        else "no weights"
    )
    return (
        f"has no *.safetensors named {WHOLE}, {found}; save the model with `save_pretrained`, which "
        "writes safetensors"
    )


def _take_shards(found: Weights, folder: Path) -> None:
    told = _weight_map(folder / INDEX)
    if told is None:
        found.faults.append(f"its {INDEX} is no list of tensors and their files; copy it again")
        return
    names = sorted(set(told.values()))
    if outside := [
        name[:GREATEST] for name in names if Path(name).name != name or not name.endswith(".safetensors")
    ]:
        found.faults.append(
            f"its {INDEX} names {_some(outside)}; it may name only *.safetensors that lie beside it"
        )
        return
    if missing := [name for name in names if not (folder / name).is_file()]:
        found.faults.append(f"lacks {_some(missing)}, which its {INDEX} names; copy all of its files")
        return
    found.files = [folder / name for name in names]
    for name in names:
        _read_header(promised := Weights(), folder / name)
        lacking = sorted(
            tensor for tensor, file in told.items() if file == name and tensor not in promised.types
        )
        if lacking and not promised.faults:
            found.faults.append(f"{name} lacks {_some(lacking)}, which {INDEX} promises; copy both again")


def _weight_map(index: Path) -> dict[str, str] | None:
    told = read_json(index)
    found = told.get("weight_map") if isinstance(told, dict) else None
    return (
        found
        if isinstance(found, dict) and found and all(isinstance(name, str) for name in found.values())
        else None
    )


def read_json(file: Path) -> Any:
    """What a file holds; None if it is no JSON, or one that Python cannot hold."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None


def _read_header(found: Weights, file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    if is_pointer(file):
        found.faults.append(
            f"{file.name} is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"
        )
        return
    try:
        with safe_open(file, "pt") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            types = {name: one.get_dtype() for name, one in slices.items()}
            found.shapes |= {name: list(one.get_shape()) for name, one in slices.items()}
    except SafetensorError as error:
        found.faults.append(
            f"{file.name} is torn, or no safetensors ({' '.join(str(error).split())[:100]}); copy it again"
        )
        return
    if twice := sorted(found.types.keys() & types.keys()):
        found.faults.append(f"{file.name} holds {_some(twice)} once more, which another file holds too")
    found.types |= types


def _stored(types: dict[str, str]) -> list[str]:
    odd = {
        name: kind
        for name, kind in types.items()
        if kind not in FLOATS and name.rpartition(".")[2] not in COUNTERS
    }
    if not odd:
        return []
    name, kind = min(odd.items())
    return [
        f"{len(odd)} of its tensors are stored as {kind}, such as {name}; quantized weights cannot be "
        "trained, take the original"
    ]


def twins(types: dict[str, str], prefix: str) -> list[str]:
    """Names of tensors that are there twice.

    With the model's prefix and without, or by the old name of a part of a normalization.
    """
    plain = Counter(
        re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name)).removeprefix(f"{prefix}.")
        for name in types
    )
    return sorted(name for name, count in plain.items() if count > 1)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
