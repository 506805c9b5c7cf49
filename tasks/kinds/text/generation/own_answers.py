"""Prompts without completions, answered by the teacher itself: its students learn from what it writes (Kim
and Rush, Sequence-Level Knowledge Distillation, 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.core.progress import track
from tasks.kinds.base.rows import Row
from tasks.kinds.text.generation.prompts import Options

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_ONCE = 32


def answered(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    input_size: int,
    options: Options,
) -> list[Row]:
    """The rows with the model's answers as labels, if options say that they are prompts; else as they are."""
    from tasks.kinds.text.generation.torch_writer import TorchWriter

    if options.pool == "texts":
        return list(rows)
    writer = TorchWriter(model, tokenizer, input_size)
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]["text"]))  # like lengths together
    found: list[Row] = list(rows)
    for start in track(range(0, len(order), AT_ONCE), label="teacher writes"):
        places = order[start : start + AT_ONCE]
        written = writer.write([rows[place]["text"] for place in places])
        for place, one in zip(places, written, strict=True):
            found[place] = {**rows[place], "label": one.text}
    return found
