"""A cut transformer as the student of texts with a label each: what presets balanced and best propose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.proposals.proposal import Facts, Preset, Value, Work, epochs_of, fewest_epochs
from tasks.proposals.text import values
from tasks.proposals.text.student import Student, gates

MANY_CLASSES = 20
LEARNING_RATE = 0.0007
ENOUGH_ROWS = 3_000
"""Training rows from which on variations of them help no more (docs/log.md)."""
RELATIONS = {"weight": 30.0, "layer": 1, "heads": 16}
MOST_CACHED = 1_000_000
"""Pieces whose states are cached: 2.3 GB on disk for a teacher 384 wide."""
VARIED_EPOCHS, MOST_COPIES = 4, 20
BATCH = 32
STUDENTS_SHARE = 0.5
"""The power of an effort below the usual one: a student's step costs a fraction of its teacher's."""
POOL_TEXTS = 20_000
HEAD_BYTES = 120_000
"""Tokenizer, graph and head of a folder, beside its matrices."""


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
    ("balanced", False): Size(3, 256, 512, 12_000, 1_100, 0.97, 12.0),
    ("balanced", True): Size(3, 320, 640, 10_000, 1_400, 0.97, 10.0),
    ("best", False): Size(4, 320, 768, 16_000, 1_800, 0.98, 8.0),
    ("best", True): Size(4, 384, 1024, 16_000, 2_400, 0.98, 6.0),
}
"""By preset, and whether there are many classes."""
OF_DEEP: Mapping[Preset, Size] = {  # a larger student is still that much faster
    "balanced": Size(4, 320, 768, 10_000, 2_000, 0.97, 12.0),
    "best": Size(6, 384, 1024, 16_000, 2_400, 0.98, 8.0),
}
SPACE: dict[str, list[Any]] = {
    "prune.layers": [2, 3, 4],
    "prune.hidden": [192, 256, 320, 384],
    "prune.ffn": [256, 384, 512, 768],
    "distill.learning_rate": [0.0005, 0.0007, 0.001],
    "quantize.embeddings": ["as_format", "int4"],
}


def student(facts: Facts, seen: values.Seen, preset: Preset, effort: float) -> Student:
    """The student for some rows, and what it takes."""
    many = len(facts.classes) > MANY_CLASSES
    deep = facts.layer_parameters > values.DEEP
    size = OF_DEEP[preset] if deep else SIZES[preset, many]
    why = f"{len(facts.classes)} classes: {'many, so wider' if many else 'few'}"
    if deep:
        why = f"the teacher's layers have {facts.layer_parameters / 1e6:.0f} M weights"
    rows, pool = len(facts.rows["train"]), min(len(facts.rows["pool"]), POOL_TEXTS)
    distill = _distill(rows, pool, effort**STUDENTS_SHARE * size.steps)
    layers = size.layers * (4 * size.hidden**2 + 2 * size.hidden * size.ffn)
    pieces = values.vocabulary(seen, size.vocabulary, len(facts.vocabulary))
    copies = (distill["rewording"].value or {"copies": 0})["copies"]
    epochs, texts = distill["epochs"].value, rows * (1 + copies) + pool
    length = float(seen.lengths.mean())
    distill["relations"] = _relations(epochs, length * texts)
    asked = 1 if "cached" in distill["relations"].value else epochs
    # Twice the parameters for a piece forward, twice as much again backward; of the teacher only forward.
    flops = length * texts * (6 * layers * epochs + 2 * facts.layer_parameters * asked)
    return Student(
        {
            "layers": Value(size.layers),
            "hidden": Value(size.hidden, why),
            "ffn": Value(size.ffn),
            "vocabulary": pieces,
            "layers_by": Value("spread"),
            "importance": Value("taylor"),
            "measured": Value({"batches": 20, "batch_size": 32}),
            "recovery": Value(None),
        },
        distill,
        values.QUANTIZE,
        gates(size.quality, size.speedup, layers + pieces.value * (size.hidden // 2 + 24) + HEAD_BYTES),
        Work(flops / 1e9, epochs * texts // BATCH),
    )


def _distill(rows: int, pool: int, steps: float) -> dict[str, Value]:
    if pool or rows >= ENOUGH_ROWS:
        least = 1 if pool else fewest_epochs(3, steps, rows, BATCH)
        epochs = max(least, epochs_of(steps, rows + pool, BATCH, most=10))
        return values.distillation(epochs, rows + pool, BATCH, LEARNING_RATE, 1, pool)
    copies = max(2, min(MOST_COPIES, round(steps * BATCH / (VARIED_EPOCHS * rows)) - 1))
    learnt = values.distillation(VARIED_EPOCHS, rows * (1 + copies), BATCH, LEARNING_RATE, 1, 0)
    varied = {"copies": copies, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.05}
    return {**learnt, "rewording": Value(varied, "few rows and no pool: variations that the teacher labels")}


def _relations(epochs: int, pieces: float) -> Value:
    """To a teacher that answers texts of so many pieces."""
    if epochs == 1 or pieces > MOST_CACHED:
        return Value(RELATIONS)
    return Value({**RELATIONS, "cached": True}, f"the teacher reads each text once instead of {epochs} times")
