"""Unlabelled texts that are prompts, answered by the teacher itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.kinds.base.rows import Row
from tasks.kinds.text.common.writing import own_answers
from tasks.kinds.text.generation.prompts import Options

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    return own_answers.answered(TorchWriter(model, tokenizer, input_size), rows)
