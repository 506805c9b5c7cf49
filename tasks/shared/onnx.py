"""From torch to ONNX: a float graph, and its int8 copy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from onnx import TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.kinds.base import Features, Kind

OPSET = 17
NOT_FOR_THE_MODEL = ("labels", "where")


class _LogitsOnly(torch.nn.Module):
    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, tensors, strict=True))).logits
        return logits


def export(model: PreTrainedModel, kind: Kind, tokenizer: PreTrainedTokenizerBase, features: Sequence[Features], file: Path) -> None:
    """Writes the float graph of `model`: batch and length are dynamic, the output is `logits`, (n, c) or (n, l, c).

    `features` are a few real rows of different length; they are traced. The model must have been loaded with eager attention on the CPU.
    """
    batch = kind.collate(tokenizer, features)
    for name in NOT_FOR_THE_MODEL:
        batch.pop(name, None)
    # In training mode the exporter would leave dropout in the graph, and parity would fail by some hundredths.
    wrapped = _LogitsOnly(model, list(batch)).eval()
    decides_often = "where" in features[0]
    axes = {name: {0: "batch", 1: "length"} for name in batch}
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


def to_int8(float_file: Path, int8_file: Path) -> None:
    """Weights to int8, one scale per channel; activations are quantized as they come."""
    # It advises a pre-processing step that measured slower on these graphs.
    logging.getLogger().addFilter(lambda record: "pre-processing before quantization" not in record.getMessage())
    options = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(float_file, int8_file, per_channel=True, weight_type=QuantType.QInt8, extra_options=options)
