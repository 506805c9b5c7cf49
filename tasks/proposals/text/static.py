"""Static embeddings as the student of texts with a label each: what preset fast proposes."""

from __future__ import annotations

from typing import Any

from tasks.proposals.proposal import Facts, Value, Work, epochs_of
from tasks.proposals.text import values
from tasks.proposals.text.student import Student, gates

POOL_TEXTS = 50_000
ALL_PIECES = 31_000
"""A table of so many rows is small enough."""
BATCH, LEARNING_RATE, DROPOUT = 128, 0.003, 0.2
STEPS = 1_200
"""Of distillation, at least."""
HIDDEN = 256
"""Of the layer behind the sum."""
QUALITY, SPEEDUP = 0.9, 100.0
BYTES_OF_A_PIECE, OTHER_BYTES = 28, 30_000
"""Of a folder: a piece in the tokenizer and the scale of its row; and the graph."""
STEPS_OF_A_TABLE = 3
"""A step that updates a whole table takes as long as so many others."""
ALONE = 3
"""Pieces that the teacher reads to say what one means: it, and the special ones around it."""
REPEATS = 4
"""Of labelled rows in an epoch, beside a pool."""
COPIES = 6
"""Variations of a row, where there is no pool."""
SPACE: dict[str, list[Any]] = {
    "prune.static": [{"width": width, "hidden": HIDDEN} for width in (64, 128, 192)],
    "distill.learning_rate": [0.001, 0.003],
    "distill.dropout": [0.1, 0.2, 0.3],
    "quantize.embeddings": ["int8", "int4"],
}
NO_LAYERS = {key: Value(None) for key in ("layers_by", "importance", "measured", "recovery")}


def student(facts: Facts, seen: values.Seen, effort: float) -> Student:
    """The student for some rows, and what it takes."""
    rows, pool = len(facts.rows["train"]), min(len(facts.rows["pool"]), round(effort * POOL_TEXTS))
    copies = 0 if pool else max(1, round(COPIES * effort))
    repeats = REPEATS if pool else 1
    read = rows * (repeats + copies) + pool
    epochs = epochs_of(effort * STEPS, read, BATCH, most=20)
    width = 64 if pool else 128
    most = min(ALL_PIECES, values.teachers_pieces(facts))
    pieces = values.vocabulary(seen, most, len(facts.vocabulary))
    answered = rows * copies * float(seen.lengths.mean()) + ALONE * pieces.value
    folder = (
        pieces.value * (width + BYTES_OF_A_PIECE) + 2 * HIDDEN * (width + len(facts.classes)) + OTHER_BYTES
    )
    return Student(
        {
            "static": Value({"width": width, "hidden": HIDDEN}, "a table of pieces instead of layers"),
            "vocabulary": pieces,
            **NO_LAYERS,
        },
        {
            **values.distillation(epochs, read, BATCH, LEARNING_RATE, repeats, pool),
            "dropout": Value(DROPOUT),
            "rewording": _rewording(copies),
        },
        {**values.QUANTIZE, "graph": Value("exported"), "format": Value("fp16"), "embeddings": Value("int8")},
        gates(QUALITY, SPEEDUP, folder),
        Work(2 * facts.layer_parameters * answered / 1e9, STEPS_OF_A_TABLE * epochs * read // BATCH),
    )


def _rewording(copies: int) -> Value:
    """The order of words, which nothing here reads, is not varied."""
    if not copies:
        return Value(None)
    varied = {"copies": copies, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.0}
    return Value(varied, "no pool: variations that the teacher labels")
