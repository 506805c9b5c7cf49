"""What kinds have in common that read text.

The tokenizer, padded batches of its pieces, unlabelled text, the shippable tokenizer.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import UnusableRowError
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.rows import PARTS, id_of_text
from tasks.kinds.text.common import long_texts

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Chinese, Japanese, Thai, Lao, Burmese, Khmer and their like do not separate words: there each character
# counts as one, with its marks.
ALONE = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\uaa60-\uaadf"
)
MARKS = (
    "\u0300-\u036f\u200c\u200d\u3099\u309a\ufe00-\ufe0f\uff9e\uff9f\U000e0100-\U000e01ef"
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059\u17b4-\u17d3\u17dd"
)
WORD = re.compile(rf"[{ALONE}][{MARKS}]*|[^\s{ALONE}]+")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|(?<=[。！？])[”’」』）]*\s*|\n+")
TAGS = (
    "a|abbr|b|blockquote|body|br|center|code|div|em|font|footer|h[1-6]|head|header|hr|html|i|img|li|link|meta|ol|p|pre|script|section|small"
    "|span|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|u|ul"
)
MARKUP = re.compile(
    rf"</?(?:{TAGS})(?:\s+[a-z:-]+\s*=[^<>]*)?\s*/?>|&(?:#\d{{1,7}}|#x[0-9a-f]{{1,6}}|nbsp|amp|lt|gt|quot|apos|[lr][sd]quo|[nm]dash|hellip);",
    re.IGNORECASE,
)
FEW = 0.01
"""Share of texts in HTML up to which it is an accident that teaches a model nothing."""
FEWEST_WORDS = 3
EXTENT_OF = "length of a text, in characters"
# A tokenizer of far fewer pieces than the config tells is not the model's: transformers makes one up where
# the files are missing.
VOCABULARY_SHARE = 0.9
ALL = np.ones((1, 8192), dtype=np.int64)
ALL.setflags(write=False)
"""The mask of a text that is not padded; parts of it are quicker than masks made anew. As long as the longest
`input_size`."""
DECOMPOSABLE = "caf\u00e9 Ti\u1ebfng \u304c\u3071 \ud55c\uad6d \u0958 \u0419\u0401 \u0622 \u1e0d\u0307"
"""Letters of several scripts that Unicode can write in two ways."""


def content(row: Mapping[str, Any]) -> str:
    return " ".join(row["text"].casefold().split())


def extent(row: Mapping[str, Any]) -> int:
    return len(row["text"])


def raw_input(row: Mapping[str, Any]) -> str:
    return str(row["text"])


def markup(rows: Iterable[Mapping[str, Any]], options: Any) -> list[str]:
    """What there is to tell of texts in HTML: the model reads its tags as text."""
    count, texts, found = 0, 0, Counter[str]()
    for row in rows:
        seen = MARKUP.findall(text) if isinstance(text := row.get("text"), str) else []
        texts, count = texts + 1, count + bool(seen)
        found.update(seen)
    some = ", ".join(f"`{one[:40]}`" for one, _ in found.most_common(3))
    advice = "take it out of the data, and of what will be asked"
    return (
        [f"{count:,} of {texts:,} texts hold HTML ({some}), which the model reads as text: {advice}"]
        if count > FEW * texts
        else []
    )


# -- unlabelled text --


def pool(row: Mapping[str, Any], longest: int) -> list[str]:
    return pieces_of(row.get("pool") or "", longest)


def pieces_of(text: str, longest: int) -> list[str]:
    """The sentences of a text, each cut into parts of like length and at most `longest` words."""
    parts: list[str] = []
    for sentence in SENTENCE_END.split(text):
        plain = " ".join(sentence.split())
        words = [match.span() for match in WORD.finditer(plain)]
        length = math.ceil(len(words) / max(1, math.ceil(len(words) / longest)))
        runs = [words[at : at + length] for at in range(0, len(words), max(1, length))]
        parts += [plain[run[0][0] : run[-1][1]] for run in runs if len(run) >= FEWEST_WORDS]
    return parts


def begin_of(text: str, longest: int) -> str:
    """The first words of a text, at most so many; nothing of one that is too short to learn from."""
    words = [match.span() for match in WORD.finditer(text)][:longest]
    return text[words[0][0] : words[-1][1]] if len(words) >= FEWEST_WORDS else ""


def from_pool(train: Sequence[Any], pool: Sequence[Any], count: int, options: Any) -> list[Any]:
    """The transfer set: what the run's own pool holds, each text with an id made of it."""
    return [{"id": id_of_text(row["text"]), **row} for row in pool[:count]]


