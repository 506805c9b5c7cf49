"""Makes the folder to ship: an ONNX graph, in int8 or float, with its tokenizer and labels. It needs neither torch nor Slipway.

Reads ingest/out (validation rows; training rows to calibrate on) and distill/out. Writes out/: model.onnx, labels.json,
preprocessing.json, and for texts tokenizer.json.

int8-dynamic quantizes activations as they come; int8-static by ranges that were seen on calibration rows, which is what convolutions
need; see tasks/shared/onnx.py.

A graph is accepted only if it does what the torch student does on real validation rows: the float graph gives the same logits, the
int8 graph the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.errors import ModelError, ParamsError
from tasks.shared.params import InputSize, Kind, Section, Seed, Threads
from tasks.shared.stages import Metrics, artifact


class Params(Section):
    kind: Kind
    seed: Seed
    threads: Threads
    input_size: InputSize
    format: Literal["int8-dynamic", "int8-static", "fp32"] = Field(description="of the numbers in the file that ships")
    calibration_rows: int = Field(ge=0, le=100_000, description="training rows that int8-static takes its ranges from; else unused")
    max_difference: float = Field(gt=0, le=1, description="greatest difference of a logit between the float graph and torch")
    min_agreement: float = Field(
        ge=0, le=1, description="least share of decisions on validation rows that the shipped graph makes as torch does"
    )


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    student: Path = artifact("distill/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Raises:
    ParamsError: int8-static without calibration rows.
    ModelError: a graph does not do what the student does.
    """
    from tasks.shared import checkpoint, compute, inference, onnx, serving

    if params.format == "int8-static" and not params.calibration_rows:
        raise ParamsError("params.yaml", "quantize.calibration_rows = 0: int8-static needs some rows to take its ranges from, such as 100")
    device = compute.prepare(params.seed, params.threads, "cpu")
    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    processor = kind.load_processor(inputs.student)
    student = checkpoint.load_model(inputs.student, kind, device, attn_implementation="eager")
    rows = tables.read(inputs.ingest / "validation.parquet")
    features = kind.encode(processor, rows, labels, params.input_size)
    wanted = inference.logits(student, kind, processor, features, inference.BATCH)

    folder = out / "out"
    facts = {name: getattr(params, name) for name in ("kind", "input_size", "format", "calibration_rows")}
    serving.write_preprocessing(folder, kind, processor, labels, facts)
    float_file = scratch / "float.onnx"
    onnx.export(student, kind, processor, features[:2], float_file)
    difference = float(np.abs(_answers(float_file, folder, kind, rows, params) - wanted).max())
    if difference > params.max_difference:
        allowed = f"at most {params.max_difference:.2e} is allowed (quantize.max_difference)"
        raise ModelError("model.onnx", f"float graph: a logit differs by {difference:.2e} from torch; {allowed}")
    seen = tables.read(inputs.ingest / "train.parquet")[: params.calibration_rows]
    calibration = onnx.calibration(kind, processor, kind.encode(processor, seen, labels, params.input_size))
    onnx.convert(float_file, folder / serving.GRAPH, params.format, calibration)
    agreement = _agreement(_answers(folder / serving.GRAPH, folder, kind, rows, params), wanted, params)
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Metrics({"bytes": size, "float_difference": float(f"{difference:.1e}"), "agreement": round(agreement, 6)})


def _answers(file: Path, folder: Path, kind: base.Kind, rows: Sequence[base.Row], params: Params) -> np.ndarray:
    """Logits (m, c) of a graph, each row asked for as a user would."""
    from tasks.shared import serving

    session, request = serving.session(file, params.threads), kind.request(folder)
    return np.concatenate([serving.logits(session, request, kind.raw_input(row)) for row in rows])


def _agreement(answers: np.ndarray, wanted: np.ndarray, params: Params) -> float:
    agreement = float((answers.argmax(-1) == wanted.argmax(-1)).mean())
    if agreement < params.min_agreement:
        raise ModelError(
            "model.onnx",
            f"{params.format}: answers as the torch student on {agreement:.4f} of {len(wanted)} decisions on validation rows, at least "
            f"{params.min_agreement} is asked for (quantize.min_agreement); train the student longer, or use format fp32",
        )
    return agreement
