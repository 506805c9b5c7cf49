"""Olive makes a fast model for the CPU from a teacher:  python -I compress.py JOB

Runs inside Olive's own environment and imports nothing of Slipway. The recipes are its workflows for BERT on
a CPU, by its pass names.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from olive import run
from olive.data.component.dataset import BaseDataset
from olive.data.registry import Registry
from transformers import AutoTokenizer

CONVERSION = {"conversion": {"type": "OnnxConversion", "target_opset": 17}}
FUSION = {"fusion": {"type": "OrtTransformersOptimization", "model_type": "bert"}}
DYNAMIC = {"quantization": {"type": "OnnxDynamicQuantization", "per_channel": True}}
STATIC = {
    "quantization": {
        "type": "OnnxStaticQuantization",
        "per_channel": True,
        "activation_type": "uint8",
        "data_config": "calibration",
    }
}
RECIPES: dict[str, dict[str, Any]] = {
    "int8": CONVERSION | DYNAMIC,
    "fused-int8": CONVERSION | FUSION | DYNAMIC,
    "fused": CONVERSION | FUSION,
    "static-int8": CONVERSION | STATIC,
}
CPU = {
    "type": "LocalSystem",
    "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
}


def main(job: dict[str, Any]) -> None:
    work = Path("olive").resolve()
    passes = RECIPES[job["recipe"]]
    config = {
        "input_model": {"type": "HfModel", "model_path": job["teacher"], "task": "text-classification"},
        "systems": {"cpu": CPU},
        "target": "cpu",
        "host": "cpu",
        "data_configs": [_calibration(job)],
        "passes": passes,
        "output_dir": str(work / "out"),
        "cache_dir": str(work / "cache"),
    }
    result = run(config)
    if not result.has_output_model():
        sys.exit("Olive's workflow ended without an output model")
    shutil.copyfile(work / "out" / "model.onnx", Path(job["out"]) / "model.onnx")


def _calibration(job: dict[str, Any]) -> dict[str, Any]:
    """Registers the calibration texts, encoded one by one, as the data set that the workflow names."""

    def texts(**_: Any) -> BaseDataset:
        tokenizer = AutoTokenizer.from_pretrained(job["teacher"], local_files_only=True)
        encoded = [
            tokenizer(text, truncation=True, max_length=job["input_size"]) for text in job["calibration"]
        ]
        return BaseDataset([({name: torch.tensor(ids) for name, ids in one.items()}, 0) for one in encoded])

    Registry.register_dataset("texts")(texts)
    parts = {"pre_process_data_config": "skip_pre_process", "post_process_data_config": "skip_post_process"}
    return {
        "name": "calibration",
        "type": "DataContainer",
        "load_dataset_config": {"type": "texts"},
        "dataloader_config": {"batch_size": 1},
    } | {name: {"type": kind} for name, kind in parts.items()}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