# -- the model --


def fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int, options: Any
) -> tuple[PreTrainedTokenizerBase, list[str]]:
    """The tokenizer, which now knows what is read of long texts, and whether it is the model's."""
    long_texts.keep(tokenizer, options)
    return tokenizer, other_pieces(model, tokenizer)


def other_pieces(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Why the tokenizer cannot be the model's."""
    pieces = getattr(model.config, "vocab_size", 0)
    if VOCABULARY_SHARE * pieces <= len(tokenizer) <= pieces and tokenizer.pad_token_id is not None:
        return []
    return [
        f"its tokenizer has {len(tokenizer)} pieces and the padding piece {tokenizer.pad_token}, its "
        f"config {pieces}"
    ]


def size(features: Mapping[str, Any]) -> int:
    return len(features["input_ids"])


def joined(parts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Features of a text: the pieces of all its parts, and how many each has where there are several."""
    if len(parts) == 1:
        return {"input_ids": parts[0]}
    return {"input_ids": [piece for part in parts for piece in part], PARTS: [len(part) for part in parts]}


def padded(features: Sequence[Mapping[str, Any]], padding: int) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` (n, l) of texts of different length, or of all their parts."""
    import torch

    found = [part for one in features for part in _parts(one)]
    longest = max(len(part) for part in found)
    ids = np.full((len(found), longest), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, part in enumerate(found):
        ids[number, : len(part)] = part
        mask[number, : len(part)] = 1
    batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if len(found) == len(features):
        return batch
    return {**batch, PARTS: torch.tensor([len(one.get(PARTS, [0])) for one in features])}


def _parts(one: Mapping[str, Any]) -> list[Sequence[int]]:
    ids, ends = one["input_ids"], np.cumsum(one.get(PARTS, [len(one["input_ids"])])).tolist()
    return [ids[start:end] for start, end in zip([0, *ends], ends, strict=False)]


# -- the shippable folder --


def ship(folder: Path, tokenizer: PreTrainedTokenizerBase, input_size: int) -> dict[str, Any]:
    """Writes tokenizer.json, which cuts texts at `input_size` pieces and reads every normal form as NFC, as
    in training. Where more than the begin of a text is read it cuts none.
    """
    backend: Any = tokenizer.backend_tokenizer
    compose(backend)
    if long_texts.read_by(tokenizer) == long_texts.HEAD:
        backend.enable_truncation(input_size)
    else:
        backend.no_truncation()
    backend.no_padding()
    backend.save(str(folder / fast_tokenizer.FILE), pretty=False)
    return long_texts.facts(tokenizer)


def compose(backend: Any) -> None:
    """Lets a tokenizer compose texts first, unless it reads decomposed ones alike anyway."""
    from tokenizers import normalizers

    forms = [
        backend.encode(unicodedata.normalize(form, DECOMPOSABLE), add_special_tokens=False).ids
        for form in ("NFC", "NFD")
    ]
    if forms[0] != forms[1]:
        own = [backend.normalizer] if backend.normalizer is not None else []
        backend.normalizer = normalizers.Sequence([normalizers.NFC(), *own])


def told(folder: Path) -> dict[str, Any]:
    """What preprocessing.json of a shippable folder says."""
    facts: dict[str, Any] = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
    return facts


def shipped_tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / fast_tokenizer.FILE))


def whole(text: str) -> str:
    """The text.

    Raises:
        UnusableRowError: it is none.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnusableRowError(
            f"no text: sign {error.start + 1} is no character of UTF-8; save or send it as UTF-8"
        ) from None
    return text


def graph_inputs(parts: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """Of one text: batch 1, or as many as it has parts of like length."""
    listed = np.array(parts, dtype=np.int64)
    mask = ALL[:, : listed.shape[1]]
    return {
        "input_ids": listed,
        "attention_mask": mask if len(parts) == 1 else np.repeat(mask, len(parts), 0),
    }
