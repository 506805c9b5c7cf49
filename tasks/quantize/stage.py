"""Makes the folder to ship: an ONNX graph, in int8 or float, with its tokenizer and labels. It needs neither
torch nor Slipway.

Reads ingest/out (validation rows; training rows to calibrate on) and distill/out. Writes out/: model.onnx,
labels.json, preprocessing.json, and for texts tokenizer.json.

Models that write ship as one graph with a cache, built matrix by matrix: int8 and int4 are then blocks of 32
weights that share a scale (tasks/export/decoder).

int8-dynamic quantizes activations as they come; int8-static by ranges that were seen on calibration rows,
which is what convolutions need; see tasks/export/onnx_graph.py. fp16 and bf16 halve the weights; see
tasks/export/half_precision.py. The table of words can have a form of its own; see tasks/export/int8_table.py
and int4_table.py. A table of low rank ships as its factors; see tasks/export/low_rank_table.py.

A graph is accepted only if it does what the torch student does on real validation rows: the float graph,
exported or fused, gives the same logits, the shipped graph the same answers. Operators that int8 hurts may
stay in float; see tasks/quantize/mixed_precision.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tasks.core import needs, tables
from tasks.core.errors import ModelError, ParamsError
from tasks.core.needs import Need
from tasks.core.params import InputSize, KindName, Options, Section, Seed, Threads
from tasks.core.stages import Metrics, artifact
from tasks.kinds.base.kind import Kind, Row, load_kind

if TYPE_CHECKING:
    from tasks.export.decoder_draft import DecoderDraft
    from tasks.export.draft import Draft, Form
    from tasks.quantize.mixed_precision import Shipped


class Params(Section):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    input_size: InputSize
    graph: Literal["exported", "fused", "built"] = Field(
        description="as torch exports it, or with its operators fused, which is faster; of models that "
        "write, built with its cache"
    )
    format: Literal["int8-dynamic", "int8-static", "fp16", "bf16", "fp32", "int8", "int4"] = Field(
        description="of the numbers in the file that ships; int8 and int4: in blocks, of models that write"
    )
    embeddings: Literal["as_format", "int8", "int4"] = Field(
        description="of the table of words: as the format has it, or in eight or four bits with a scale for "
        "each row"
    )
    calibration_rows: int | None = Field(
        ge=1, le=100_000, description="training rows that int8-static takes its ranges from; else null"
    )
    max_difference: float = Field(
        gt=0, le=1, description="greatest difference of a logit between the float graph and torch"
    )
    min_agreement: float = Field(
        ge=0,
        le=1,
        description="least share of decisions on validation rows that the shipped graph makes as torch does",
    )
    checked_rows: int | None = Field(
        None, ge=1, le=1_000_000, description="validation rows that graphs are asked for; left out: all"
    )
    max_float_operators: int = Field(
        ge=0,
        le=1000,
        description="operators of an int8 graph that may stay in float, the worst first, until "
        "min_agreement is kept",
    )

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        faults, static, package = [], self.format == "int8-static", load_kind(self.kind).package
        for name, value, known in (
            ("graph", self.graph, package.graphs),
            ("format", self.format, package.formats),
        ):
            if value not in known:
                faults.append(
                    f"quantize.{name} = {value}: models of this kind ship as {', '.join(sorted(known))}"
                )
        if static and self.graph == "fused":
            advice = "take graph exported, or format int8-dynamic"
            faults.append(
                f"quantize.graph = fused: int8-static would leave fused attention in float; {advice}"
            )
        if static and self.embeddings != "as_format":
            faults.append(
                f"quantize.embeddings = {self.embeddings}: int8-static does not know such look-ups; take "
                "as_format, or format int8-dynamic"
            )
        if self.embeddings not in {"as_format", *package.embeddings}:
            faults.append(
                f"quantize.embeddings = {self.embeddings}: inputs of this kind are no words; take as_format"
            )
        return faults

    def needs(self) -> list[Need]:
        static = self.format == "int8-static"
        why = "takes its ranges from training rows" if static else "takes no ranges from training rows"
        return [
            Need("quantize.calibration_rows", self.calibration_rows, static, f"{self.format} {why}", "100")
        ]


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    student: Path = artifact("distill/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Builds the folder that ships and returns its metrics.

    Raises:
        ParamsError: int8-static without calibration rows, of a fused graph, or with words in another form.
        ModelError: a graph does not do what the student does.
    """
    from tasks.export import draft, package
    from tasks.models import checkpoint, compute
    from tasks.quantize.mixed_precision import Trial, ship

    if faults := [*needs.lacking(params.needs()), *params.faults({})]:
        raise ParamsError("params.yaml", *faults)
    compute.prepare(params.seed, params.threads, "cpu")
    kind, labels = load_kind(params.kind), checkpoint.label_names(inputs.ingest)
    rows, seen = (tables.read(inputs.ingest / f"{split}.parquet") for split in ("validation", "train"))
    rows = rows[: params.checked_rows]
    folder, facts, float_file = out / "out", _facts(params, kind), scratch / "float.onnx"
    begun = draft.begin(
        inputs.student, folder, kind, labels, _form(params), facts, rows[:2], seen, float_file
    )
    wanted = _wanted(begun, kind, rows, labels, params)
    difference = float(np.abs(_answers(begun.float_graph, folder, kind, rows, params) - wanted).max())
    _check_parity(difference, params)

    trial = Trial(begun.write, lambda file: _answers(file, folder, kind, rows, params), wanted)
    operators = begun.operators()
    shipped = ship(folder / package.GRAPH, trial, operators, params.max_float_operators, params.min_agreement)
    _accept(shipped, len(wanted), params)
    size = sum(file.stat().st_size for file in folder.iterdir())
    told = {
        "bytes": size,
        "float_difference": float(f"{difference:.1e}"),
        "agreement": round(shipped.agreement, 6),
        **_same_texts(begun, kind, rows, params),
    }
    return Metrics({**told, **({"float_operators": shipped.spared} if shipped.spared else {})})


