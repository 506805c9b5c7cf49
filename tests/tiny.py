"""Small real things for tests: headlines of the embedded corpus, and tiny random checkpoints with tokenizers trained on them."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows import sources

LABELS = ["business", "entertainment", "politics", "sports", "tech"]
SIZES = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 128, "max_position_embeddings": 66}
VOCABULARY = 1200
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@functools.cache
def articles() -> list[dict[str, str]]:
    """The embedded corpus: headline, desk, body, desks in turns."""
    with tempfile.TemporaryDirectory() as folder:
        sources.bring("bbc-news", Path(folder))
        lines = (Path(folder) / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    desks = [[row for row in rows if row["desk"] == label] for label in LABELS]
    return [row for turn in zip(*desks) for row in turn]


OPTIONS: dict[str, dict[str, Any]] = {
    "text_classification": {},
    "token_classification": {"scheme": "bio", "broken": "repair", "span_end": "exclusive", "longest": 50, "outside_weight": 0.5},
}


def rows(count: int, start: int = 0, kind: str = "text_classification") -> list[dict[str, str]]:
    label = _desk if kind == "text_classification" else _tags
    return [
        {"id": f"{n:05}", "text": " ".join(row["headline"].split()), "label": label(row)}
        for n, row in enumerate(articles()[start : start + count], start)
    ]


def _desk(row: Mapping[str, str]) -> str:
    return row["desk"]


def _tags(row: Mapping[str, str]) -> str:
    """Long words and numbers, as entities that can be learned."""
    tags = ["long" if len(word) > 6 else "number" if any(map(str.isdigit, word)) else "" for word in row["headline"].split()]
    return " ".join(f"{'I' if at and tags[at - 1] == tag else 'B'}-{tag}" if tag else "O" for at, tag in enumerate(tags))


def pool(count: int) -> list[str]:
    sentences = [sentence.strip() for row in articles() for sentence in row["body"].split(". ") if 3 < len(sentence.split()) < 15]
    return list(dict.fromkeys(sentences))[:count]


def ingest_out(
    folder: Path, train: int = 60, validation: int = 25, test: int = 25, unlabelled: int = 40, kind: str = "text_classification"
) -> Path:
    """What ingest leaves, small."""
    folder.mkdir(parents=True)
    start = 0
    for split, count in {"train": train, "validation": validation, "test": test}.items():
        pq.write_table(pa.Table.from_pylist(rows(count, start, kind)), folder / f"{split}.parquet")
        start += count
    pq.write_table(pa.table({"text": pool(unlabelled)}), folder / "pool.parquet")
    names = LABELS if kind == "text_classification" else ["O", "B-long", "I-long", "B-number", "I-number"]
    (folder / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    return folder


def wordpiece(texts: Sequence[str], size: int = VOCABULARY) -> Any:
    """A BERT-like tokenizer trained on the texts."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import PreTrainedTokenizerFast

    backend = BertWordPieceTokenizer()
    backend.train_from_iterator(texts, vocab_size=size, show_progress=False, special_tokens=SPECIAL)
    backend.post_processor = BertProcessing(("[SEP]", SPECIAL.index("[SEP]")), ("[CLS]", SPECIAL.index("[CLS]")))
    names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=backend._tokenizer, **names)


def checkpoint_in(folder: Path, architecture: str = "bert", seed: int = 0, **sizes: int) -> Path:
    """A tiny random encoder of the architecture, without a head."""
    import torch
    from transformers import AutoConfig, AutoModel

    tokenizer = wordpiece([row["headline"] for row in articles()])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": None}
    config = AutoConfig.for_model(architecture, **{**SIZES, **sizes}, vocab_size=len(tokenizer), **ids)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder
