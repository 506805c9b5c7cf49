"""The float graph of a transformer in fewer, larger operators, which answer faster and lose no more to int8
than the small ones do.

`onnxruntime.transformers` fuses attention and Gelu. What it makes of the rest is slow on a processor, and is
rewritten here, exact but for rounding; all of it runs in plain onnxruntime:

* embeddings: positions count from 0 and there is one token type, so one table holds the sum of both, cut at
  the longest input that the tokenizer lets through;
* normalization: a sum and a LayerNormalization;
* the last layer works on the first row alone where nothing else is read of it (tasks/export/first_token.py).

Operators that the library does not know, as those of CNNs, stay as they were exported. What it gains:
docs/compress.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper, load, numpy_helper
from transformers import PreTrainedConfig

from tasks.architectures import catalog
from tasks.architectures.record import Encoder
from tasks.export.first_token import keep_first_row


def fuse(exported: Path, fused: Path, config: PreTrainedConfig, longest: int | None) -> None:
    """Writes the fused copy of an exported float graph.

    Args:
        config: of the model that was exported.
        longest: number of pieces of the longest input; None if inputs have no length. The fused graph takes
            no longer ones.
    """
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    options = FusionOptions("bert")
    options.use_raw_attention_mask(True)  # the default believes that padding stands at the end
    options.enable_bias_skip_layer_norm = options.enable_bias_gelu = (
        False  # int8 products add their bias themselves
    )
    known = {}  # what the library would else have to read off the graph
    if isinstance(catalog.of(config).layout, Encoder):
        known = {"num_heads": config.num_attention_heads, "hidden_size": config.hidden_size}
    model = optimizer.optimize_by_fusion(load(exported), "bert", **known, optimization_options=options)
    _plain_embeddings(model, longest)
    _plain_normalization(model)
    keep_first_row(model)
    model.prune_graph(allow_remove_graph_inputs=False)
    model.topological_sort(is_deterministic=True)
    model.save_model_to_file(str(fused))


def _plain_embeddings(model: Any, longest: int | None) -> None:
    """EmbedLayerNormalization into a look-up of words, a slice of positions, their sum and its normalization.

    Quantized as it was, it would round the normalization's weights to 8 bits too, and read positions and
    token types by long arithmetic.
    """
    if any(given.name == "token_type_ids" for given in model.model.graph.input):
        return
    for node in model.get_nodes_by_op_type("EmbedLayerNormalization"):
        ids, _, words, positions, types, gain, shift, *rest = node.input
        cast = model.output_name_to_node().get(ids)
        ids = cast.input[0] if cast is not None and cast.op_type == "Cast" else ids
        # e.g. positions (512, 384), of types (2, 384) the first row -> (512, 384), cut to (128, 384)
        table = model.get_constant_value(positions) + (model.get_constant_value(types)[0] if types else 0)
        of = node.name
        if len(rest) > 1 and rest[1]:
            _constant(model, f"{of}_table", table)
            places = [
                helper.make_node("Gather", [f"{of}_table", rest[1]], [f"{of}_places"], name=f"{of}_places")
            ]
        else:
            _constant(model, f"{of}_table", table[:longest])
            _constant(model, f"{of}_start", np.zeros(1, dtype=np.int64))
            slices = [f"{of}_table", f"{of}_start", f"{of}_length", f"{of}_start"]
            places = [
                helper.make_node("Shape", [ids], [f"{of}_length"], name=f"{of}_length", start=1, end=2),
                helper.make_node("Slice", slices, [f"{of}_places"], name=f"{of}_places"),
            ]
        look_up = helper.make_node("Gather", [words, ids], [f"{of}_words"], name=f"{of}_words")
        _take_over(model, look_up)
        parts = [f"{of}_words", f"{of}_places"]
        _replace(model, node, [look_up, *places, *_normalized(node, parts, f"{of}_sum", gain, shift)])


def _plain_normalization(model: Any) -> None:
    """SkipLayerNormalization into Sum and LayerNormalization: its own code for processors is three times as
    slow as theirs together.

    Sum and not Add, which a session would fuse back.
    """
    for node in model.get_nodes_by_op_type("SkipLayerNormalization"):
        total = node.output[3] if len(node.output) > 3 and node.output[3] else f"{node.name}_sum"
        _replace(model, node, _normalized(node, node.input[:2], total, *node.input[2:4]))


def _normalized(node: Any, parts: list[str], total: str, gain: str, shift: str) -> list[Any]:
    small = {one.name: one.f for one in node.attribute if one.name == "epsilon"}
    return [
        helper.make_node("Sum", parts, [total], name=f"{node.name}_sum"),
        helper.make_node(
            "LayerNormalization",
            [total, gain, shift],
            [node.output[0]],
            name=f"{node.name}_normalized",
            axis=-1,
            **small,
        ),
    ]


def _take_over(model: Any, node: Any) -> None:
    """What other nodes do of the same is read of this one; they are gone."""
    for twin in [one for one in model.get_nodes_by_op_type(node.op_type) if one.input == node.input]:
        model.replace_input_of_all_nodes(twin.output[0], node.output[0])
        model.remove_node(twin)


def _constant(model: Any, name: str, values: np.ndarray) -> None:
    model.add_initializer(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _replace(model: Any, node: Any, others: list[Any]) -> None:
    model.remove_node(node)
    model.add_nodes(others)
