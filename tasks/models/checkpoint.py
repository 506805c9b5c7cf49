"""Checkpoints on disk: plain transformers folders, safetensors only."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedModel

from tasks.architectures import catalog
from tasks.core.errors import ModelError
from tasks.kinds.base.kind import Kind, Processor
from tasks.models import static_embeddings  # noqa: F401 - makes the auto classes know it

ONLY_LOCAL = {"local_files_only": True, "trust_remote_code": False}
SAFELY = {**ONLY_LOCAL, "dtype": torch.float32, "use_safetensors": True}


def load_model(folder: Path, kind: Kind, device: torch.device, **config: Any) -> PreTrainedModel:
    """A model with its head, float32, in evaluation mode.

    `config` overrides values of the checkpoint's config.
    """
    return load(kind.model.auto_model(), folder, device, **config)


def load(auto_class: Any, folder: Path, device: torch.device, **config: Any) -> PreTrainedModel:
    """A checkpoint in evaluation mode.

    Raises:
        ModelError: tensors of the encoder are not there, or no part of it takes them.
    """
    return loaded(auto_class, folder, device, **config)[0]


def loaded(
    auto_class: Any, folder: Path, device: torch.device, **config: Any
) -> tuple[PreTrainedModel, TensorMatch]:
    """The model, and how the checkpoint's tensors fitted it.

    Raises:
        ModelError: tensors of the encoder are not there, or no part of it takes them.
    """
    with offline():
        model, info = auto_class.from_pretrained(folder, output_loading_info=True, **SAFELY, **config)
    fit = TensorMatch.of(info)
    if faults := fit.faults(model):
        raise ModelError(f"{folder.parent.name}/{folder.name}", *faults)
    return channels_last(model).to(device).eval(), fit


@dataclass(frozen=True)
class TensorMatch:
    """Names of tensors that are not on both sides."""

    missing: Sequence[str]
    """The model has them, the checkpoint has not: they are made new."""
    unused: Sequence[str]
    """The checkpoint has them, the model has not."""

    @classmethod
    def of(cls, info: Mapping[str, Collection[str]]) -> TensorMatch:
        """As transformers tells it."""
        return cls(sorted(info["missing_keys"]), sorted(info["unexpected_keys"]))

    def faults(self, model: PreTrainedModel) -> list[str]:
        """What of it must not be.

        Heads come and go, and with them the pooler; the encoder must be whole and the same.
        """
        missing = [
            name for name in of_encoder(model, self.missing) if not name.endswith("num_batches_tracked")
        ]
        unused = of_encoder(model, self.unused)
        faults = (
            [f"its weights lack {len(missing)} tensors that its config asks for, such as {missing[0]}"]
            if missing
            else []
        )
        if unused:
            faults.append(
                f"{len(unused)} tensors of its encoder would not be used, such as {unused[0]}; the "
                "architecture has no such part"
            )
        return faults


def of_encoder(model: PreTrainedModel, names: Sequence[str]) -> list[str]:
    """The names of tensors that belong to the encoder, its pooler excepted."""
    prefix = f"{model.base_model_prefix}."
    parts = {name.split(".")[0] for name in model.base_model.state_dict()}
    inside = [name for name in names if name.startswith(prefix) or name.split(".")[0] in parts]
    return [name for name in inside if name.removeprefix(prefix).split(".")[0] != "pooler"]


@contextmanager
def offline() -> Iterator[None]:
    """Inside, nothing asks the network: what is loaded lies in a folder, whole."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def channels_last(model: PreTrainedModel) -> PreTrainedModel:
    """Convolutions want the colours of a pixel side by side: that is twice as fast on processors.

    Other weights stay as they lie.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def save(model: PreTrainedModel, processor: Processor, folder: Path) -> None:
    """The same bytes for the same weights."""
    model.config.name_or_path = ""
    model.to(memory_format=torch.contiguous_format)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def parameters(model: PreTrainedModel) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def label_names(folder: Path) -> list[str]:
    """The labels as ingest wrote them."""
    names: list[str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return names


def label_config(names: Sequence[str]) -> dict[str, Any]:
    """What a config says of labels; nothing where answers are no labels of the run."""
    if not names:
        return {}
    return {
        "num_labels": len(names),
        "id2label": dict(enumerate(names)),
        "label2id": {name: at for at, name in enumerate(names)},
    }


def dropout_config(folder: Path, rate: float) -> dict[str, Any]:
    """`rate` for every dropout that the record of the checkpoint's architecture names, and its config has."""
    config = AutoConfig.from_pretrained(folder, **ONLY_LOCAL)
    return {name: rate for name in catalog.of(config).dropouts if hasattr(config, name)}
