"""What is measured of a student in a trial: on the validation rows how good it is, how large, how fast, and
what it costs by its graph.

The cost is what the sampler sees in place of the time, which is never twice the same: the multiply-adds of a
typical input, those in float counted as many times as they take longer, and for each node of the graph as
many as it holds up the processor for. It orders shapes; it is told to nobody as a speed. How the two numbers
were found: docs/search.md.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from tasks.benchmark import bootstrap, latency
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.core import tables
from tasks.export import package
from tasks.kinds.base.answers import tensors
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.quality import decided
from tasks.kinds.base.rows import ids_of
from tasks.models import checkpoint, inference, low_rank
from tasks.models.outputs import read as read_outputs

NODE = 40_000
"""int8 multiply-adds that take a core as long as a node takes by itself."""
FLOAT = 2
"""int8 multiply-adds that take as long as one in float."""
INTEGER_OPERATORS = frozenset(
    {"MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "DequantizeLinear"}
)


class Bench:
    """The validation rows, and the teacher's answers to them, in a trial's folder."""

    def __init__(self, ingest: Path, teacher: Path, outputs: Path, params: Any) -> None:
        """`params` are those of the run's benchmark, checked."""
        self._kind, self._params, self._teacher = load_kind(params.kind), params, teacher
        self.labels, self._rows = checkpoint.label_names(ingest), tables.read(ingest / "validation.parquet")
        self._features = self._kind.model.encode(
            self._kind.model.load_processor(teacher), self._rows, self.labels, params.input_size
        )
        self._truth = inference.truth_of(self._features, self.labels, ids_of(self._rows))
        kept = read_outputs(outputs / "validation.safetensors")
        self._answers = kept.of(self._rows, self._features)
        self._setting = Setting(params.kind, self.labels, params.input_size, params.batch, params.seed, "cpu")

    def quality(self, folder: Path) -> dict[str, float]:
        """Of a shippable folder.

        `quality` is its share of the teacher's headline figure, with the bounds of the paired bootstrap.
        """
        shipped = open_variant(Source("final", "onnx", folder), self._setting).predict(self._rows)
        guesses = [decided(shipped), decided(self._answers)]
        figures = self._kind.quality
        counts = [figures.statistics(guess, self._truth) for guess in guesses]
        sums = bootstrap.resampled_sums(counts, self._params.resamples, self._params.seed)
        own, theirs = (figures.headline_of(each) for each in sums)
        headline, best = (float(figures.headline_of(each.sum(0))) for each in counts)
        share = headline / best if best > 0 else 0.0
        low, high = bootstrap.interval(own / np.maximum(theirs, 1e-9))
        sure = torch.from_numpy(np.log(np.maximum(shipped, 1e-9))).float()
        return {
            **{"quality": round(share, 6), "quality_low": round(low, 6), "quality_high": round(high, 6)},
            "headline": round(headline, 6),
            "divergence": round(
                float(self._kind.model.distillation_loss(sure, tensors(self._answers), 1.0)), 6
            ),
            "agreement": round(float((guesses[0] == guesses[1]).mean()), 6),
        }

    def cost(self, student: Path, folder: Path) -> float:
        """Of a checkpoint and the shippable folder made of it."""
        from torch.utils.flop_counter import FlopCounterMode

        model = checkpoint.load_model(student, self._kind, torch.device("cpu"), attn_implementation="eager")
        low_rank.take_apart(model)
        processor = self._kind.model.load_processor(student)
        ordered = sorted(self._features, key=self._kind.model.size)
        typical = self._rows[self._features.index(ordered[len(ordered) // 2])]
        features = self._kind.model.encode(processor, [typical], self.labels, self._params.input_size)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            inference.forward(model, self._kind, processor, features)
        nodes = [node.op_type for node in _graph(folder).node]
        each = 1 if INTEGER_OPERATORS.intersection(nodes) else FLOAT
        return float(each * counter.get_total_flops() / 2 + NODE * len(nodes))

    def speed(self, folder: Path, lock: Path) -> dict[str, float]:
        """As the benchmark's headline.

        Input to answer, batch 1, 1 thread, in rounds with the teacher, on validation rows.
        """
        chosen = np.random.default_rng(self._params.seed).permutation(len(self._rows))[
            : self._params.latency_inputs
        ]
        rows = [self._rows[number] for number in chosen]
        courses = latency.timing_plans(rows, self._params.rounds, 1, None, self._params.batch)
        headline = next(course for course in courses if course.name == latency.HEADLINE)
        sources = [Source("teacher", "torch", self._teacher), Source("final", "onnx", folder)]
        with _alone(lock):
            taken = latency.measure([open_variant(source, self._setting) for source in sources], headline)
        told = latency.summarize({headline.name: taken}, [headline], reference="teacher")
        speeds = {
            name: told["final"][name] for name in ("speedup", "speedup_quartile_1", "speedup_quartile_3")
        }
        return {**speeds, "teacher_ms": told["teacher"]["latency_ms"][headline.name]["p50"]}


def shape(folder: Path) -> str:
    """Two graphs of the same operators on tensors of the same sizes and types have the same shape, and take
    the same time.
    """
    graph = _graph(folder)
    told = [node.op_type for node in graph.node] + [
        f"{one.data_type}{list(one.dims)}" for one in graph.initializer
    ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _graph(folder: Path) -> Any:
    return onnx.load(folder / package.GRAPH, load_external_data=False).graph


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Two trials of one machine must not time at once."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
