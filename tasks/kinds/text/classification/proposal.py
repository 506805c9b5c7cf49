"""The run that is proposed for texts with a label each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.kinds.base.proposal import (
    Facts,
    Plan,
    Preset,
    Proposal,
    Value,
    Wish,
    epochs_of,
)
from tasks.kinds.text.common import proposal_columns as columns
from tasks.kinds.text.common import proposal_values as values

MANY_CLASSES = 20
LEARNING_RATE = 0.0007
"""Of distillation."""
ENOUGH_ROWS = 3_000
"""Training rows from which on variations of them help no more (docs/log.md)."""
VARIED_EPOCHS, MOST_COPIES = 4, 20
BATCH = 32
"""Rows of a step of distillation."""
POOL_TEXTS = 20_000


@dataclass(frozen=True)
class Size:
    """A student, and the gates that it should pass."""

    layers: int
    hidden: int
    ffn: int
    vocabulary: int
    """Pieces at most."""
    steps: int
    """Of distillation, at least."""
    quality: float
    """Of the teacher's headline metric, at least."""
    speedup: float


SIZES: Mapping[tuple[Preset, bool], Size] = {
    ("fast", False): Size(2, 192, 256, 8_000, 900, 0.93, 20.0),
    ("fast", True): Size(2, 256, 384, 8_000, 1_100, 0.93, 14.0),
    ("balanced", False): Size(3, 256, 512, 12_000, 1_100, 0.97, 12.0),
    ("balanced", True): Size(3, 320, 640, 12_000, 1_400, 0.97, 10.0),
    ("best", False): Size(4, 320, 768, 16_000, 1_800, 0.98, 8.0),
    ("best", True): Size(4, 384, 1024, 16_000, 2_400, 0.98, 6.0),
}
"""By preset, and whether there are many classes."""
SPACE: dict[str, list[Any]] = {
    "prune.layers": [2, 3, 4],
    "prune.hidden": [192, 256, 320, 384],
    "prune.ffn": [256, 384, 512, 768],
    "distill.learning_rate": [0.0005, 0.0007, 0.001],
    "quantize.embeddings": ["as_format", "int4"],
}
HEAD_BYTES = 120_000
"""Tokenizer, graph and head of a folder, beside its matrices."""


def plan(facts: Facts, wish: Wish) -> Plan:
    """The values of a run, how long it will take, and what to know of it."""
    seen = values.Seen.of(facts)
    many = len(facts.classes) > MANY_CLASSES
    size = SIZES[wish.preset, many]
    rows, pool = len(facts.rows["train"]), min(len(facts.rows["pool"]), POOL_TEXTS)
    batch = values.batch_size(rows)
    epochs = values.teacher_epochs(facts, batch.value, wish.effort)
    student = _student(facts, seen, size, many)
    distill = _distill(rows, pool, wish.effort * size.steps)
    tokens = float(seen.lengths.mean())
    gigaflops = _gigaflops(facts.layer_parameters, rows, pool, tokens, epochs.value, distill, student)
    return Plan(
        {
            "input_size": values.input_size(seen),
            "pretrain": values.teacher(facts),
            "finetune": _finetune(facts, batch, epochs, pool),
            "prune": student,
            "distill": distill,
            "quantize": values.QUANTIZE,
            "benchmark": {"gates": _gates(size, student)},
        },
        minutes=gigaflops * wish.seconds_per_gigaflop / 60 + values.OTHER_MINUTES,
        remarks=values.remarks(facts, seen),
        space=SPACE,
    )


def _finetune(facts: Facts, batch: Value, epochs: Value, pool: int) -> dict[str, Value]:
    return {
        "epochs": epochs,
        "patience": Value(epochs.value, "all epochs are trained; the best on the validation rows is kept"),
        "batch_size": batch,
        "learning_rate": Value(0.0001 if batch.value <= 16 else 0.0002, "for this batch size"),
        **values.TRAINING,
        "dropout": Value(0.0),
        "freeze": Value("embeddings", "few rows touch few words"),
        "head_epochs": Value(0),
        "lora": Value(None),
        "teachers": Value(1),
        "label_smoothing": Value(0.0),
        "class_weights": values.class_weights(facts),
        "pool_outputs": Value(pool, "texts of the pool that the teacher labels"),
    }


def _student(facts: Facts, seen: values.Seen, size: Size, many: bool) -> dict[str, Value]:
    why = f"{len(facts.classes)} classes: {'many, so wider' if many else 'few'}"
    return {
        "layers": Value(size.layers),
        "hidden": Value(size.hidden, why),
        "ffn": Value(size.ffn),
        "vocabulary": values.vocabulary(seen, size.vocabulary, len(facts.vocabulary)),
        "layers_by": Value("spread"),
        "importance": Value("taylor"),
        "measured": Value({"batches": 20, "batch_size": 32}),
        "recovery": Value(None),
    }


def _distill(rows: int, pool: int, steps: float) -> dict[str, Value]:
    if pool or rows >= ENOUGH_ROWS:
        epochs = max(1 if pool else 3, epochs_of(steps, rows + pool, BATCH, most=10))
        return values.distillation(epochs, rows + pool, BATCH, LEARNING_RATE, 1, pool)
    copies = max(2, min(MOST_COPIES, round(steps * BATCH / (VARIED_EPOCHS * rows)) - 1))
    learnt = values.distillation(VARIED_EPOCHS, rows * (1 + copies), BATCH, LEARNING_RATE, 1, 0)
    varied = {"copies": copies, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.05}
    return {**learnt, "rewording": Value(varied, "few rows and no pool: variations that the teacher labels")}


def _gates(size: Size, student: Mapping[str, Value]) -> Value:
    per_layer = 4 * size.hidden**2 + 2 * size.hidden * size.ffn
    pieces = student["vocabulary"].value
    bytes_ = size.layers * per_layer + pieces * size.hidden // 2 + 24 * pieces + HEAD_BYTES
    gates = {
        "min_quality_ratio": size.quality,
        "min_speedup": size.speedup,
        "max_bytes": int(round(values.SLACK * bytes_, -4)),
    }
    return Value(gates, "what the preset promises")


def _gigaflops(
    large: int,
    rows: int,
    pool: int,
    tokens: float,
    teacher_epochs: int,
    distill: Mapping[str, Value],
    student: Mapping[str, Value],
) -> float:
    """Of all trainings: twice the parameters for a token forward, as much again twice backward."""
    width, ffn = student["hidden"].value, student["ffn"].value
    small = student["layers"].value * (4 * width**2 + 2 * width * ffn)
    teacher = large * (6 * rows * teacher_epochs + 2 * pool)
    varied = (distill["rewording"].value or {"copies": 0})["copies"]
    learnt = distill["epochs"].value * (rows * (1 + varied) + pool)
    flops: float = tokens * (teacher + learnt * (6 * small + 2 * large))
    return flops / 1e9


PROPOSAL = Proposal(columns.recognise, plan, pretrained=None, longest=values.LONGEST_INPUT, noun="texts")
