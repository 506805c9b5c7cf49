"""Weights in half the bits, and the arithmetic of the float graph.

Sessions on a processor compute in float32. Each table of weights is kept in fp16 or bf16 with a Cast behind
it, which a session does once, when it is opened: half the size at the speed of float32. fp16 keeps three more
bits of a number, bf16 the range of float32.
"""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper, load, numpy_helper, save

TYPES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def halve(float_file: Path, file: Path, number_format: str) -> None:
    """Writes the graph with weights of two or more dimensions in `fp16` or `bf16`.

    Biases and constants stay in float32.
    """
    model = load(float_file)
    casts = []
    for weights in model.graph.initializer:
        if weights.data_type == TensorProto.FLOAT and len(weights.dims) > 1:
            name = weights.name
            halved = numpy_helper.to_array(weights).astype(
                helper.tensor_dtype_to_np_dtype(TYPES[number_format])
            )
            weights.CopyFrom(numpy_helper.from_array(halved, f"{name}_{number_format}"))
            casts.append(
                helper.make_node("Cast", [weights.name], [name], name=weights.name, to=TensorProto.FLOAT)
            )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    save(model, file)
