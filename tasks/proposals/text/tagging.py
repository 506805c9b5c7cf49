"""The run that is proposed for texts whose words have tags, or with spans of entities."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.kinds.text.common.words import PATTERNS
from tasks.kinds.text.tagging import spans
from tasks.proposals.proposal import (
    Column,
    Facts,
    Guess,
    Plan,
    Preset,
    Proposal,
    Table,
    Value,
    Wish,
    Work,
    epochs_of,
)
from tasks.proposals.text import values

TAG = re.compile(r"O|[BIESLU]-\S+")
LOOKED_AT = 200
LONGEST_ROW = 60
"""Words up to which rows stay whole."""
SIZES: Mapping[Preset, tuple[int, int, int]] = {
    "fast": (3, 256, 512),
    "balanced": (4, 384, 704),
    "best": (6, 384, 704),
}
"""Layers, hidden width and feed-forward channels."""
GATES: Mapping[Preset, tuple[float, float]] = {
    "fast": (0.85, 9.0),
    "balanced": (0.9, 5.0),
    "best": (0.92, 4.0),
}
"""Of the teacher's headline metric, and times its speed, at least."""
TEACHER_STEPS = 900
STUDENT_STEPS = 1_500
SPACE: dict[str, list[Any]] = {
    "prune.layers": [3, 4, 6],
    "prune.hidden": [256, 320, 384],
    "prune.ffn": [512, 704, 1024],
    "distill.learning_rate": [0.0002, 0.0003, 0.0005],
}
POOL_TEXTS = 20_000
BATCH = 16
MOST_PIECES = 12_000
BYTES_OF_A_PIECE = 24
"""In the tokenizer of a folder."""
HEAD_BYTES = 150_000


def recognise(table: Table) -> Guess | None:
    """Words and their tags, or a running text and spans."""
    named_first = sorted(table.columns, key=str.isdecimal)
    tags = table.named("tags") or next((n for n in named_first if _are_tags(table.columns[n])), None)
    if tags is not None:
        return _of_tags(table, tags)
    located = table.named("spans") or next((n for n, one in table.columns.items() if _are_spans(one)), None)
    if located is None:
        return None
    text = table.named("text") or next(
        (name for name, one in table.columns.items() if one.words >= 2 and one.listed == 0), None
    )
    if text is None:
        return None
    return Guess(
        0.7,
        {"text": text, "spans": located},
        f"`{text}` holds texts, `{located}` the spans of entities in them",
        _ingest(table.columns[text].words),
        _options("bio", "unicode", table.columns[text].words),
        settle=_offsets,
    )


