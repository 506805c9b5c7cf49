"""Small real things for tests.

Headlines of the embedded corpus, and tiny random checkpoints with tokenizers trained on them.
"""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.raw_data import sources

LABELS = ["business", "entertainment", "politics", "sports", "tech"]
SIZES = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 66,
}
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
    "text/classification": LABELS,
    "text/tagging": ["O", "B-long", "I-long", "B-number", "I-number"],
    "image/classification": [str(digit) for digit in range(10)],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "text/classification": {"long_texts": "head"},
    "image/classification": {
        "longest_side": 64,
        "shortest_side": 8,
        "augment": {
            "mirror": False,
            "flip": False,
            "quarter_turns": False,
            "shift": 0.1,
            "brightness": 0.1,
            "contrast": 0.1,
            "erase": 0.2,
        },
    },
    "text/tagging": {
        "scheme": "bio",
        "broken": "repair",
        "words": "white_space",
        "offsets": "code_points",
        "span_end": "exclusive",
        "longest": 50,
        "outside_weight": 0.05,
        "subwords": "first",
    },
}


def rows(count: int, start: int = 0, kind: str = "text/classification") -> list[dict[str, Any]]:
    if kind == "image/classification":
        return digits()[start : start + count]
    label = _desk if kind == "text/classification" else _tags
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
    tags = [
        "long" if len(word) > 6 else "number" if any(map(str.isdigit, word)) else ""
        for word in row["headline"].split()
    ]
    return " ".join(
        f"{'I' if at and tags[at - 1] == tag else 'B'}-{tag}" if tag else "O" for at, tag in enumerate(tags)
    )


def pool(count: int) -> list[str]:
    sentences = [
        sentence.strip()
        for row in articles()
        for sentence in row["body"].split(". ")
        if 3 < len(sentence.split()) < 15
    ]
    return list(dict.fromkeys(sentences))[:count]


def ingest_out(
    folder: Path,
    train: int = 60,
    validation: int = 25,
    test: int = 25,
    unlabelled: int = 40,
    kind: str = "text/classification",
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
    """A BERT-like tokenizer trained on the texts; the same texts give the same vocabulary in every process.

    The trainer numbers the letters inside words as it meets them, in another order each time, and breaks ties
    by the numbers. They are numbered beforehand.
    """
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import PreTrainedTokenizerFast

    backend = BertWordPieceTokenizer()
    split, normal = backend.pre_tokenizer.pre_tokenize_str, backend.normalizer.normalize_str
    words = [word for text in texts for word, _ in split(normal(text))]
    numbered = [*SPECIAL, *sorted({f"##{letter}" for word in words for letter in word[1:]})]
    backend.train_from_iterator(texts, vocab_size=size, show_progress=False, special_tokens=numbered)
    backend = BertWordPieceTokenizer(vocab=backend.get_vocab())
    backend.post_processor = BertProcessing(
        ("[SEP]", SPECIAL.index("[SEP]")), ("[CLS]", SPECIAL.index("[CLS]"))
    )
    names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=backend._tokenizer, **names)


def byte_bpe(texts: Sequence[str], size: int = VOCABULARY) -> Any:
    """A RoBERTa-like tokenizer trained on the texts."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    backend = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend.train_from_iterator(texts, vocab_size=size, show_progress=False, special_tokens=special)
    model = json.loads(backend._tokenizer.to_str())["model"]
    return RobertaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])


def byte_bpe_with_specials_last(texts: Sequence[str], size: int = VOCABULARY) -> Any:
    """A ModernBERT-like tokenizer: its special pieces stand behind the vocabulary, not in it."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend = ByteLevelBPETokenizer()
    backend.train_from_iterator(texts, vocab_size=size - len(SPECIAL), show_progress=False)
    backend.add_special_tokens(SPECIAL)
    ends = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
    )
    names = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=backend._tokenizer, **names)


def unigram(texts: Sequence[str], size: int = VOCABULARY) -> Any:
    """An XLM-R-like tokenizer trained on the texts."""
    from transformers import XLMRobertaTokenizer

    return XLMRobertaTokenizer(
        vocab=_unigram_pieces(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], size)
    )


def unigram_with_mask_last(texts: Sequence[str], size: int = VOCABULARY) -> Any:
    """A DeBERTa-v3-like tokenizer: [MASK] stands behind the vocabulary, not in it."""
    from transformers import DebertaV2Tokenizer

    return DebertaV2Tokenizer(vocab=_unigram_pieces(texts, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], size - 1))