def _form(params: Params) -> Form:
    from tasks.export.draft import Form

    values = {field.name: getattr(params, field.name) for field in dataclasses.fields(Form)}
    return Form(**{**values, "calibration_rows": params.calibration_rows or 0})


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
        "input_size": params.input_size,
        "format": params.format,
        "calibration_rows": params.calibration_rows or 0,
    }
    usual = {"graph": "exported", "embeddings": "as_format"}
    unusual = {name: getattr(params, name) for name, value in usual.items() if getattr(params, name) != value}
    return {
        **facts,
        **unusual,
        **kind.package.facts(kind.options.model_validate(params.options)),
    }


def _wanted(
    begun: Draft | DecoderDraft, kind: Kind, rows: Sequence[Row], labels: Sequence[str], params: Params
) -> np.ndarray:
    """The student's logits (m, c); of models that write before each piece of the right answers."""
    from tasks.models import inference

    if kind.generation:
        writer = kind.generation.checkpoint(begun.model, begun.processor, params.input_size)
        return np.concatenate([writer.forced(kind.package.raw_input(row), row["label"]) for row in rows])
    features = kind.model.encode(begun.processor, rows, labels, params.input_size)
    return inference.logits(begun.model, kind, begun.processor, features, inference.BATCH)


def _same_texts(
    begun: Draft | DecoderDraft, kind: Kind, rows: Sequence[Row], params: Params
) -> dict[str, float]:
    """The share of rows whose answers the folder writes as the student does; of models that write alone."""
    from tasks.export import package

    if not kind.generation:
        return {}
    asked = [kind.package.raw_input(row) for row in rows]
    ours = kind.generation.checkpoint(begun.model, begun.processor, params.input_size)
    shipped = kind.generation.shipped(begun.folder, begun.folder / package.GRAPH)
    shipped.use(params.threads)
    same = [ours.write([one])[0].text == shipped.write([one])[0].text for one in asked]
    return {"same_texts": round(float(np.mean(same)), 6)}


def _answers(file: Path, folder: Path, kind: Kind, rows: Sequence[Row], params: Params) -> np.ndarray:
    """Logits (m, c) of a graph, each row asked for as a user would."""
    from tasks.export import package

    decided = package.decider(folder, file, kind, params.threads)
    return np.concatenate([decided(row) for row in rows])


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
