"""NNCF and OpenVINO make a fast model for the CPU from a teacher:  python -I compress.py JOB

Runs inside their own environment and imports nothing of Slipway. The recipes are those of their
documentation: conversion as it is, with weights kept as fp16; int8 weights; post-training quantization for
transformers with calibration texts, in both presets.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nncf
import openvino
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

NAMES = ("input_ids", "attention_mask")
SUBSET = 300
"""NNCF's own default: texts that it takes ranges from."""
PRESETS = {"ptq": nncf.QuantizationPreset.MIXED, "ptq-performance": nncf.QuantizationPreset.PERFORMANCE}


def main(job: dict[str, Any]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(job["teacher"], local_files_only=True)

    def encoded(text: str) -> dict[str, Any]:
        one = tokenizer(text, truncation=True, max_length=job["input_size"], return_tensors="np")
        return {name: one[name] for name in NAMES}

    graph = _converted(job, encoded)
    if preset := PRESETS.get(job["recipe"]):
        texts = nncf.Dataset(job["calibration"], encoded)
        graph = nncf.quantize(
            graph, texts, preset=preset, model_type=nncf.ModelType.TRANSFORMER, subset_size=SUBSET
        )
    elif job["recipe"] == "int8-weights":
        graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    openvino.save_model(graph, Path(job["out"]) / "model.xml")


def _converted(job: dict[str, Any], encoded: Any) -> openvino.Model:
    model = AutoModelForSequenceClassification.from_pretrained(job["teacher"], local_files_only=True).eval()
    example = {name: torch.from_numpy(values) for name, values in encoded(job["calibration"][0]).items()}
    return openvino.convert_model(
        model, example_input=example, input=[(name, [-1, -1], openvino.Type.i64) for name in NAMES]
    )


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
