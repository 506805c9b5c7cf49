"""Measures every variant of a model side by side: quality with intervals, speed, memory, size. Records the
gates and never fails on them.

Reads ingest/out, finetune/out (teacher), prune/out, distill/out and quantize/out (final).
Writes out/predictions.parquet, plots/ (tables behind the pictures), quality.json and speed.json (the figures
that are compared first) and report/ (report.md with pictures; it holds timings).

metrics.json, quality.json and all of out/ and plots/ are the same for the same inputs; timings.json,
speed.json and report/ are of the day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core.params import Device, InputSize, KindName, Section, Seed, Threads
from tasks.core.stages import Metrics, artifact
from tasks.kinds.base.kind import Kind as Seam
from tasks.kinds.base.kind import Row

if TYPE_CHECKING:
    import numpy as np

    from tasks.benchmark.forms.variants import Setting, Source, Variant
    from tasks.kinds.base.rows import Truth
    from tasks.launch.foresight import Teacher

PARAMETERS_OF = {"teacher_int8": "teacher", "final": "distilled", "openvino": "distilled"}
"""An ONNX graph holds scales beside its parameters; it has as many as the checkpoint it was made from, where
a table of low rank counts as its factors."""


class Gates(Section):
    min_quality_ratio: float = Field(
        ge=0, le=2, description="least share of the teacher's headline figure that the final model keeps"
    )
    min_speedup: float = Field(
        ge=0, le=10_000, description="least number of times the final model is faster than the teacher"
    )
    max_bytes: int = Field(ge=1, description="greatest size of the shippable folder, bytes")


class Params(Section):
    kind: KindName
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    split: Literal["test", "validation"] = Field(
        description="rows to measure on: validation while choosing a recipe, test when it is frozen"
    )
    resamples: int = Field(ge=100, le=100_000, description="bootstrap resamples behind each interval")
    latency_inputs: int = Field(ge=1, le=10_000, description="real inputs that are timed")
    rounds: int = Field(ge=3, le=1000, description="rounds in which the variants are timed in turns")
    batch: int = Field(ge=1, le=4096, description="inputs per batch when throughput is measured")
    openvino: bool = Field(
        description="whether the distilled model is measured on OpenVINO too; it has to be installed"
    )
    gates: Gates = Field(description="what the final model has to keep")

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        from tasks.kinds.base.kind import load_kind

        if not self.openvino or not load_kind(self.kind).generation:
            return []
        return ["benchmark.openvino = true: models that write are not measured on OpenVINO; say false"]


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    teacher: Path = artifact("finetune/out")
    pruned: Path = artifact("prune/out")
    distilled: Path = artifact("distill/out")
    final: Path = artifact("quantize/out")


def unable(params: Params, teacher: Teacher, run: Mapping[str, Section]) -> list[str]:
    from tasks.benchmark.forms import variants

    return variants.openvino_faults(params.openvino)


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from tasks.benchmark import key_figures, written
    from tasks.benchmark.forms.variants import Setting, open_variant
    from tasks.core import tables
    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint, compute

    device = compute.prepare(params.seed, params.threads, params.device)
    labels, rows = (
        checkpoint.label_names(inputs.ingest),
        tables.read(inputs.ingest / f"{params.split}.parquet"),
    )
    truth = _truth(inputs, params, rows, labels)
    setting = Setting(params.kind, labels, params.input_size, params.batch, params.seed, device.type)
    sources = _sources(inputs, params, labels, scratch)
    variants = [open_variant(source, setting) for source in sources]
    answers = {variant.name: _kept(variant.predict(rows)) for variant in variants}
    answers = written.with_nearest(answers, setting.load_kind(), inputs.ingest / "train.parquet", rows)

    figures = _figures(variants, answers, truth, params, rows)
    on_cpu = replace(setting, device="cpu")
    timings = _timings(
        sources,
        variants if setting == on_cpu else [open_variant(source, on_cpu) for source in sources],
        on_cpu,
        rows,
        params,
    )
    timings["points"] = key_figures.points(figures, timings)
    _write(out, load_kind(params.kind), figures, timings, answers, truth, rows)
    return Metrics(figures, timings)


def _kept(answers: np.ndarray) -> np.ndarray:
    """Probabilities in six digits; texts as they are."""
    import numpy as np

    return answers if answers.dtype.kind == "U" else np.round(answers, 6)


def _truth(inputs: Inputs, params: Params, rows: Sequence[Row], labels: Sequence[str]) -> Truth:
    from tasks.kinds.base.kind import load_kind
    from tasks.kinds.base.rows import ids_of, of_texts
    from tasks.models import inference

    kind = load_kind(params.kind)
    if kind.generation:
        return of_texts(rows)
    own = kind.model
    features = own.encode(own.load_processor(inputs.teacher), rows, labels, params.input_size)
    return inference.truth_of(features, labels, ids_of(rows))


def _sources(inputs: Inputs, params: Params, labels: Sequence[str], scratch: Path) -> list[Source]:
    """The variants, in the order in which they are told. One more is one more line."""
    from tasks.benchmark.forms import quantized_like
    from tasks.benchmark.forms.variants import Source
    from tasks.core import tables
    from tasks.export import package
    from tasks.kinds.base.kind import load_kind

    kind, told, rows = (
        load_kind(params.kind),
        package.preprocessing(inputs.final),
        tables.read(inputs.ingest / "train.parquet"),
    )
    as_final = quantized_like.as_int8(told, kind)
    as_exported = {**told, "format": "fp32", "graph": "exported", "embeddings": "as_format"}

    def shipped(checkpoint: Path, name: str, like: Mapping[str, Any]) -> Path:
        return quantized_like.ship(checkpoint, scratch / name, kind, rows, labels, like)

    return [
        Source("baseline", "linear", inputs.ingest),
        Source("teacher", "torch", inputs.teacher),
        Source("teacher_int8", "onnx", shipped(inputs.teacher, "teacher_int8", as_final)),
        Source("pruned", "torch", inputs.pruned),
        Source("distilled", "torch", inputs.distilled),
        *(
            [Source("openvino", "openvino", shipped(inputs.distilled, "openvino", as_exported))]
            if params.openvino
            else []
        ),
        Source("final", "onnx", inputs.final),
    ]


def _figures(
    variants: Sequence[Variant],
    answers: Mapping[str, np.ndarray],
    truth: Truth,
    params: Params,
    rows: Sequence[Row],
) -> dict[str, Any]:
    from tasks.benchmark import gates, key_figures, metrics, written
    from tasks.kinds.base.kind import load_kind

    kind = load_kind(params.kind)
    figures: dict[str, Any] = dict(metrics.quality(kind, answers, truth, params.resamples, params.seed))
    parameters = {variant.name: variant.parameters for variant in variants}
    for variant in variants:
        figures[variant.name] |= {
            "parameters": parameters[PARAMETERS_OF.get(variant.name, variant.name)],
            "bytes": variant.bytes,
        }
    names, scores = (
        kind.quality.category_names(truth.names),
        metrics.per_category(kind, answers["final"], truth),
    )
    figures["categories"] = key_figures.categories(names, scores)
    figures["final"]["size_ratio"] = round(figures["teacher"]["bytes"] / figures["final"]["bytes"], 6)
    figures["measured"] = {
        "split": params.split,
        "rows": len(truth.decisions),
        "resamples": params.resamples,
        "headline": kind.quality.headline,
        **_unusual_baseline(kind),
    }
    written.add(figures, kind, variants, answers, rows, params.resamples, params.seed)
    figures["gates"] = gates.of_figures(
        figures["final"], kind.quality.headline, params.gates.min_quality_ratio, params.gates.max_bytes
    )
    return figures


def _unusual_baseline(kind: Seam) -> dict[str, str]:
    """What the baseline is, where it is no linear model."""
    from tasks.benchmark.gates import LINEAR

    return {} if kind.quality.baseline_is == LINEAR else {"baseline": kind.quality.baseline_is}


def _timings(
    sources: Sequence[Source],
    variants: Sequence[Variant],
    setting: Setting,
    rows: Sequence[Row],
    params: Params,
) -> dict[str, Any]:
    import numpy as np

    from tasks.benchmark import gates, latency, memory

    before, others = latency.load(), latency.others()
    chosen = np.random.default_rng(params.seed).permutation(len(rows))[: params.latency_inputs]
    timed = [rows[number] for number in chosen]
    kind = setting.load_kind()
    padded = params.input_size if kind.package.lengths else None
    courses = (
        latency.writing_plans(timed, params.rounds, params.threads, params.batch)
        if kind.generation
        else latency.timing_plans(timed, params.rounds, params.threads, padded, params.batch)
    )
    taken = {course.name: latency.measure(variants, course) for course in courses}
    timings: dict[str, Any] = dict(latency.summarize(taken, courses, reference="teacher"))
    for name, peak in memory.peaks(sources, setting, timed, params.threads).items():
        timings[name]["peak_rss_mb"] = peak
    timings["measured"] = {"inputs": len(timed), "rounds": params.rounds}
    if kind.generation:
        latency.add_pieces(timings, taken, variants, timed)
    timings["hardware"] = latency.hardware(params.threads)
    timings["load"] = {"before": before, "after": latency.load(), "others": others}
    timings["gates"] = gates.of_timings(timings["final"], params.gates.min_speedup)
    return timings


def _write(
    out: Path,
    kind: Seam,
    figures: Mapping[str, Any],
    timings: Mapping[str, Any],
    answers: Mapping[str, np.ndarray],
    truth: Truth,
    rows: Sequence[Row],
) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tasks.benchmark import exhibits, key_figures, metrics, plots, report

    for name in ("out", "plots", "report"):
        (out / name).mkdir()
    ends = np.cumsum(truth.decisions)[:-1]
    columns = {"id": truth.ids, "label": [row["label"] for row in rows]}
    columns |= {
        name: values.tolist()
        if values.dtype.kind == "U"
        else [part.ravel() for part in np.split(values, ends)]
        for name, values in answers.items()
    }
    pq.write_table(pa.table(columns), out / "out" / "predictions.parquet")
    drawn = exhibits.write_plots(out, kind, answers, truth)
    _json(out / "quality.json", key_figures.quality(figures))
    _json(out / "speed.json", key_figures.speed(timings))

    plots.quality_and_latency(
        timings["points"], figures["measured"]["headline"], out / "report" / "quality_latency.png"
    )
    teacher, final = (metrics.per_category(kind, answers[name], truth) for name in ("teacher", "final"))
    mistakes, pictured = exhibits.mistakes(out / "report", kind, answers["final"], truth, rows)
    best = exhibits.best(kind, answers["final"], truth, rows)
    names = kind.quality.category_names(truth.names)
    tables = report.Tables(names, teacher, final, mistakes, pictured, best, drawn)
    (out / "report" / "report.md").write_text(report.markdown(figures, timings, tables), encoding="utf-8")


def _json(file: Path, figures: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
