"""A trimmed vocabulary: what is kept encodes as before, nothing kept becomes unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.shared import vocabulary
from tasks.shared.errors import ModelError
from tests import tiny

TEXTS = [row["headline"] for row in tiny.articles()]


def features(tokenizer: object, texts: list[str]) -> list[dict[str, list[int]]]:
    return [{"input_ids": ids} for ids in tokenizer(texts)["input_ids"]]  # type: ignore[operator]


@pytest.mark.parametrize("count", [400, 800, 1160])
def test_texts_of_kept_pieces_encode_alike(tmp_path: Path, count: int) -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    kept = vocabulary.choose(tokenizer, features(tokenizer, TEXTS), count, tiny.VOCABULARY)
    assert len(kept) == len(set(kept)) == count
    trimmed = vocabulary.trim(tokenizer, kept, tmp_path)
    assert sorted(trimmed.get_vocab().values()) == list(range(count))
    known, alike = set(kept), 0
    for text, one in zip(TEXTS, features(tokenizer, TEXTS), strict=True):
        pieces = trimmed.convert_ids_to_tokens(trimmed(text)["input_ids"])
        assert "[UNK]" not in pieces
        if known.issuperset(one["input_ids"]):
            assert pieces == tokenizer.convert_ids_to_tokens(one["input_ids"])
            alike += 1
    assert alike > 20


def test_special_pieces_are_kept_and_renumbered(tmp_path: Path) -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    trimmed = vocabulary.trim(tokenizer, vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 400, tiny.VOCABULARY), tmp_path)
    assert trimmed.all_special_tokens == tokenizer.all_special_tokens
    ids = trimmed("a headline")["input_ids"]
    assert (ids[0], ids[-1]) == (trimmed.cls_token_id, trimmed.sep_token_id)


def test_added_pieces_are_kept(tmp_path: Path) -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    tokenizer.add_tokens(["slipway"])
    trimmed = vocabulary.trim(tokenizer, vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 400, tiny.VOCABULARY), tmp_path)
    assert trimmed.tokenize("the slipway")[-1] == "slipway"


def test_frequent_pieces_go_before_rare_ones() -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    often = tokenizer.convert_tokens_to_ids("film")
    kept = vocabulary.choose(tokenizer, [{"input_ids": [often] * 9}], 200, tiny.VOCABULARY)
    assert often in kept


def test_too_few_pieces_to_spell_the_texts_are_refused() -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    with pytest.raises(ModelError, match="is 24, but the special pieces and the characters of this run alone are"):
        vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 24, tiny.VOCABULARY)


def test_other_tokenizers_are_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]")))  # noqa: S106
    with pytest.raises(ModelError, match="only vocabularies of WordPiece, Unigram, BPE can be trimmed; keep all pieces: 50272"):
        vocabulary.choose(words, [], 128, 50265)
