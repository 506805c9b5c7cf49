"""Texts and completions as pieces: what is cut, what is decided, and what a saved tokenizer still knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.core.errors import ModelError
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.rows import IGNORED, decisions
from tasks.kinds.text.transduction import encoding, kind, sources
from tasks.kinds.text.transduction.sources import Options
from tasks.models import inference
from tasks.pretrain import config
from tests import encoder_decoders, tiny, writers

NAME = "text/transduction"
LONG = " ".join(row["headline"] for row in tiny.articles()[:12])


def told(name: str, instruction: str = "tell: ", longest: int = 8) -> Any:
    tokenizer, model = encoder_decoders.tokenizer(name), encoder_decoders.made(name)
    options = Options(instruction=instruction, longest=longest)
    found, faults = kind.fit(model, tokenizer, 24, options)
    assert faults == []
    return found


def row(text: str, label: str | None) -> dict[str, Any]:
    return {"id": "a", "text": text, "label": label}


@pytest.mark.parametrize(
    ("name", "begin", "start"), [("t5", "", "<pad>"), ("bart", "<s>", "</s>"), ("marian", "", "<pad>")]
)
def test_each_piece_of_the_completion_is_decided_and_so_is_its_end(name: str, begin: str, start: str) -> None:
    tokenizer = told(name)
    (one,) = encoding.encode(tokenizer, [row("Is it late?", "Rather late")], [], 24)
    assert tokenizer.decode(one["input_ids"]).endswith("</s>")
    assert "tell:" in tokenizer.decode(one["input_ids"], skip_special_tokens=True)
    said = tokenizer.convert_ids_to_tokens(one["labels"])
    assert (said[0] == begin) == bool(begin)
    assert decisions(one) == len(one["labels"]) >= 3
    assert tokenizer.convert_ids_to_tokens(one["decoder_input_ids"][0]) == start
    assert one["decoder_input_ids"][1:] == one["labels"][:-1]
    assert one["where"] == [*range(len(one["labels"]))]


def test_the_end_of_a_long_text_goes_and_so_does_that_of_an_answer() -> None:
    tokenizer = told("t5", longest=4)
    (one,) = encoding.encode(tokenizer, [row(LONG, LONG)], [], 24)
    assert len(one["input_ids"]) == 24
    assert one["input_ids"][-1] == tokenizer.eos_token_id
    assert len(one["labels"]) == 4
    assert tokenizer.eos_token_id not in one["labels"]
    (short,) = encoding.encode(tokenizer, [row(LONG[:20], "a")], [], 24)
    assert short["input_ids"][:5] == one["input_ids"][:5]


def test_a_row_without_a_completion_asks_for_its_first_piece() -> None:
    tokenizer = told("t5")
    rows = [row("Is it late?", None), row("Is it late, or not?", "no")]
    features = encoding.encode(tokenizer, rows, [], 24)
    batch = encoding.collate(tokenizer, features)
    assert batch["labels"].tolist() == [IGNORED, *features[1]["labels"]]
    assert batch["where"][:, 0].tolist() == [0, 0]
    assert batch["attention_mask"].sum(1).tolist() == [len(one["input_ids"]) for one in features]
    assert batch["decoder_attention_mask"].sum(1).tolist() == [1, len(features[1]["labels"])]


@pytest.mark.parametrize("name", encoder_decoders.CONFIGS)
def test_answers_are_the_models_own_logits(name: str) -> None:
    model, tokenizer = encoder_decoders.made(name), told(name)
    features = encoding.encode(tokenizer, [row("Is it late?", "Rather late"), row("No", "no")], [], 24)
    with torch.inference_mode():
        found, labels = inference.forward(model, load_kind(NAME), tokenizer, features)
        wanted = torch.cat(
            [
                model(
                    input_ids=torch.tensor([one["input_ids"]]), labels=torch.tensor([one["labels"]])
                ).logits[0]
                for one in features
            ]
        )
    assert labels.tolist() == [label for one in features for label in one["labels"]]
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["t5", "bart", "marian"])
def test_a_saved_tokenizer_knows_how_texts_are_put(name: str, tmp_path: Path) -> None:
    tokenizer, rows = told(name), [row("Is it late?", "no")]
    wanted = encoding.encode(tokenizer, rows, [], 24)
    encoder_decoders.made(name).config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert encoding.encode(kind.load_processor(tmp_path), rows, [], 24) == wanted
    with pytest.raises(ModelError, match="was not made for texts out of texts"):
        encoding.encode(encoder_decoders.tokenizer(name), rows, [], 24)


def test_all_that_cannot_be_is_told_at_once() -> None:
    model, tokenizer = encoder_decoders.made("marian"), encoder_decoders.tokenizer("marian")
    tokenizer.eos_token = None
    model.config.decoder_start_token_id, model.config.share_encoder_decoder_embeddings = 999, False
    options = Options(instruction=LONG, longest=65)
    found = sources.faults(model, tokenizer, 24, options)
    assert found[:4] == [
        "its tokenizer has no piece that ends a text",
        "its config says decoder_start_token_id = 999; its tokenizer has no such piece",
        "it reads and writes pieces of two vocabularies (share_encoder_decoder_embeddings = false); take a "
        "checkpoint that has one for both",
        "options.longest = 65: it writes at most 64 pieces",
    ]
    assert "leaves no room for a text; input_size is 24" in found[4]
    model = encoder_decoders.made("t5")
    model.config.decoder_start_token_id = None
    assert "names no decoder_start_token_id" in sources.faults(model, tokenizer, 24, options)[1]


def test_a_tokenizer_in_python_alone_is_refused_with_advice(tmp_path: Path) -> None:
    folder = encoder_decoders.checkpoint_in(tmp_path, "marian")
    assert len(kind.load_processor(folder)) == writers.PIECES
    (folder / "tokenizer.json").unlink()
    (folder / "source.spm").write_bytes(b"")
    with pytest.raises(ModelError, match=r"put a tokenizer\.json of the same vocabulary beside it"):
        kind.load_processor(folder)


def test_models_of_the_other_kind_are_refused_by_name(tmp_path: Path) -> None:
    ours = encoder_decoders.checkpoint_in(tmp_path / "t5")
    theirs = writers.checkpoint_in(tmp_path / "llama")
    assert config.faults(ours, load_kind(NAME)) == []
    (fault,) = config.faults(theirs, load_kind(NAME))
    assert fault == (
        "is of the architecture 'llama'; allowed: bart, marian, mt5, t5; for this kind it can be bart, "
        "marian, mt5, t5; text/generation takes it"
    )
    (fault,) = config.faults(ours, load_kind("text/generation"))
    assert fault.endswith("; text/transduction takes it")
