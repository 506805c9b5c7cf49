"""Measures all that stand in the field, in one process and in turns.

    python -m benchmarks.peers.measure JOB OUT

Runs in the measuring environment. The job names the variants and the run's values; what comes out is written
as JSON: figures with intervals and timings of each variant, how much faster each student is than each peer,
and what could not be opened or did not answer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import forms, ratios
from benchmarks.peers.environments import tail
from tasks.benchmark import latency, memory, metrics
from tasks.benchmark import stage as benchmark
from tasks.benchmark.forms.variants import Setting, Source, Variant, open_variant
from tasks.core import tables
from tasks.core.errors import ModelError
from tasks.kinds.base.kind import Row
from tasks.models import checkpoint, compute, inference

TEACHER, BASELINE = "teacher", "baseline"


def measure(job: Mapping[str, Any]) -> dict[str, Any]:
    params = benchmark.Params.model_validate(job["benchmark"])
    compute.prepare(params.seed, params.threads, "cpu")
    ingest, teacher = Path(job["ingest"]), Path(job["teacher"])
    labels, rows = checkpoint.label_names(ingest), tables.read(ingest / f"{params.split}.parquet")
    setting = Setting(params.kind, labels, params.input_size, params.batch, params.seed, "cpu")
    given = [Source(one["name"], one["form"], Path(one["folder"])) for one in job["sources"]]
    sources = [Source(BASELINE, "linear", ingest), Source(TEACHER, "torch", teacher), *given]
    opened, answers, failed = _opened(sources, setting, rows)

    kind = setting.load_kind()
    features = kind.model.encode(kind.model.load_processor(teacher), rows, labels, params.input_size)
    truth = inference.truth_of(features, labels)
    figures: dict[str, Any] = dict(metrics.quality(kind, answers, truth, params.resamples, params.seed))
    sizes = {variant.name: variant.bytes for variant in opened}
    for name, size in sizes.items():
        figures[name] |= {"bytes": size, "size_ratio": round(sizes[TEACHER] / size, 3)}
    kept = [source for source in sources if source.name in answers]
    timings, against = _timings(kept, opened, setting, rows, params, job)
    measured = {
        "headline": kind.quality.headline,
        "rows": len(rows),
        "resamples": params.resamples,
        "rounds": params.rounds,
    }
    return {
        "figures": figures,
        "timings": timings,
        "against": against,
        "failed": failed,
        "measured": measured,
    }


def _opened(
    sources: Sequence[Source], setting: Setting, rows: Sequence[Row]
) -> tuple[list[Variant], dict[str, np.ndarray], dict[str, str]]:
    """Those that open and answer all rows, their answers, and what the others said.

    The teacher and the baseline must.
    """
    opened, answers, failed = [], {}, {}
    for source in sources:
        try:
            variant = open_variant(source, setting)
            answers[source.name] = np.round(variant.predict(rows), 6)
            opened.append(variant)
        except Exception as error:
            if source.name in {TEACHER, BASELINE}:
                raise
            failed[source.name] = tail(f"opening or asking it: {type(error).__name__}: {error}")
    return opened, answers, failed


def _timings(
    sources: Sequence[Source],
    opened: Sequence[Variant],
    setting: Setting,
    rows: Sequence[Row],
    params: benchmark.Params,
    job: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    before, others = latency.load(), latency.others()
    chosen = np.random.default_rng(params.seed).permutation(len(rows))[: params.latency_inputs]
    timed = [rows[number] for number in chosen]
    courses = latency.timing_plans(timed, params.rounds, params.threads, params.input_size, params.batch)
    taken = {course.name: latency.measure(opened, course) for course in courses}
    timings: dict[str, Any] = dict(latency.summarize(taken, courses, reference=TEACHER))
    for source in sources:
        timings[source.name]["peak_rss_mb"] = _peak(source, setting, timed)
    timings["hardware"] = latency.hardware(params.threads)
    timings["load"] = {"before": before, "after": latency.load(), "others": others}
    return timings, ratios.against(
        taken, job["students"], [name for name in job["peers"] if name in taken[latency.HEADLINE]]
    )


def _peak(source: Source, setting: Setting, rows: Sequence[Row]) -> float | None:
    """None where it could not be measured, which is no reason to lose the rest."""
    try:
        return memory.peaks([source], replace(setting, device="cpu"), rows, at_once=1, module=forms.MODULE)[
            source.name
        ]
    except ModelError as error:
        print(error, file=sys.stderr)
        return None


if __name__ == "__main__":
    result = measure(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")
