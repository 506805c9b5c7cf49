"""What is timed, each job giving the seconds of one series or several.

The stages are the true ones, with a watch put to them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.costs.workshop import Place, Workshop
from tasks.core import tables
from tasks.kinds.base.kind import Row

RELATIONS = {"weight": 30.0, "layer": 1, "heads": 16}
LOGITS_ONLY = {"epochs": 1, "patience": 1, "soup": 1, "repeats": 1, "pool": 0, "hidden": None}
QUICK = {"split": "validation", "rounds": 3, "latency_inputs": 3}
"""Of a benchmark: as latency does not grow with the rows, the fewest rounds and a few inputs of it will do.
"""


def label(shop: Workshop, place: Place) -> dict[str, float]:
    """Tokenizer and model, from texts to logits."""
    rows = tables.read(place.learnt / "train.parquet")
    model, processor = shop.loaded(place.model), shop.kind.model.load_processor(place.model)
    begun = time.perf_counter()
    shop.answers(model, processor, shop.kind.model.encode(processor, rows, shop.labels, place.point.tokens))
    return {"labelling": time.perf_counter() - begun}


def distil(shop: Workshop, place: Place) -> dict[str, float]:
    return {"distilling": _distilled(shop, place, None)}


def distil_with_relations(shop: Workshop, place: Place) -> dict[str, float]:
    return {"distilling with relations": _distilled(shop, place, RELATIONS)}


def _distilled(shop: Workshop, place: Place, relations: dict[str, Any] | None) -> float:
    """Of the steps of an epoch, from the first batch to the last change of the weights."""
    from tasks.distill import stage as distill

    changed = {
        **LOGITS_ONLY,
        "relations": relations,
        "rewording": None,
        "input_size": place.point.tokens,
    }
    replaced = {"ingest/out": place.learnt, "prune/out": place.model, "finetune/outputs": place.outputs}
    with _emptied(shop.home / "distill") as home, _steps_watched() as times:
        distill.run(
            shop.bench.inputs("distill", replaced), shop.params("distill", changed), home, home / "scratch"
        )
    return times[-1] - times[0]


def judge(shop: Workshop, place: Place) -> dict[str, float]:
    """The whole stage, and of it the answers of all variants to all rows."""
    from tasks.benchmark import stage as benchmark

    replaced = {"ingest/out": place.judged, "quantize/out": place.final} | dict.fromkeys(
        ("prune/out", "distill/out"), place.model
    )
    params = shop.params("benchmark", {**QUICK, "input_size": place.point.tokens})
    with _emptied(shop.home / "benchmark") as home, _answers_watched() as answers:
        begun = time.perf_counter()
        benchmark.run(shop.bench.inputs("benchmark", replaced), params, home, home / "scratch")
        whole = time.perf_counter() - begun
    return {"benchmarking": whole, "answers of a benchmark": sum(answers)}


JOBS: dict[str, Callable[[Workshop, Place], dict[str, float]]] = {
    "labelling": label,
    "distilling": distil,
    "distilling with relations": distil_with_relations,
    "benchmarking": judge,
}
"""By the first of its series."""
SELDOM = {"benchmarking"}
"""Those that take so long that every other round has to do."""


@contextmanager
def _emptied(home: Path) -> Iterator[Path]:
    (home / "scratch").mkdir(parents=True)
    yield home
    shutil.rmtree(home)


@contextmanager
def _steps_watched() -> Iterator[list[float]]:
    """The moments at which each step of a training began, and at which it looked at the validation rows."""
    from tasks.training import loop

    fit, times = loop.fit, list[float]()

    def watched(model: Any, plan: Any, objective: loop.Objective, *rest: Any) -> Any:
        def forward(rows: list[int]) -> Any:
            times.append(time.perf_counter())
            return objective.forward(rows)

        def evaluate() -> loop.Figures:
            times.append(time.perf_counter())
            return objective.evaluate()

        return fit(model, plan, replace(objective, forward=forward, evaluate=evaluate), *rest)

    with patch.object(loop, "fit", watched):
        yield times


@contextmanager
def _answers_watched() -> Iterator[list[float]]:
    """The seconds that each variant took to answer all rows."""
    from tasks.benchmark.forms import variants

    open_variant, taken = variants.open_variant, list[float]()

    def watched(source: variants.Source, setting: variants.Setting) -> variants.Variant:
        variant = open_variant(source, setting)
        predict = variant.predict

        def timed(rows: Sequence[Row]) -> Any:
            begun = time.perf_counter()
            answers = predict(rows)
            taken.append(time.perf_counter() - begun)
            return answers

        variant.predict = timed  # type: ignore[method-assign]
        return variant

    with patch.object(variants, "open_variant", watched):
        yield taken
