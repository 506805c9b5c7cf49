"""A trimmed vocabulary: what is kept encodes as before, nothing kept becomes unknown."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import ModelError
from tasks.models import subwords, vocabulary
from tests import tiny

TEXTS = [row["headline"] for row in tiny.articles()]


def features(tokenizer: object, texts: list[str]) -> list[dict[str, list[int]]]:
    return [{"input_ids": ids} for ids in tokenizer(texts)["input_ids"]]  # type: ignore[operator]


KINDS: dict[str, Callable[[list[str]], Any]] = {
    "WordPiece": tiny.wordpiece,
    "BPE": tiny.byte_bpe,
    "BPE, specials last": tiny.byte_bpe_with_specials_last,
    "Unigram": tiny.unigram,
    "Unigram, mask last": tiny.unigram_with_mask_last,
}


@functools.cache
def tokenizer_of(kind: str) -> Any:
    return KINDS[kind](TEXTS)


def scrambled(count: int) -> list[str]:
    """Texts never seen, of words and characters that were."""
    chance = random.Random(0)
    words = sorted({word for text in TEXTS for word in text.split()})
    letters = sorted({letter for text in TEXTS for letter in text if letter.isprintable()})
    return [
        " ".join(
            chance.choice(words) if chance.random() < 0.7 else "".join(chance.choices(letters, k=5))
            for _ in range(8)
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [456, 800, 1160])
def test_texts_of_kept_pieces_encode_alike_and_nothing_becomes_unknown(
    tmp_path: Path, kind: str, count: int
) -> None:
    tokenizer, seen = tokenizer_of(kind), TEXTS[::2]
    kept = vocabulary.choose(tokenizer, features(tokenizer, seen), count, len(tokenizer))
    assert len(kept) == len(set(kept)) == count
    trimmed = vocabulary.trim(tokenizer, kept, tmp_path)
    assert sorted(trimmed.get_vocab().values()) == list(range(count))
    known, alike = set(kept), 0
    words = sorted({word for text in seen for word in text.split()})
    for text, one in zip(
        all_texts := [*seen, *words, *scrambled(300)], features(tokenizer, all_texts), strict=True
    ):
        found = trimmed.convert_ids_to_tokens(trimmed(text)["input_ids"])
        if known.issuperset(one["input_ids"]):
            assert found == tokenizer.convert_ids_to_tokens(one["input_ids"])
            alike += 1
        if kind.startswith("BPE") or text in all_texts[:-300]:
            assert found.count(tokenizer.unk_token) == one["input_ids"].count(tokenizer.unk_token_id) == 0
    assert alike > 100


@pytest.mark.parametrize("kind", ["BPE", "BPE, specials last"])
def test_bytes_spell_what_was_never_seen(tmp_path: Path, kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    trimmed = vocabulary.trim(tokenizer, vocabulary.choose(tokenizer, [], 264, len(tokenizer)), tmp_path)
    for text in ("Привет, мир", "日本語 🚢", "\tfjord\x01"):
        assert trimmed.decode(trimmed(text, add_special_tokens=False)["input_ids"]) == text


def test_likelihoods_of_unigram_pieces_stay(tmp_path: Path) -> None:
    tokenizer = tokenizer_of("Unigram")
    trimmed = vocabulary.trim(
        tokenizer, vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 800, len(tokenizer)), tmp_path
    )
    before, after = (
        dict(json.loads(one.backend_tokenizer.to_str())["model"]["vocab"]) for one in (tokenizer, trimmed)
    )
    assert len(after) == 800
    assert after == {piece: before[piece] for piece in after}


def test_a_merged_piece_comes_with_what_it_is_merged_from() -> None:
    tokenizer = tokenizer_of("BPE")
    layout = json.loads(tokenizer.backend_tokenizer.to_str())
    needs = subwords.needs(layout, tokenizer.get_vocab())
    kept = vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 600, len(tokenizer))
    named = set(tokenizer.convert_ids_to_tokens(kept))
    assert all(needs(piece) <= named for piece in named)
    left = subwords.left(layout["model"], {old: new for new, old in enumerate(kept)})
    assert {"".join(pair) for pair in left["merges"]} == {
        "".join(pair) for pair in layout["model"]["merges"]
    } & named
    assert len(left["merges"]) > 200


def test_each_character_of_a_seen_piece_is_kept() -> None:
    """Though it was only seen inside of words, and no ASCII character."""
    texts = ["жук жуки жуках жука"] * 3 + ["лес леса лесах"] * 3
    tokenizer = tiny.wordpiece([*TEXTS, *texts * 50])
    kept = vocabulary.choose(tokenizer, features(tokenizer, [*texts, *TEXTS]), 256, len(tokenizer))
    named = set(tokenizer.convert_ids_to_tokens(kept))
    assert {"ж", "##у", "##к", "л", "##с"} <= named


def test_numbers_of_special_pieces_in_the_config_follow(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    tokenizer = tokenizer_of("BPE, specials last")
    config = tiny.config_of("modernbert", vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    config.cls_token_id = tokenizer.cls_token_id
    model = AutoModel.from_config(config)
    kept = vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 400, len(tokenizer))
    trimmed = vocabulary.trim(tokenizer, kept, tmp_path)
    before = model.get_input_embeddings().weight[tokenizer.cls_token_id].clone()
    vocabulary.shrink_embedding(model, kept, trimmed)
    told = (
        model.config.vocab_size,
        model.config.pad_token_id,
        model.config.cls_token_id,
        model.config.sep_token_id,
    )
    assert told == (400, trimmed.pad_token_id, trimmed.cls_token_id, None)
    assert torch.equal(model.get_input_embeddings().weight[trimmed.cls_token_id], before)


def test_positions_that_would_move_are_refused(tmp_path: Path) -> None:
    from transformers import AutoModel

    tokenizer = tokenizer_of("BPE, specials last")
    model = AutoModel.from_config(tiny.config_of("roberta", vocab_size=len(tokenizer), pad_token_id=0))
    model.config.pad_token_id = tokenizer.pad_token_id
    kept = vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 400, len(tokenizer))
    with pytest.raises(ModelError, match="before the padding piece"):
        vocabulary.shrink_embedding(model, kept, vocabulary.trim(tokenizer, kept, tmp_path))


def test_special_pieces_are_kept_and_renumbered(tmp_path: Path) -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    trimmed = vocabulary.trim(
        tokenizer, vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 400, tiny.VOCABULARY), tmp_path
    )
    assert trimmed.all_special_tokens == tokenizer.all_special_tokens
    ids = trimmed("a headline")["input_ids"]
    assert (ids[0], ids[-1]) == (trimmed.cls_token_id, trimmed.sep_token_id)


def test_added_pieces_are_kept(tmp_path: Path) -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    tokenizer.add_tokens(["slipway"])
    trimmed = vocabulary.trim(
        tokenizer, vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 400, tiny.VOCABULARY), tmp_path
    )
    assert trimmed.tokenize("the slipway")[-1] == "slipway"


def test_frequent_pieces_go_before_rare_ones() -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    often = tokenizer.convert_tokens_to_ids("film")
    kept = vocabulary.choose(tokenizer, [{"input_ids": [often] * 9}], 200, tiny.VOCABULARY)
    assert often in kept


def test_too_few_pieces_to_spell_the_texts_are_refused() -> None:
    tokenizer = tiny.wordpiece(TEXTS)
    with pytest.raises(
        ModelError, match="is 24, but the special pieces and the characters of this run alone are"
    ):
        vocabulary.choose(tokenizer, features(tokenizer, TEXTS), 24, tiny.VOCABULARY)


def test_other_tokenizers_are_refused() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))  # noqa: S106 - no password
    words = PreTrainedTokenizerFast(tokenizer_object=backend)
    with pytest.raises(
        ModelError,
        match="only vocabularies of WordPiece, Unigram, BPE can be trimmed; keep all pieces: 50272",
    ):
        vocabulary.choose(words, [], 128, 50265)


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_that_writes_answers_with_the_kept_pieces_alone(tmp_path: Path, tied: bool) -> None:
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    tokenizer = tokenizer_of("BPE, specials last")
    end = tokenizer.sep_token_id
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=tied, eos_token_id=end, **sizes)
    model = AutoModelForCausalLM.from_config(config).eval()
    model.generation_config.eos_token_id = [end, 3]
    kept = vocabulary.choose(tokenizer, features(tokenizer, TEXTS[::2]), 800, len(tokenizer))
    places = {old: number for number, old in enumerate(kept)}
    seen = torch.tensor([kept[300:330]])
    with torch.inference_mode():
        wanted = model(input_ids=seen).logits[..., kept]
    smaller = vocabulary.trim(tokenizer, kept, tmp_path / "trimmed")
    vocabulary.shrink_embedding(model, kept, smaller)
    model.save_pretrained(tmp_path / "student")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "student").eval()
    own = torch.tensor([[places[int(number)] for number in seen[0]]])
    for one in (model, again):
        with torch.inference_mode():
            assert torch.equal(one(input_ids=own).logits, wanted)
    assert (again.lm_head.weight is again.model.embed_tokens.weight) == tied
    assert again.config.eos_token_id == places[end]
    assert again.generation_config.eos_token_id == [places[number] for number in (end, 3) if number in places]
