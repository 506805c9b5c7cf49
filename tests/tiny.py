"""Small real things for tests: headlines of the embedded corpus, and tiny random checkpoints with tokenizers trained on them."""

from __future__ import annotations

import functools
import io
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


NAMES = {
    "text_classification": LABELS,
    "token_classification": ["O", "B-long", "I-long", "B-number", "I-number"],
    "image_classification": [str(digit) for digit in range(10)],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "text_classification": {},
    "image_classification": {
        "longest_side": 64,
        "shortest_side": 8,
        "augment": {"mirror": False, "flip": False, "quarter_turns": False, "shift": 0.1, "brightness": 0.1, "contrast": 0.1, "erase": 0.2},
    },
    "token_classification": {
        "scheme": "bio",
        "broken": "repair",
        "span_end": "exclusive",
        "longest": 50,
        "outside_weight": 0.05,
        "subwords": "first",
    },
}


def rows(count: int, start: int = 0, kind: str = "text_classification") -> list[dict[str, Any]]:
    if kind == "image_classification":
        return digits()[start : start + count]
    label = _desk if kind == "text_classification" else _tags
    return [
        {"id": f"{n:05}", "text": " ".join(row["headline"].split()), "label": label(row)}
        for n, row in enumerate(articles()[start : start + count], start)
    ]


@functools.cache
def digits() -> list[dict[str, Any]]:
    """Handwritten digits, which scikit-learn carries, as pictures of 16 by 16 pixels."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = []
    for number, (pixels, digit) in enumerate(zip(found.images, found.target, strict=True)):
        file = io.BytesIO()
        Image.fromarray((pixels * 15.9).astype("uint8")).resize((16, 16)).save(file, "PNG")
        rows.append({"id": f"{number:05}", "image": file.getvalue(), "label": str(digit)})
    return rows


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
    (folder / "labels.json").write_text(json.dumps(NAMES[kind]), encoding="utf-8")
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


def checkpoint_in(folder: Path, architecture: str = "bert", seed: int = 0, tokenizer: Any = None, **sizes: int) -> Path:
    """A tiny random encoder of the architecture, without a head."""
    import torch
    from transformers import AutoConfig, AutoModel

    tokenizer = tokenizer or wordpiece([row["headline"] for row in articles()])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": None}
    config = AutoConfig.for_model(architecture, **{**SIZES, **sizes}, vocab_size=len(tokenizer), **ids)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


IMAGE_SIZES: dict[str, dict[str, Any]] = {
    "convnext": {"hidden_sizes": [16, 24, 32, 48], "depths": [2, 1, 2, 1], "patch_size": 2},
    "efficientnet_lite": {"widths": [8, 16, 16, 24, 24, 32, 32], "head_width": 64, "depths": [1, 2, 1, 1, 1, 2, 1], "image_size": 32},
    "mobilenet_v2": {"depth_multiplier": 0.35, "image_size": 32},
    "resnet": {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 48], "depths": [2, 1, 2, 1], "layer_type": "basic"},
    "vit": {
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "intermediate_size": 128,
        "image_size": 32,
        "patch_size": 8,
    },
}


def image_checkpoint_in(folder: Path, architecture: str = "efficientnet_lite", seed: int = 0, **sizes: Any) -> Path:
    """A tiny random encoder of pictures, without a head, and an ordinary image processor."""
    import torch
    from transformers import AutoConfig, AutoModel, ViTImageProcessorPil

    from tasks.shared import efficientnet_lite  # noqa: F401 - makes the architecture known to the auto classes

    torch.manual_seed(seed)
    model = AutoModel.from_config(AutoConfig.for_model(architecture, **{**IMAGE_SIZES[architecture], **sizes}))
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    for _ in range(20):  # running means, or else every picture looks the same
        model.train()(pixel_values=torch.rand(16, 3, 32, 32))
    model.eval().save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def pretrained_for(kind: str, folder: Path) -> Path:
    return image_checkpoint_in(folder) if kind == "image_classification" else checkpoint_in(folder)


CUT: dict[str, dict[str, Any]] = {
    "text_classification": {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800},
    "token_classification": {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800},
    "image_classification": {"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [32, 8, 8, 16, 16, 24, 16, 24, 32]},
}
"""Sizes of a student that is smaller than the tiny teacher of a kind."""
