"""A decoder as a GGUF file, which llama.cpp and what is built on it read: 16-bit floats, or 8 or 4 bits.

Layers are named as llama.cpp names them. Of Llama and Mistral the rows of queries and keys are put in the
order of its rotations. Vectors stay 32-bit floats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.architectures import catalog
from tasks.architectures.record import Decoder
from tasks.core.errors import ModelError
from tasks.kinds.base.kind import Processor

Form = Literal["f16", "q8_0", "q4_0"]
FORMS: tuple[Form, ...] = ("f16", "q8_0", "q4_0")
FILE_TYPES = {"f16": 1, "q4_0": 2, "q8_0": 7}
"""What llama.cpp calls a file whose matrices are of a form."""
NAMES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"""Model type -> what llama.cpp calls its architecture."""
TURNED = frozenset({"llama"})
"""Architectures whose rotations llama.cpp does on numbers side by side."""
ATTENTION, FFN, NORMS = (
    ("attn_q", "attn_k", "attn_v"),
    ("ffn_gate", "ffn_up", "ffn_down"),
    ("attn_norm", "ffn_norm"),
)
HEAD_NORMS = ("attn_q_norm", "attn_k_norm")
USUAL, SPECIAL = 1, 3
"""Kinds of pieces."""


def write(model: Any, tokenizer: Processor, longest: int, form: Form, file: Path) -> None:
    """Writes the file.

    Args:
        longest: pieces of a text.

    Raises:
        ModelError: GGUF has no name for the architecture or the tokenizer, or the package gguf is not there.
    """
    layout, name = catalog.of(model.config).layout, NAMES.get(str(model.config.model_type))
    if not isinstance(layout, Decoder) or name is None:
        raise ModelError(
            "gguf", f"{model.config.model_type} cannot be written; what can be: {', '.join(NAMES)}"
        )
    try:
        from gguf import GGUFWriter
    except ImportError:
        raise ModelError(
            "gguf", "the package gguf is not installed: `python requirements/install.py tasks flows writing`"
        ) from None
    told = _pieces(tokenizer)
    made = GGUFWriter(str(file), name)
    _sizes(made, model.config, longest, form)
    _vocabulary(made, tokenizer, told)
    for tensor, values in _tensors(model, layout, name):
        _add(made, tensor, values, form)
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()


def _sizes(made: Any, config: Any, longest: int, form: Form) -> None:
    heads = int(config.num_attention_heads)
    width = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    made.add_file_type(FILE_TYPES[form])
    made.add_context_length(longest)
    made.add_embedding_length(int(config.hidden_size))
    made.add_block_count(int(config.num_hidden_layers))
    made.add_feed_forward_length(int(config.intermediate_size))
    made.add_head_count(heads)
    made.add_head_count_kv(int(getattr(config, "num_key_value_heads", None) or heads))
    made.add_key_length(width)
    made.add_value_length(width)
    made.add_layer_norm_rms_eps(float(config.rms_norm_eps))
    made.add_rope_dimension_count(width)
    made.add_rope_freq_base(float((config.rope_parameters or {}).get("rope_theta", 10_000.0)))
    made.add_vocab_size(int(config.vocab_size))


def _pieces(tokenizer: Processor) -> Mapping[str, Any]:
    """What tokenizer.json says.

    Raises:
        ModelError: pieces are cut in a way that GGUF has no name for.
    """
    told: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    if told["model"]["type"] != "BPE" or _cut(told["pre_tokenizer"]) is None:
        raise ModelError("gguf", "only byte-level BPE, as of GPT-2 and SmolLM2, can be written")
    return told


def _cut(pre_tokenizer: Mapping[str, Any] | None) -> str | None:
    """What llama.cpp calls the way in which a text is cut before its pieces are sought."""
    parts = [pre_tokenizer or {}, *((pre_tokenizer or {}).get("pretokenizers") or [])]
    kinds = [part.get("type") for part in parts if part.get("type") != "Sequence"]
    if kinds == ["ByteLevel"]:
        return "gpt-2"
    return "smollm" if kinds == ["Digits", "ByteLevel"] else None


def _vocabulary(made: Any, tokenizer: Processor, told: Mapping[str, Any]) -> None:
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    special = {one["content"] for one in told["added_tokens"] if one["special"]}
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    made.add_tokenizer_model("gpt2")
    made.add_tokenizer_pre(_cut(told["pre_tokenizer"]))
    made.add_token_list(pieces)
    made.add_token_types([SPECIAL if one in special else USUAL for one in pieces])
    made.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in told["model"]["merges"]])
    for name in ("bos", "eos", "pad", "unk"):
        if (number := getattr(tokenizer, f"{name}_token_id", None)) is not None:
            getattr(made, f"add_{name}_token_id")(int(number))
    made.add_add_bos_token(False)
    if tokenizer.chat_template:
        made.add_chat_template(str(tokenizer.chat_template))


def _tensors(model: Any, layout: Decoder, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Names as llama.cpp has them, and values."""
    base, config = model.base_model, model.config
    yield "token_embd.weight", _numbers(base.get_submodule(layout.embeddings).weight)
    yield "output_norm.weight", _numbers(base.get_submodule(layout.last_norm).weight)
    head = model.get_output_embeddings()
    if head.weight.data_ptr() != base.get_submodule(layout.embeddings).weight.data_ptr():
        yield "output.weight", _numbers(head.weight)
    heads = int(config.num_attention_heads)
    groups = (heads, int(getattr(config, "num_key_value_heads", None) or heads))
    for at, layer in enumerate(base.get_submodule(layout.layers)):
        modules = [
            *zip(ATTENTION, layout.attention, strict=True),
            ("attn_output", layout.joined),
            *zip(FFN, layout.ffn, strict=True),
            *zip(NORMS, layout.norms, strict=True),
            *(zip(HEAD_NORMS, layout.head_norms, strict=True) if layout.head_norms else ()),
        ]
        for theirs, ours in modules:
            for part, tensor in layer.get_submodule(ours).named_parameters():
                values = _numbers(tensor)
                if name in TURNED and theirs in ATTENTION[:2]:
                    values = _turned(values, groups[ATTENTION.index(theirs)])
                yield f"blk.{at}.{theirs}.{part}", values


def _turned(values: np.ndarray, heads: int) -> np.ndarray:
    """The halves of each head's rows, one of each in turns."""
    apart = values.reshape(heads, 2, len(values) // heads // 2, *values.shape[1:])
    return apart.swapaxes(1, 2).reshape(values.shape)


def _add(made: Any, name: str, values: np.ndarray, form: Form) -> None:
    from gguf import GGMLQuantizationType, quants

    if values.ndim == 1:
        made.add_tensor(name, values)
        return
    kind = GGMLQuantizationType[form.upper()]
    made.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)


def _numbers(tensor: Any) -> np.ndarray:
    values: np.ndarray = tensor.detach().float().cpu().numpy()
    return np.ascontiguousarray(values)
