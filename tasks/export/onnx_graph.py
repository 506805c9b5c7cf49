"""From torch to ONNX: a float graph, and its copy in fewer bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto
from onnx import load as load_model
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from transformers import PreTrainedModel

from tasks.export import half_precision, int8_table
from tasks.kinds.base.kind import Features, Kind, Processor
from tasks.kinds.base.rows import BESIDE_THE_INPUTS
from tasks.models import low_rank

OPSET = 17
WEIGHTED = frozenset({"Attention", "Conv", "Gather", "Gemm", "MatMul"})
"""Operators that int8 knows, if one of their inputs is a table of weights."""


class _LogitsOnly(torch.nn.Module):
    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, tensors, strict=True))).logits
        return logits


def export(
    model: PreTrainedModel, kind: Kind, processor: Processor, features: Sequence[Features], file: Path
) -> None:
    """Writes the float graph of `model`: the batch is dynamic, and the length if there is one; the output is
    `logits`, (n, c) or (n, l, c).

    `features` are a few real rows of different length; they are traced. The model must have been loaded with
    eager attention on the CPU.
    """
    batch = kind.model.collate(processor, features)
    for name in BESIDE_THE_INPUTS:
        batch.pop(name, None)
    # In training mode the exporter would leave dropout in the graph, and parity would fail by some
    # hundredths.
    wrapped = _LogitsOnly(model, list(batch)).eval()
    decides_often = "where" in features[0]
    axes = {name: {0: "batch", **({1: "length"} if kind.package.lengths else {})} for name in batch}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            tuple(batch.values()),
            file,
            input_names=list(batch),
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {0: "batch", **({1: "length"} if decides_often else {})}},
            opset_version=OPSET,
            dynamo=False,
        )


def float_graph(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    exported: Path,
    form: str,
    input_size: int,
) -> Path:
    """The float graph as it is to ship, in a file beside `exported`, or there: exported, in the form `fused`
    with fewer, larger operators (tasks/export/fusion.py), and words of low rank taken apart.

    Raises:
        ModelError: the config tells of words of low rank, and the graph looks up none.
    """
    from tasks.export import fusion, low_rank_table

    export(model, kind, processor, features, exported)
    graph = exported
    if form == "fused":
        graph = exported.with_suffix(".fused.onnx")
        fusion.fuse(exported, graph, model.config, input_size if kind.package.lengths else None)
    rank = getattr(model.config, low_rank.RANK, None)
    return low_rank_table.take_apart(graph, rank) if rank else graph


def calibration(
    kind: Kind, processor: Processor, features: Sequence[Features]
) -> list[dict[str, np.ndarray]]:
    """What the graph reads of each row, batch 1."""
    batches = (kind.model.collate(processor, [one]) for one in features)
    return [
        {name: tensor.numpy() for name, tensor in batch.items() if name not in BESIDE_THE_INPUTS}
        for batch in batches
    ]


def operators(float_file: Path, number_format: str) -> list[str]:
    """The names of the operators whose weights an int8 format makes smaller."""
    if not number_format.startswith("int8"):
        return []
    graph = load_model(_merged(float_file) if number_format == "int8-static" else float_file).graph
    tables = {
        one.name for one in graph.initializer if len(one.dims) > 1 and one.data_type == TensorProto.FLOAT
    }
    return [node.name for node in graph.node if node.op_type in WEIGHTED and tables & set(node.input)]


def convert(
    float_file: Path,
    file: Path,
    number_format: str,
    seen: Sequence[dict[str, np.ndarray]],
    spared: Collection[str] = (),
    only: Collection[str] = (),
) -> None:
    """Writes the graph in the format. The float file is used up by fp32, and stays otherwise.

    Args:
        seen: what int8-static takes the ranges of activations from.
        spared: names of operators that int8 leaves in float.
        only: names of the operators that become int8; all that can, if there is none.
    """
    # It advises a pre-processing step: it measured slower on graphs of texts, and those of pictures have had
    # theirs.
    logging.getLogger().addFilter(
        lambda record: "pre-processing before quantization" not in record.getMessage()
    )
    if number_format == "int8-dynamic":
        _to_dynamic_int8(float_file, file, _with_products(spared), _with_products(only))
    elif number_format == "int8-static":
        _to_static_int8(_merged(float_file), file, seen, list(spared), list(only))
    elif number_format == "fp32":
        float_file.replace(file)
    else:
        half_precision.halve(float_file, file, number_format)


def _with_products(names: Collection[str]) -> list[str]:
    """Before it looks at names, dynamic quantization splits a Gemm into a product, which it names so, and a
    sum.
    """
    return [*names, *(f"{name}_MatMul" for name in names)]


def _to_dynamic_int8(float_file: Path, file: Path, spared: list[str], only: list[str]) -> None:
    """Weights to int8, one scale per channel; activations are quantized as they come."""
    options = {"DefaultTensorType": TensorProto.FLOAT}
    nodes = [node.name for node in load_model(float_file).graph.node]
    scales = [name for name in nodes if name.endswith(int8_table.SCALES)]
    names = {"nodes_to_quantize": only, "nodes_to_exclude": [*spared, *scales]}
    quantize_dynamic(
        float_file, file, per_channel=True, weight_type=QuantType.QInt8, extra_options=options, **names
    )


def _to_static_int8(
    merged: Path, file: Path, seen: Sequence[dict[str, np.ndarray]], spared: list[str], only: list[str]
) -> None:
    """Weights to int8, one scale per channel; activations to unsigned int8 by the least and greatest value
    that was seen of each.

    The first convolution stays in float: it is cheap, and what it rounds away no layer brings back.
    """
    convolutions = [node.name for node in load_model(merged).graph.node if node.op_type == "Conv"]
    quantize_static(
        merged,
        file,
        _Rows(seen),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        nodes_to_quantize=only,
        nodes_to_exclude=[*convolutions[:1], *spared],
    )


def _merged(float_file: Path) -> Path:
    """Paddings and constants go into the convolutions.

    What stood between would be quantized by itself, which costs more than it saves.
    """
    merged = float_file.with_suffix(".merged.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(merged)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(float_file, options, providers=["CPUExecutionProvider"])
    return merged


class _Rows(CalibrationDataReader):
    def __init__(self, rows: Sequence[dict[str, np.ndarray]]) -> None:
        self._rows = iter(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)
