"""The tokenizers that Slipway takes: those that can be kept in tokenizer.json, which ships with the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE = "tokenizer.json"
NEEDS_FAST = (
    f"is written in Python alone; a fast tokenizer is needed, one that can be kept in {FILE}, "
    "because it ships with the model"
)


def load(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint.

    Raises:
        ModelError: it cannot be read, or is written in Python alone.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ModelError(folder.name, _unreadable(folder, error)) from None
    if not tokenizer.is_fast:
        raise ModelError(folder.name, f"its tokenizer, {type(tokenizer).__name__}, {NEEDS_FAST}")
    return tokenizer


def _is_fast(made: Any) -> bool:
    """A class whose library is not installed lets itself be asked nothing; such are those in Python alone."""
    try:
        return hasattr(made, "backend_tokenizer")
    except ImportError:
        return False


def _unreadable(folder: Path, error: Exception) -> str:
    """Why, in words. Of a tokenizer in Python alone nothing that is missing here would help."""
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    try:
        name = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get(
            "tokenizer_class"
        )
        made = tokenizer_class_from_name(name)
    except (OSError, ValueError, AttributeError, TypeError, ImportError, RecursionError):
        made = None
    if made is not None and not _is_fast(made):
        return f"its tokenizer, {name}, {NEEDS_FAST}"
    what = (
        "its tokenizer cannot be read"
        if (folder / FILE).is_file()
        else f"it has no {FILE}, and none can be made of its other files"
    )
    return f"{what}: {' '.join(str(error).split())[:200]}"
