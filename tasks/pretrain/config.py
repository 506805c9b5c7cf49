"""What in a checkpoint's config.json speaks against it.

What would run code, ask the network, change the weights or be ignored here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.architectures import catalog
from tasks.core.errors import did_you_mean
from tasks.kinds.base.kind import known_kinds, load_kind
from tasks.pretrain.checkpoint_files import is_pointer, read_json

if TYPE_CHECKING:
    from tasks.kinds.base.kind import Kind

CONFIG = "config.json"
CODE = (
    "code of its own, which is never run here; if the plain architecture reads these weights, take the "
    "key out"
)
UNTAKEN = {
    "auto_map": CODE,
    "custom_pipelines": CODE,
    "quantization_config": "quantized weights, which cannot be trained; take the original",
    "compression_config": "compressed weights, which cannot be trained; take the original",
    "transformers_weights": "another file of weights; name it model.safetensors, and take the key out",
    "fusion_config": "fused operators, which are not used here; take the key out",
    "kernel_config": "kernels from the hub, which are not used here; take the key out",
    "use_kernels": "kernels from the hub, which are not used here; take the key out",
    "is_decoder": "a decoder, which sees a text only up to each piece; an encoder is needed",
    "add_cross_attention": "a decoder, which reads beside another model; an encoder is needed",
    "output_attentions": "what attention looks at, which is not given here; take the key out",
    "pruned_heads": "heads that are cut out, which transformers no longer does when it loads; save the cut "
    "model",
}
"""Keys that must be absent or empty, and what they ask for."""
ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
PLAIN_ATTENTION = ("eager", "sdpa")
LAYERS = (
    *("num_hidden_layers", "n_layers", "num_layers"),
    *("encoder_layers", "decoder_layers", "num_decoder_layers"),
)
MOST_LAYERS = 512
BESIDE = (
    *("tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json"),
    *("preprocessor_config.json", "processor_config.json"),
)
"""What transformers reads beside the config, if it is there; each is a JSON object."""
SHOWN = 60


def faults(folder: Path, kind: Kind) -> list[str]:
    """All that speaks against it, a sentence each."""
    file = folder / CONFIG
    if not file.is_file():
        below = sorted(found.parent.name for found in folder.glob(f"*/{CONFIG}"))
        hint = f"; {', '.join(below)} has one: name that folder" if below else ""
        return [f"has no {CONFIG}: it is no transformers checkpoint{hint}"]
    config, unreadable = _object(file)
    if unreadable:
        return [unreadable]
    name, can_be = config.get("model_type"), _taken(kind)
    if name not in can_be:
        taken = f"for this kind it can be {', '.join(can_be)}{_other_kinds(name)}"
        return [
            f"is of the architecture {str(name)[:SHOWN]!r}{did_you_mean(str(name)[:SHOWN], can_be)}; {taken}"
        ]
    return [*_asks(config), *(fault for each in BESIDE for fault in _beside(folder / each))] or _refused(
        folder, str(name)
    )


def _taken(kind: Kind) -> list[str]:
    """The model types of the pretrained models that a kind takes."""
    records = catalog.folders()[kind.model.architectures]
    return [name for name, record in records.items() if record.pretrained]


def _other_kinds(name: Any) -> str:
    """Which kinds take an architecture that this one does not."""
    takers = [kind for kind in known_kinds() if name in _taken(load_kind(kind))]
    return f"; {' and '.join(takers)} take{'' if takers[1:] else 's'} it" if takers else ""


def _refused(folder: Path, name: str) -> list[str]:
    """What transformers itself says against the values."""
    from transformers import CONFIG_MAPPING, AutoConfig

    from tasks.models.checkpoint import ONLY_LOCAL

    if (
        name not in CONFIG_MAPPING
    ):  # an architecture of ours is known as soon as its kind has loaded something
        return []
    try:
        AutoConfig.from_pretrained(folder, **ONLY_LOCAL)
    except Exception as error:  # a wrong value makes it raise nearly anything
        return [f"its {CONFIG} cannot be read: {' '.join(str(error).split())[:200]}"]
    return []


def _object(file: Path) -> tuple[dict[str, Any], str]:
    """What the file holds, and why it cannot be read."""
    if is_pointer(file):
        return (
            {},
            f"its {file.name} is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`",
        )
    held = read_json(file)
    return (
        (held, "")
        if isinstance(held, dict)
        else ({}, f"its {file.name} is not readable as JSON, or no object")
    )


def _asks(config: Mapping[str, Any]) -> Iterator[str]:
    from transformers.activations import ACT2FN

    yield from (f"{CONFIG}: {key} asks for {what}" for key, what in UNTAKEN.items() if config.get(key))
    if config.get("return_dict") is False:
        yield f"{CONFIG}: return_dict = False: answers are read by their names; take the key out"
    for key in ATTENTION:
        if (value := config.get(key)) is not None and value not in PLAIN_ATTENTION:
            allowed = f"here it can be {' or '.join(PLAIN_ATTENTION)}; take the key out"
            yield f"{CONFIG}: {key} = {_shown(value)}: {allowed}"
    for key, value in config.items():
        if (
            (key.endswith("_act") or key.endswith("activation"))
            and isinstance(value, str)
            and value not in ACT2FN
        ):
            yield (
                f"{CONFIG}: {key} = {_shown(value)}: there is no such "
                f"activation{did_you_mean(value[:SHOWN], ACT2FN)}"
            )
    for key in LAYERS:
        if isinstance(value := config.get(key), int) and value > MOST_LAYERS:
            yield f"{CONFIG}: {key} = {_shown(value)}: at most {MOST_LAYERS} layers can be read"


def ignored(folder: Path) -> list[str]:
    """What a readable config.json asks for, and transformers no longer has.

    It would read the weights as those of another model.
    """
    position = read_json(folder / CONFIG).get("position_embedding_type")
    if position in (None, "absolute"):
        return []
    return [
        f"{CONFIG}: position_embedding_type = {_shown(position)}: transformers no longer has such "
        "positions; take another checkpoint"
    ]


def _beside(file: Path) -> Iterator[str]:
    if not file.is_file():
        return
    held, unreadable = _object(file)
    if unreadable:
        yield unreadable
    if held.get("auto_map"):
        yield f"{file.name}: auto_map asks for {CODE}"
    if not isinstance(held.get("tokenizer_class") or "", str):
        yield f"{file.name}: tokenizer_class = {_shown(held['tokenizer_class'])}: must be the name of a class"


def _shown(value: Any) -> str:
    return repr(value)[:SHOWN]