def _unigram_pieces(texts: Sequence[str], special: list[str], size: int) -> list[tuple[str, float]]:
    from tokenizers import SentencePieceUnigramTokenizer

    backend = SentencePieceUnigramTokenizer()
    unknown = next(name for name in special if "unk" in name.lower())
    backend.train_from_iterator(
        texts, vocab_size=size, show_progress=False, special_tokens=special, unk_token=unknown
    )
    return [(piece, score) for piece, score in json.loads(backend._tokenizer.to_str())["model"]["vocab"]]


TOKENIZERS: dict[str, Callable[[Sequence[str]], Any]] = {
    "bert": wordpiece,
    "distilbert": wordpiece,
    "electra": wordpiece,
    "roberta": byte_bpe,
    "modernbert": byte_bpe_with_specials_last,
    "xlm-roberta": unigram,
    "deberta-v2": unigram_with_mask_last,
}
"""What the checkpoints of an architecture usually come with; of others WordPiece."""
SHAPES: dict[str, dict[str, Any]] = {
    "distilbert": {"hidden_dim": 128},
    "electra": {"embedding_size": 24},
    "modernbert": {"local_attention": 4},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
}
"""What the configs of an architecture say beside the usual sizes, as their well-known checkpoints do."""


def config_of(architecture: str, **changed: Any) -> Any:
    """The config of a tiny text encoder."""
    from transformers import AutoConfig

    sizes = {
        name: size
        for name, size in SIZES.items()
        if (architecture, name) != ("distilbert", "intermediate_size")
    }
    config = AutoConfig.for_model(architecture, **{**sizes, **SHAPES.get(architecture, {}), **changed})
    for name in ("bos", "eos", "cls", "sep"):
        setattr(config, f"{name}_token_id", None)
    return config


def checkpoint_in(
    folder: Path, architecture: str = "bert", seed: int = 0, tokenizer: Any = None, **sizes: Any
) -> Path:
    """A tiny random encoder of the architecture, without a head."""
    import torch
    from transformers import AutoModel

    tokenizer = tokenizer or wordpiece([row["headline"] for row in articles()])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = config_of(architecture, **sizes, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


IMAGE_SIZES: dict[str, dict[str, Any]] = {
    "convnext": {"hidden_sizes": [16, 24, 32, 48], "depths": [2, 1, 2, 1], "patch_size": 2},
    "efficientnet_lite": {
        "widths": [8, 16, 16, 24, 24, 32, 32],
        "head_width": 64,
        "depths": [1, 2, 1, 1, 1, 2, 1],
        "image_size": 32,
    },
    "mobilenet_v2": {"depth_multiplier": 0.35, "image_size": 32},
    "resnet": {
        "embedding_size": 16,
        "hidden_sizes": [16, 24, 32, 48],
        "depths": [2, 1, 2, 1],
        "layer_type": "basic",
    },
    "vit": {
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "intermediate_size": 128,
        "image_size": 32,
        "patch_size": 8,
    },
}


def image_checkpoint_in(
    folder: Path, architecture: str = "efficientnet_lite", seed: int = 0, **sizes: Any
) -> Path:
    """A tiny random encoder of pictures, without a head, and an ordinary image processor."""
    import torch
    from transformers import AutoConfig, AutoModel, ViTImageProcessorPil

    from tasks.kinds.image.common import efficientnet_lite  # noqa: F401 - makes the architecture known to the auto classes

    torch.manual_seed(seed)
    model = AutoModel.from_config(
        AutoConfig.for_model(architecture, **{**IMAGE_SIZES[architecture], **sizes})
    )
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    for _ in range(20):  # running means, or else every picture looks the same
        model.train()(pixel_values=torch.rand(16, 3, 32, 32))
    model.eval().save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def pretrained_for(kind: str, folder: Path) -> Path:
    return image_checkpoint_in(folder) if kind == "image/classification" else checkpoint_in(folder)


CUT: dict[str, dict[str, Any]] = {
    "text/classification": {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800},
    "text/tagging": {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800},
    "image/classification": {"depths": [1, 1, 1, 1, 1, 1, 1], "widths": [32, 8, 8, 16, 16, 24, 16, 24, 32]},
}
"""Sizes of a student that is smaller than the tiny teacher of a kind."""
