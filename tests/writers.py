"""A tiny language model that writes, with a tokenizer of its own, and rows for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.kinds.base.kind import load_kind
from tests import decoders, tiny

TEMPLATE = (
    "{% for one in messages %}[CLS]{{ one['role'] }}: {{ one['content'] }}[SEP]{% endfor %}"
    "{% if add_generation_prompt %}[CLS]assistant:{% endif %}"
)
OPTIONS: dict[str, Any] = {"template": "plain", "instruction": "", "longest": 8, "pool": "prompts"}
VALUES: dict[str, Any] = {
    "kind": "text/generation",
    "options": OPTIONS,
    "input_size": 48,
    "freeze": "none",
}
PIECES = 320


def tokenizer() -> Any:
    """Bytes, and a few pieces of several; `[SEP]` ends a text."""
    made = tiny.byte_bpe_with_specials_last([row["headline"] for row in tiny.articles()], PIECES)
    made.chat_template, made.eos_token = TEMPLATE, "[SEP]"
    return made


def checkpoint_in(folder: Path, name: str = "llama", **changed: Any) -> Path:
    """A checkpoint by chance, of any architecture of tests/decoders.py."""
    pieces = tokenizer()
    model = decoders.made(name)
    model.config.pad_token_id, model.config.eos_token_id = pieces.pad_token_id, pieces.eos_token_id
    for key, value in changed.items():
        setattr(model.config, key, value)
    model.save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def prepared_in(folder: Path, name: str = "llama", **options: Any) -> Path:
    """The same, as a run has it behind stage pretrain: its tokenizer knows how prompts are put."""
    kind = load_kind(VALUES["kind"])
    processor = kind.model.load_processor(checkpoint_in(folder, name))
    kind.model.prepare(processor, kind.options.model_validate({**OPTIONS, **options}))
    processor.save_pretrained(folder)
    return folder


def raw(folder: Path, count: int = 150) -> Path:
    """Two words of a headline, and its desk as the answer."""
    folder.mkdir(parents=True)
    rows = [
        {"ask": f"{number} {' '.join(row['headline'].split()[:2])}", "say": f"It is {row['desk']}."}
        for number, row in enumerate(tiny.articles()[:count])
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder
