"""The teacher that is proposed for texts with a label each, and what its head begins with.

The figures behind the rules are in docs/log.md, "Where a teacher begins".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.proposals.proposal import Facts, Value, Work, epochs_of, fewest_epochs
from tasks.proposals.text import values

FEW_LABELS = 64
"""Rows of a class, in the mean, up to which labels are few (docs/log.md)."""
MANY_ROWS = 3_000
"""That train, from which on a head that begins by chance takes more steps."""
PROBE = 10.0
FEW_EPOCHS, FEW_RATE = 5, 0.00002
RATE, FEWEST_EPOCHS, MOST_EPOCHS = 0.0001, 3, 6
STEPS, STEPS_OF_A_CLASS = 300, 6
"""Of training, at least, where labels are not few."""
CHANCE_STEPS, CHANCE_STEPS_OF_A_CLASS = 400, 25
"""The same of a head that begins by chance."""
BATCH, SMALL_BATCH = 32, 16
SENTENCE_STEPS, SENTENCE_RATE = 500, 0.0003


@dataclass(frozen=True)
class Teacher:
    """Keys of sections of a run, and how much work it is to make."""

    pretrain: Mapping[str, Value]
    finetune: Mapping[str, Value]
    work: Work


def teacher(facts: Facts, seen: values.Seen, effort: float) -> Teacher:
    """The teacher for some rows.

    Where neither labels are few nor rows many, nor the pretrained model deep, a head that begins by chance
    has learnt as much in fewer steps.
    """
    rows, classes = len(facts.rows["train"]), max(1, len(facts.classes))
    few = rows <= FEW_LABELS * classes
    if few or rows >= MANY_ROWS or facts.layer_parameters > values.DEEP:
        return _begun(facts, seen, effort, few)
    epochs = _epochs(rows, classes, CHANCE_STEPS + CHANCE_STEPS_OF_A_CLASS * classes, effort, SMALL_BATCH, 30)
    batch = Value(SMALL_BATCH, f"{rows:,} training rows")
    trained = _finetune(epochs, batch, Value(RATE, "for this batch size"))
    return Teacher({}, trained, _work(facts, seen, rows * epochs.value, SMALL_BATCH))


def _begun(facts: Facts, seen: values.Seen, effort: float, few: bool) -> Teacher:
    """A teacher that begins from the encoder's sentence vectors and a logistic regression on them."""
    rows, classes = len(facts.rows["train"]), max(1, len(facts.classes))
    steps = max(1, round(effort * SENTENCE_STEPS))
    sentence = {"steps": steps, "batch_size": BATCH, "learning_rate": SENTENCE_RATE}
    why = "the classifier begins from the encoder's sentence vectors"
    if few:
        why = f"{rows / classes:.0f} rows a class: {why}"
        epochs = Value(FEW_EPOCHS, "more would undo what the encoder knows")
        rate = Value(FEW_RATE, "small, for the same reason")
    else:
        epochs = _epochs(rows, classes, STEPS + STEPS_OF_A_CLASS * classes, effort, BATCH, MOST_EPOCHS)
        rate = Value(RATE)
    probe = {"probe": Value(PROBE, "the head begins with a logistic regression")}
    return Teacher(
        {"sentence": Value(sentence, why)},
        {**_finetune(epochs, Value(BATCH), rate), **probe},
        _work(facts, seen, rows * epochs.value, BATCH) + _work(facts, seen, steps * BATCH, BATCH),
    )


def _epochs(rows: int, classes: int, usual: float, effort: float, batch: int, most: int) -> Value:
    """Enough steps for the number of classes, whatever the number of rows."""
    steps = effort * usual
    fewest = max(1, round(effort * FEWEST_EPOCHS))
    epochs = max(fewest_epochs(fewest, steps, rows, batch), epochs_of(steps, rows, batch, most=most))
    done = epochs * -(-rows // batch)
    return Value(epochs, f"{done:,} steps: {rows:,} rows in batches of {batch}, {classes} classes")


def _finetune(epochs: Value, batch: Value, rate: Value) -> dict[str, Value]:
    return {
        "epochs": epochs,
        "patience": Value(epochs.value, "all epochs are trained; the best on the validation rows is kept"),
        "batch_size": batch,
        "learning_rate": rate,
        **values.TRAINING,
        "dropout": Value(0.0),
        "freeze": Value("embeddings", "few rows touch few words"),
        "head_epochs": Value(0),
        "lora": Value(None),
        "teachers": Value(1),
        "label_smoothing": Value(0.0),
        "class_weights": Value(None),
    }


def _work(facts: Facts, seen: values.Seen, texts: int, batch: int) -> Work:
    """Of training on so many texts: twice the parameters for a piece forward, twice that again backward."""
    flops = 6 * facts.layer_parameters * texts * float(seen.lengths.mean())
    return Work(flops / 1e9, texts // batch)
