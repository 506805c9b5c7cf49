"""Prompts and completions as pieces: what is cut, what is decided, and what a saved tokenizer still knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from tasks.core.errors import ModelError
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.rows import IGNORED, decisions
from tasks.kinds.text.generation import encoding, prompts
from tasks.kinds.text.generation.prompts import Options
from tests import tiny

TEMPLATE = (
    "{% for one in messages %}[CLS]{{ one['role'] }}: {{ one['content'] }}[SEP]{% endfor %}"
    "{% if add_generation_prompt %}[CLS]assistant:{% endif %}"
)
LONG = " ".join(row["headline"] for row in tiny.articles()[:12])


def told(template: Literal["chat", "plain"] = "chat", instruction: str = "", longest: int = 8) -> Any:
    tokenizer = tiny.byte_bpe_with_specials_last([row["headline"] for row in tiny.articles()])
    tokenizer.chat_template, tokenizer.eos_token = TEMPLATE, "[SEP]"
    options = Options(template=template, instruction=instruction, longest=longest, pool="texts")
    assert prompts.faults(tokenizer, options) == []
    prompts.keep(tokenizer, options)
    return tokenizer


def row(text: str, label: str | None) -> dict[str, Any]:
    return {"id": "a", "text": text, "label": label}


def test_each_piece_of_the_completion_is_decided_and_so_is_its_end() -> None:
    tokenizer = told(instruction="Answer:")
    (one,) = encoding.encode(tokenizer, [row("Is it late?", "Rather late")], [], 64)
    whole = tokenizer.decode(one["input_ids"])
    assert whole == "[CLS]user: Answer:\n\nIs it late?[SEP][CLS]assistant:Rather late"
    assert tokenizer.decode(one["labels"]) == "Rather late[SEP]"
    assert decisions(one) == len(one["labels"]) >= 3
    assert [one["input_ids"][at + 1] for at in one["where"][:-1]] == one["labels"][:-1]
    assert one["where"][-1] == len(one["input_ids"]) - 1


def test_plain_prompts_are_read_as_they_are() -> None:
    tokenizer = told("plain")
    (one,) = encoding.encode(tokenizer, [row("Is it late? ", "no")], [], 64)
    assert tokenizer.decode(one["input_ids"]).endswith("Is it late? \n[SEP]no")


@pytest.mark.parametrize("most", [40, 60])
def test_the_end_of_a_long_prompt_goes_and_the_template_stays(most: int) -> None:
    tokenizer = told(instruction="Answer:")
    (one,) = encoding.encode(tokenizer, [row(LONG, "no")], [], most)
    whole = tokenizer.decode(one["input_ids"])
    head, _, rest = whole.partition(LONG[:20])
    assert head == "[CLS]user: Answer:\n\n"
    assert rest.endswith("[SEP][CLS]assistant:no")
    assert most - 16 < len(one["input_ids"]) <= most


def test_a_conversation_loses_its_oldest_turns_first() -> None:
    turns = [("system", "Be brief."), ("user", LONG), ("assistant", "Well."), ("user", "And now?")]
    text = json.dumps([{"role": role, "content": content} for role, content in turns])
    (one,) = encoding.encode(told(), [row(text, "No.")], [], 64)
    whole = told().decode(one["input_ids"])
    assert whole == (
        "[CLS]system: Be brief.[SEP][CLS]assistant: Well.[SEP][CLS]user: And now?[SEP][CLS]assistant:No."
    )


def test_long_completions_are_cut_and_characters_are_whole() -> None:
    tokenizer = told(longest=4)
    (one,) = encoding.encode(tokenizer, [row("\u6f22\u5b57" * 40, LONG)], [], 40)
    assert len(one["labels"]) == 4
    assert tokenizer.eos_token_id not in one["labels"]
    assert "\ufffd" not in tokenizer.decode(one["input_ids"])


def test_rows_without_a_completion_are_plain_texts() -> None:
    tokenizer = told()
    (one,) = encoding.encode(tokenizer, [row("Is it late?", None)], [], 64)
    assert "labels" not in one
    assert one["where"] == [*range(len(one["input_ids"]) - 1)]
    batch = encoding.collate(tokenizer, [one, *encoding.encode(tokenizer, [row("a", "b")], [], 64)])
    assert batch["labels"].tolist()[: decisions(one)] == [IGNORED] * decisions(one)
    assert batch["where"].shape == (2, len(batch["labels"]))
    assert batch["where"][0].tolist() == [0] * decisions(one) + [1] * (len(batch["labels"]) - decisions(one))


def test_a_saved_tokenizer_knows_how_prompts_are_put(tmp_path: Path) -> None:
    tokenizer = told(instruction="Answer:")
    tokenizer.save_pretrained(tmp_path)
    rows = [row("Is it late?", "no")]
    assert encoding.encode(fast_tokenizer.load(tmp_path), rows, [], 64) == encoding.encode(
        tokenizer, rows, [], 64
    )
    with pytest.raises(ModelError, match="was not made for writing"):
        encoding.encode(tiny.byte_bpe(["some text"]), rows, [], 64)


def test_what_cannot_be_is_told() -> None:
    tokenizer = tiny.byte_bpe_with_specials_last(["some text"])
    tokenizer.chat_template = None
    options = Options(template="chat", instruction="", longest=4, pool="texts")
    assert prompts.faults(tokenizer, options) == [
        "its tokenizer has no chat template; write options.template: plain",
        "its tokenizer has no piece that ends a text",
    ]
    with pytest.raises(ModelError, match="less than the template alone has"):
        encoding.encode(told(), [row(LONG, "no")], [], 12)
