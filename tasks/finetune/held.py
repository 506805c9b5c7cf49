"""What keeps its pretrained weights: the encoder, the embeddings, the first layers, or the encoder for a
while.

Nothing below layers that are held is trained, so a step costs less by as many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tasks.architectures import catalog
from tasks.architectures.record import Decoder, Encoder, EncoderDecoder
from tasks.core.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tasks.finetune.stage import Params
    from tasks.kinds.base.kind import Kind


def faults_of_kind(kind: Kind, params: Params) -> list[str]:
    """What of the params models of a kind do not bear."""
    faults = []
    if params.teachers > 1 and kind.model.likeliest:
        faults.append(
            f"finetune.teachers = {params.teachers}: of answers of this kind only the likeliest are kept, "
            "which have no mean; write 1"
        )
    if params.head_epochs and kind.model.keeps_head:
        faults.append(
            f"finetune.head_epochs = {params.head_epochs}: what answers is pretrained like the rest; write 0"
        )
    return faults


def modules(model: PreTrainedModel, params: Params) -> list[torch.nn.Module]:
    """What params hold.

    Raises:
        ModelError: the architecture has no embeddings to hold.
    """
    lower = first_layers(model, params.frozen_layers)
    if params.freeze == "encoder":
        return [_encoder(model)]
    if params.freeze == "none" and not lower:
        return []
    try:
        return [model.get_input_embeddings(), *lower]
    except NotImplementedError:
        advice = (
            "has no embeddings of its inputs; take finetune.freeze = 'none' or 'encoder', or "
            "finetune.head_epochs"
        )
        raise ModelError(str(model.config.model_type), advice) from None


def _encoder(model: Any) -> Any:
    """All but the head; of models that have a decoder beside it, what reads."""
    layout = catalog.of(model.config).layout
    if isinstance(layout, EncoderDecoder):
        return model.base_model.get_submodule(layout.encoder.path)
    return model.base_model


def first_layers(model: Any, count: int | None) -> list[Any]:
    """So many; none where none is asked for."""
    return list(_layers(model) or [])[:count] if count else []


def faults(model: Any, count: int | None) -> list[str]:
    """Why the first so many layers cannot be held."""
    if not count:
        return []
    layers = _layers(model)
    if layers is None:
        return [
            f"finetune.frozen_layers: {model.config.model_type} is not known layer by layer; take the key out"
        ]
    if count >= len(layers):
        return [f"finetune.frozen_layers = {count}: at most {len(layers) - 1} of {len(layers)} can be held"]
    return []


def _layers(model: Any) -> Any:
    """None where they are not known."""
    layout = catalog.of(model.config).layout
    if isinstance(layout, EncoderDecoder):
        return model.base_model.get_submodule(layout.encoder.layers)
    if not isinstance(layout, Encoder | Decoder):
        return None
    return model.base_model.get_submodule(layout.layers)


def encoder(model: PreTrainedModel, params: Params) -> Callable[[int], None]:
    """Called when an epoch begins.

    In the first ones, or always if it is frozen, the encoder keeps its weights and its running means.
    """
    from tasks.training import batch_norm

    moving = [tensor for tensor in model.base_model.parameters() if tensor.requires_grad]
    norms = batch_norm.layers_of(model.base_model)

    def begin_epoch(done: int) -> None:
        held = done < params.head_epochs
        for tensor in moving:
            tensor.requires_grad_(not held)
        for norm in norms:
            norm.train(not held and params.freeze != "encoder")

    return begin_epoch
