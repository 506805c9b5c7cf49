"""Makes the folder to ship: an ONNX graph, in int8 or float, with its tokenizer and labels. It needs neither
torch nor Slipway.

Reads ingest/out (validation rows; training rows to calibrate on) and distill/out. Writes out/: model.onnx,
labels.json, preprocessing.json, and for texts tokenizer.json.

int8-dynamic quantizes activations as they come; int8-static by ranges that were seen on calibration rows,
which is what convolutions need; see tasks/export/onnx_graph.py. fp16 and bf16 halve the weights; see
tasks/export/half_precision.py. The table of words can have fewer bits than the rest; see
tasks/export/int4_table.py. A table of low rank ships as its factors; see tasks/export/low_rank_table.py.

A graph is accepted only if it does what the torch student does on real validation rows: the float graph,
exported or fused, gives the same logits, the shipped graph the same answers. Operators that int8 hurts may
stay in float; see tasks/quantize/mixed_precision.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tasks.core import tables
from tasks.core.errors import ModelError, ParamsError
from tasks.core.params import InputSize, KindName, Options, Section, Seed, Threads
from tasks.core.stages import Metrics, artifact
from tasks.kinds.base.kind import Kind, Row, load_kind

if TYPE_CHECKING:
    from tasks.quantize.mixed_precision import Shipped


class Params(Section):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    input_size: InputSize
    graph: Literal["exported", "fused"] = Field(
        description="as torch exports it, or with its operators fused, which is faster"
    )
    format: Literal["int8-dynamic", "int8-static", "fp16", "bf16", "fp32"] = Field(
        description="of the numbers in the file that ships"
    )
    embeddings: Literal["as_format", "int4"] = Field(
        description="of the table of words: as the format has it, or in four bits"
    )
    calibration_rows: int = Field(
        ge=0, le=100_000, description="training rows that int8-static takes its ranges from; else unused"
    )
    max_difference: float = Field(
        gt=0, le=1, description="greatest difference of a logit between the float graph and torch"
    )
    min_agreement: float = Field(
        ge=0,
        le=1,
        description="least share of decisions on validation rows that the shipped graph makes as torch does",
    )
    max_float_operators: int = Field(
        ge=0,
        le=1000,
        description="operators of an int8 graph that may stay in float, the worst first, until "
        "min_agreement is kept",
    )

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        faults = []
        if self.format == "int8-static" and not self.calibration_rows:
            faults.append(
                "quantize.calibration_rows = 0: int8-static needs some rows to take its ranges from, such "
                "as 100"
            )
        if self.format == "int8-static" and self.graph == "fused":
            advice = "take graph exported, or format int8-dynamic"
            faults.append(
                f"quantize.graph = fused: int8-static would leave fused attention in float; {advice}"
            )
        if self.format == "int8-static" and self.embeddings == "int4":
            faults.append(
                "quantize.embeddings = int4: int8-static does not know such look-ups; take as_format, or "
                "format int8-dynamic"
            )
        if self.embeddings not in {"as_format", *load_kind(self.kind).package.embeddings}:
            faults.append(
                f"quantize.embeddings = {self.embeddings}: inputs of this kind are no words; take as_format"
            )
        return faults


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    student: Path = artifact("distill/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Raises:
    ParamsError: int8-static without calibration rows, of a fused graph, or with words in four bits.
    ModelError: a graph does not do what the student does.
    """
    from tasks.export import int4_table, onnx_graph, package
    from tasks.models import checkpoint, compute, inference
    from tasks.quantize.mixed_precision import Trial, ship

    if faults := params.faults({}):
        raise ParamsError("params.yaml", *faults)
    device = compute.prepare(params.seed, params.threads, "cpu")
    kind, labels = load_kind(params.kind), checkpoint.label_names(inputs.ingest)
    processor = kind.model.load_processor(inputs.student)
    student = checkpoint.load_model(inputs.student, kind, device, attn_implementation="eager")
    rows = tables.read(inputs.ingest / "validation.parquet")
    features = kind.model.encode(processor, rows, labels, params.input_size)
    wanted = inference.logits(student, kind, processor, features, inference.BATCH)

    folder = out / "out"
    package.write_preprocessing(folder, kind, processor, labels, _facts(params, kind))
    float_file = onnx_graph.float_graph(
        student, kind, processor, features[:2], scratch / "float.onnx", params.graph, params.input_size
    )
    difference = float(np.abs(_answers(float_file, folder, kind, rows, params) - wanted).max())
    _check_parity(difference, params)
    if params.embeddings == "int4":
        float_file = int4_table.pack_words(float_file)
    seen = tables.read(inputs.ingest / "train.parquet")[: params.calibration_rows]
    calibration = onnx_graph.calibration(
        kind, processor, kind.model.encode(processor, seen, labels, params.input_size)
    )
    operators = onnx_graph.operators(float_file, params.format)

    def write(file: Path, spared: Collection[str], only: Collection[str]) -> None:
        onnx_graph.convert(float_file, file, params.format, calibration, spared, only)

    trial = Trial(write, lambda file: _answers(file, folder, kind, rows, params), wanted)
    shipped = ship(folder / package.GRAPH, trial, operators, params.max_float_operators, params.min_agreement)
    _accept(shipped, len(wanted), params)
    size = sum(file.stat().st_size for file in folder.iterdir())
    told = {
        "bytes": size,
        "float_difference": float(f"{difference:.1e}"),
        "agreement": round(shipped.agreement, 6),
    }
    return Metrics({**told, **({"float_operators": shipped.spared} if shipped.spared else {})})


def _check_parity(difference: float, params: Params) -> None:
    if difference > params.max_difference:
        allowed = f"at most {params.max_difference:.2e} is allowed (quantize.max_difference)"
        raise ModelError(
            "model.onnx", f"float graph: a logit differs by {difference:.2e} from torch; {allowed}"
        )


def _facts(params: Params, kind: Kind) -> Mapping[str, Any]:
    """What preprocessing.json tells of the graph, and of the options."""
    facts = {
        "kind": kind.task,
        **{name: getattr(params, name) for name in ("input_size", "format", "calibration_rows")},
    }
    usual = {"graph": "exported", "embeddings": "as_format"}
    unusual = {name: getattr(params, name) for name, value in usual.items() if getattr(params, name) != value}
    return {
        **facts,
        **unusual,
        **kind.package.facts(kind.options.model_validate(params.options)),
    }


def _answers(file: Path, folder: Path, kind: Kind, rows: Sequence[Row], params: Params) -> np.ndarray:
    """Logits (m, c) of a graph, each row asked for as a user would."""
    from tasks.export import package

    session, request = package.session(file, params.threads), kind.package.request(folder)
    return np.concatenate([package.logits(session, request, kind.package.raw_input(row)) for row in rows])


def _accept(shipped: Shipped, decisions: int, params: Params) -> None:
    if shipped.agreement >= params.min_agreement:
        return
    kept = (
        f", even with {len(shipped.spared)} operators in float ({', '.join(shipped.spared)})"
        if shipped.spared
        else ""
    )
    more = "" if shipped.spared else "; let some operators stay in float (quantize.max_float_operators)"
    raise ModelError(
        "model.onnx",
        f"{params.format}: answers as the torch student on {shipped.agreement:.4f} of {decisions} decisions "
        f"on validation rows{kept}, "
        f"at least {params.min_agreement} is asked for (quantize.min_agreement){more}; train the student "
        "longer, or use format fp32",
    )
