"""The teacher that is proposed for texts with a label each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.proposals.proposal import Facts, Value, Work
from tasks.proposals.text import values

FEW_LABELS = 64
"""Rows of a class, in the mean, up to which labels are few (docs/log.md)."""
PROBE = 10.0
FEW_EPOCHS, FEW_BATCH, FEW_RATE = 5, 32, 0.00002
"""Of a teacher whose head begins with a logistic regression."""
SENTENCE_STEPS, SENTENCE_BATCH, SENTENCE_RATE = 500, 32, 0.0003

COMMON: dict[str, Value] = {
    **values.TRAINING,
    "dropout": Value(0.0),
    "freeze": Value("embeddings", "few rows touch few words"),
    "head_epochs": Value(0),
    "lora": Value(None),
    "teachers": Value(1),
    "label_smoothing": Value(0.0),
    "class_weights": Value(None),
}


@dataclass(frozen=True)
class Teacher:
    """Keys of sections of a run, and how much work it is to make."""

    pretrain: Mapping[str, Value]
    finetune: Mapping[str, Value]
    work: Work


def usual(facts: Facts, seen: values.Seen, effort: float) -> Teacher:
    """Trained whole, from a head that begins by chance."""
    rows = len(facts.rows["train"])
    batch = values.batch_size(rows)
    epochs = values.teacher_epochs(facts, batch.value, effort)
    return Teacher(
        {},
        {
            "epochs": epochs,
            "patience": Value(
                epochs.value, "all epochs are trained; the best on the validation rows is kept"
            ),
            "batch_size": batch,
            "learning_rate": Value(0.0001 if batch.value <= 16 else 0.0002, "for this batch size"),
            **COMMON,
        },
        _work(facts, seen, rows * epochs.value, batch.value),
    )


def few_labels(facts: Facts, seen: values.Seen, effort: float) -> Teacher | None:
    """Begun from the encoder's sentence vectors and a logistic regression on them, then trained little; None
    where labels are not few.
    """
    rows, classes = len(facts.rows["train"]), max(1, len(facts.classes))
    if rows > FEW_LABELS * classes:
        return None
    steps = max(1, round(effort * SENTENCE_STEPS))
    few = f"{rows / classes:.0f} rows a class"
    return Teacher(
        {
            "sentence": Value(
                {"steps": steps, "batch_size": SENTENCE_BATCH, "learning_rate": SENTENCE_RATE},
                f"{few}: the classifier begins from the encoder's sentence vectors",
            )
        },
        {
            "epochs": Value(FEW_EPOCHS, f"{few}: more would undo what the encoder knows"),
            "patience": Value(FEW_EPOCHS),
            "batch_size": Value(FEW_BATCH),
            "learning_rate": Value(FEW_RATE, "small, for the same reason"),
            **COMMON,
            "probe": Value(PROBE, "the head begins with a logistic regression"),
        },
        _work(facts, seen, rows * FEW_EPOCHS, FEW_BATCH)
        + _work(facts, seen, steps * SENTENCE_BATCH, SENTENCE_BATCH),
    )


def _work(facts: Facts, seen: values.Seen, texts: int, batch: int) -> Work:
    """Of training on so many texts: twice the parameters for a piece forward, twice that again backward."""
    flops = 6 * facts.layer_parameters * texts * float(seen.lengths.mean())
    return Work(flops / 1e9, texts // batch)
