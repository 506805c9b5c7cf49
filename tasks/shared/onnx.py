"""From torch to ONNX: a float graph, and its int8 copy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto
from onnx import load as load_model
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from transformers import PreTrainedModel

from tasks.kinds.base import Features, Kind, Processor

OPSET = 17
NOT_FOR_THE_MODEL = ("labels", "where")


class _LogitsOnly(torch.nn.Module):
    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, tensors, strict=True))).logits
        return logits


def export(model: PreTrainedModel, kind: Kind, processor: Processor, features: Sequence[Features], file: Path) -> None:
    """Writes the float graph of `model`: the batch is dynamic, and the length if there is one; the output is `logits`, (n, c) or (n, l, c).

    `features` are a few real rows of different length; they are traced. The model must have been loaded with eager attention on the CPU.
    """
    batch = kind.collate(processor, features)
    for name in NOT_FOR_THE_MODEL:
        batch.pop(name, None)
    # In training mode the exporter would leave dropout in the graph, and parity would fail by some hundredths.
    wrapped = _LogitsOnly(model, list(batch)).eval()
    decides_often = "where" in features[0]
    axes = {name: {0: "batch", **({1: "length"} if kind.lengths else {})} for name in batch}
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


def calibration(kind: Kind, processor: Processor, features: Sequence[Features]) -> list[dict[str, np.ndarray]]:
    """What the graph reads of each row, batch 1."""
    batches = (kind.collate(processor, [one]) for one in features)
    return [{name: tensor.numpy() for name, tensor in batch.items() if name not in NOT_FOR_THE_MODEL} for batch in batches]


def convert(float_file: Path, file: Path, number_format: str, seen: Sequence[dict[str, np.ndarray]]) -> None:
    """Writes the graph in the format; `seen` is what int8-static takes the ranges of activations from. The float file is used up."""
    # It advises a pre-processing step: it measured slower on graphs of texts, and those of pictures have had theirs.
    logging.getLogger().addFilter(lambda record: "pre-processing before quantization" not in record.getMessage())
    if number_format == "int8-dynamic":
        _to_dynamic_int8(float_file, file)
    elif number_format == "int8-static":
        _to_static_int8(float_file, file, seen)
    else:
        float_file.replace(file)


def _to_dynamic_int8(float_file: Path, file: Path) -> None:
    """Weights to int8, one scale per channel; activations are quantized as they come."""
    options = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(float_file, file, per_channel=True, weight_type=QuantType.QInt8, extra_options=options)


def _to_static_int8(float_file: Path, file: Path, seen: Sequence[dict[str, np.ndarray]]) -> None:
    """Weights to int8, one scale per channel; activations to unsigned int8 by the least and greatest value that was seen of each.

    The first convolution stays in float: it is cheap, and what it rounds away no layer brings back.
    """
    merged = float_file.with_suffix(".merged.onnx")
    _merge(float_file, merged)
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
        nodes_to_exclude=convolutions[:1],
    )


def _merge(float_file: Path, merged: Path) -> None:
    """Paddings and constants go into the convolutions: what stood between would be quantized by itself, which costs more than it saves."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(merged)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(float_file, options, providers=["CPUExecutionProvider"])


class _Rows(CalibrationDataReader):
    def __init__(self, rows: Sequence[dict[str, np.ndarray]]) -> None:
        self._rows = iter(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)