def _offsets(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    unit, end = spans.best_reading(rows, PATTERNS["unicode"])
    return {"offsets": unit, "span_end": end}


def _of_tags(table: Table, tags: str) -> Guess | None:
    shape = [len(one) for one in _sequences(table.columns[tags])]
    tokens = table.named("tokens") or _words_of(table, tags)
    if tokens is None or not shape:
        return None
    scheme, words = _scheme(table.columns[tags]), sum(shape) / len(shape)
    return Guess(
        0.9,
        {"tokens": tokens, "tags": tags},
        f"`{tokens}` holds words, `{tags}` a tag for each ({scheme})",
        _ingest(words),
        _options(scheme, "white_space", words),
    )


def _words_of(table: Table, tags: str) -> str | None:
    """The column of words: of those that have one for each tag, the most varied. In CoNLL-U numbers of words
    come first, and lemmas and parts of speech after the words.
    """
    columns = [
        one
        for one in table.columns.values()
        if one.name != tags and not _are_tags(one) and one.words >= 0.8 * table.columns[tags].words
    ]
    return max(columns, key=lambda one: (one.distinct, not one.name.isdecimal())).name if columns else None


def _ingest(words: float) -> dict[str, Value]:
    return {
        "near_duplicates": Value(0.8),
        "pool_words": Value(int(min(200, max(12, 2 * words))), f"a row has {words:.0f} words in the mean"),
    }


def _options(scheme: str, words: str, mean: float) -> dict[str, Any]:
    return {
        "scheme": scheme,
        "broken": "repair",
        "words": words,
        "offsets": "code_points",
        "span_end": "exclusive",
        "longest": int(max(LONGEST_ROW, min(200, 4 * mean))),
        "outside_weight": 0.3,
        "subwords": "first",
    }


def _sequences(column: Column) -> list[list[Any]]:
    """The lists of some values: JSON, or words separated by spaces."""
    found = []
    for value, _ in column.top[:LOOKED_AT]:
        if value.startswith("["):
            try:
                listed = json.loads(value)
            except ValueError:
                return []
            found.append(listed if isinstance(listed, list) else [listed])
        else:
            found.append(value.split())
    return found


def _are_tags(column: Column) -> bool:
    tags = [str(tag) for sequence in _sequences(column) for tag in sequence]
    return len(tags) > 1 and "O" in tags and all(map(TAG.fullmatch, tags))


def _are_spans(column: Column) -> bool:
    found = [span for sequence in _sequences(column) for span in sequence] if column.listed > 0.9 else []
    return len(found) > 1 and all(
        ({"start", "end"} <= span.keys())
        if isinstance(span, dict)
        else isinstance(span, list) and len(span) == 3 and isinstance(span[0], int)
        for span in found
    )


def _scheme(column: Column) -> str:
    """How tags mark entities. In IOB1 one begins with I-, unless another of its type ends just before it."""
    sequences = [[str(tag) for tag in one] for one in _sequences(column)]
    if any(tag[:2] in ("E-", "S-", "L-", "U-") for one in sequences for tag in one):
        return "bioes"
    pairs = [pair for one in sequences for pair in zip(["O", *one], one, strict=False)]
    begun = sum(tag.startswith("B-") for _, tag in pairs)
    inside = sum(tag.startswith("I-") and before[2:] != tag[2:] for before, tag in pairs)
    return "iob1" if inside > begun else "bio"


def plan(facts: Facts, wish: Wish) -> Plan:
    """The values of a run, how long it will take, and what to know of it."""
    seen = values.Seen.of(facts)
    rows, pool = len(facts.rows["train"]), min(len(facts.rows["pool"]), POOL_TEXTS)
    epochs = max(3, epochs_of(wish.effort * TEACHER_STEPS, rows, BATCH, most=30))
    repeats = 4 if pool else 1
    learnt = rows * repeats + pool
    passes = epochs_of(wish.effort * STUDENT_STEPS, learnt, BATCH, most=40)
    layers, hidden, ffn = SIZES[wish.preset]
    student = layers * (4 * hidden**2 + 2 * hidden * ffn)
    vocabulary = values.vocabulary(seen, MOST_PIECES, len(facts.vocabulary))
    teacher = facts.layer_parameters * (6 * rows * epochs + 2 * pool)
    flops = float(seen.lengths.mean()) * (teacher + 6 * student * passes * learnt)
    work = Work(flops / 1e9, (epochs * rows + passes * learnt) // BATCH)
    folder = student + vocabulary.value * (hidden + BYTES_OF_A_PIECE) + HEAD_BYTES
    return Plan(
        {
            "input_size": values.input_size(seen),
            "pretrain": values.teacher(facts),
            "finetune": _finetune(epochs, rows, pool),
            "prune": _prune(wish.preset, vocabulary),
            "distill": values.distillation(passes, learnt, BATCH, 0.0003, repeats, pool),
            "quantize": {**values.QUANTIZE, "graph": Value("exported"), "embeddings": Value("as_format")},
            "benchmark": {"gates": _gates(wish.preset, folder)},
        },
        minutes=wish.minutes_of(work, values.OTHER_MINUTES),
        remarks=values.remarks(facts, seen),
        space=SPACE,
    )


def _finetune(epochs: int, rows: int, pool: int) -> dict[str, Value]:
    steps = epochs * -(-rows // BATCH)
    return {
        "epochs": Value(epochs, f"{steps:,} steps: {rows:,} rows in batches of {BATCH}"),
        "patience": Value(epochs),
        "batch_size": Value(BATCH),
        "learning_rate": Value(0.0003),
        **values.TRAINING,
        "dropout": Value(0.1),
        "freeze": Value("none", "entities are rare words"),
        "head_epochs": Value(0),
        "lora": Value(None),
        "teachers": Value(1),
        "label_smoothing": Value(0.0),
        "class_weights": Value(None),
        "pool_outputs": Value(pool, "texts of the pool that the teacher tags"),
    }


def _prune(preset: Preset, vocabulary: Value) -> dict[str, Value]:
    layers, hidden, ffn = SIZES[preset]
    return {
        "layers": Value(layers),
        "hidden": Value(hidden),
        "ffn": Value(ffn),
        "vocabulary": vocabulary,
        "layers_by": Value("spread"),
        "importance": Value("taylor"),
        "measured": Value({"batches": 20, "batch_size": 32}),
        "recovery": Value(None),
    }


def _gates(preset: Preset, folder: float) -> Value:
    quality, speedup = GATES[preset]
    gates = {
        "min_quality_ratio": quality,
        "min_speedup": speedup,
        "max_bytes": int(round(values.SLACK * folder, -4)),
    }
    return Value(gates, "what the preset promises")


PROPOSAL = Proposal(
    recognise, plan, pretrained=None, longest=values.LONGEST_INPUT, noun="texts", general_texts=True
)
