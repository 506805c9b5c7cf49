"""The exporters of transformers make a fast model for the CPU from a teacher:  python -I compress.py JOB

Runs inside their own environment and imports nothing of Slipway. The recipes are those of their documentation
(huggingface.co/docs/transformers, exporters): a graph fused into onnxruntime's operators for the CPU, and the
same with onnxruntime's dynamic quantization.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.exporters import OnnxConfig, OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer
from transformers.exporters.exporter_onnx import OnnxExporter

QUANTIZERS: dict[str, Any] = {
    "fused": None,
    "fused-int8": OnnxRuntimeQuantizer(OnnxRuntimeDynamicConfig(per_channel=True)),
}


def main(job: dict[str, Any]) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(job["teacher"], local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(job["teacher"], local_files_only=True)
    # Two texts: a dimension of one would be taken for a constant.
    sample = tokenizer(
        job["calibration"][:2],
        truncation=True,
        max_length=job["input_size"],
        padding=True,
        return_tensors="pt",
    )
    config = OnnxConfig(dynamic=True, ort_fusions="cpu", quantizer=QUANTIZERS[job["recipe"]])
    exported = OnnxExporter().export(model, dict(sample), config=config)
    exported.save_pretrained(Path(job["out"]))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
