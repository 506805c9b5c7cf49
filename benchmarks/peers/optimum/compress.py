"""optimum-onnx makes a fast model for the CPU from a teacher:  python -I compress.py JOB

Runs inside its own environment and imports nothing of Slipway. The recipes are those of its documentation:
export, graph optimization at a level, dynamic quantization with the configuration for the instructions that
the processor has.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from optimum.onnxruntime import ORTModelForSequenceClassification, ORTOptimizer, ORTQuantizer
from optimum.onnxruntime.configuration import (
    AutoOptimizationConfig,
    AutoQuantizationConfig,
    QuantizationConfig,
)

LEVELS = {"int8": None, "o2": "O2", "o2-int8": "O2", "o3-int8": "O3"}
CONFIGURATIONS = {"avx512_vnni": "avx512_vnni", "avx512f": "avx512", "avx2": "avx2", "asimd": "arm64"}
"""Instructions, the best first -> what optimum calls the configuration for them."""


def main(job: dict[str, Any]) -> None:
    folder = Path("float")
    model = ORTModelForSequenceClassification.from_pretrained(
        job["teacher"], export=True, local_files_only=True
    )
    model.save_pretrained(folder)
    if level := LEVELS[job["recipe"]]:
        folder = Path(level)
        ORTOptimizer.from_pretrained(model).optimize(
            save_dir=folder, optimization_config=getattr(AutoOptimizationConfig, level)()
        )
    if job["recipe"].endswith("int8"):
        _infer_types(_graph_in(folder))
        ORTQuantizer.from_pretrained(folder).quantize(
            save_dir="int8", quantization_config=configuration(job["instructions"])
        )
        folder = Path("int8")
    shutil.copyfile(_graph_in(folder), Path(job["out"]) / "model.onnx")


def configuration(instructions: Sequence[str]) -> QuantizationConfig:
    name = next(config for needed, config in CONFIGURATIONS.items() if needed in instructions)
    return getattr(AutoQuantizationConfig, name)(is_static=False, per_channel=True)


def _infer_types(file: Path) -> None:
    """Without it the quantizer gives up on an optimized graph: "Unable to find data type for weight_name"."""
    onnx.save(SymbolicShapeInference.infer_shapes(onnx.load(file), auto_merge=True), file)


def _graph_in(folder: Path) -> Path:
    (file,) = folder.glob("*.onnx")
    return file


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
