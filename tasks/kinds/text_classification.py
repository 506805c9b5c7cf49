"""One text in, one label out: the kind of headlines and desks, of messages and intents."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.kinds.base import Baseline, Features, Kind, Row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)]*\s+|\n+")
FEWEST_WORDS = 3


# -- ingest --


def content(row: Row) -> str:
    return " ".join(row["text"].casefold().split())


def fingerprint(row: Row) -> str:
    return " ".join(f"{row['text']}\n{row.get('pool') or ''}".casefold().split())


def pool(row: Row, longest: int) -> list[str]:
    """The sentences of the row's further text, each cut into parts of like length and at most `longest` words."""
    parts: list[str] = []
    for sentence in SENTENCE_END.split(row.get("pool") or ""):
        words = sentence.split()
        length = math.ceil(len(words) / max(1, math.ceil(len(words) / longest)))
        parts += [" ".join(words[at : at + length]) for at in range(0, len(words), max(1, length))]
    return [part for part in parts if len(part.split()) >= FEWEST_WORDS]


# -- the model --


def auto_model() -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification


def encode(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], labels: Sequence[str], input_size: int) -> list[Features]:
    if not rows:
        return []
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=input_size, return_token_type_ids=False)
    index = {label: number for number, label in enumerate(labels)}
    features: list[Features] = []
    for row, ids in zip(rows, encoded["input_ids"], strict=True):
        known = {"labels": index[row["label"]]} if row.get("label") is not None else {}
        features.append({"input_ids": ids, **known})
    return features


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    import torch

    longest = max(len(one["input_ids"]) for one in features)
    ids = np.full((len(features), longest), tokenizer.pad_token_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, one in enumerate(features):
        ids[number, : len(one["input_ids"])] = one["input_ids"]
        mask[number, : len(one["input_ids"])] = 1
    batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if all("labels" in one for one in features):
        batch["labels"] = torch.tensor([one["labels"] for one in features])
    return batch


def loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits.float(), labels, label_smoothing=smoothing)


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network (2015): KL divergence at a temperature, times its square."""
    from torch.nn.functional import kl_div, log_softmax

    wanted, got = log_softmax(teacher.float() / temperature, dim=-1), log_softmax(student.float() / temperature, dim=-1)
    return kl_div(got, wanted, reduction="batchmean", log_target=True) * temperature**2


# -- quality --


def statistics(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Per row and class: predicted, true, both. Shape (n, 3 c)."""
    one_hot = np.eye(classes)
    guess, truth = one_hot[predicted], one_hot[labels]
    return np.concatenate([guess, truth, guess * truth], axis=1)


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, and F1 averaged over the classes that occur among the labels or the predictions."""
    guess, truth, both = np.split(sums, 3, axis=-1)
    occurs = (guess + truth) > 0
    f1 = 2 * both / np.where(occurs, guess + truth, 1)
    return {"macro_f1": f1.sum(-1) / occurs.sum(-1), "accuracy": both.sum(-1) / truth.sum(-1)}


def baseline(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    """TF-IDF of words and word pairs into a logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    index = {label: number for number, label in enumerate(labels)}
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced", random_state=seed))
    model.fit([row["text"] for row in rows], [index[row["label"]] for row in rows])
    known = model.classes_

    def probabilities(rows: Sequence[Row]) -> np.ndarray:
        result = np.zeros((len(rows), len(labels)))
        result[:, known] = model.predict_proba([row["text"] for row in rows])
        return result

    terms = sum(len(term.encode()) for term in vectorizer.vocabulary_)
    weights = (model[-1].coef_, model[-1].intercept_, vectorizer.idf_)
    parameters = sum(each.size for each in weights)
    return Baseline(probabilities, parameters, terms + sum(each.nbytes for each in weights))


# -- the shippable folder --


def request(folder: Path) -> Callable[[Any], dict[str, np.ndarray]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def inputs(text: str) -> dict[str, np.ndarray]:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    return inputs


def raw_input(row: Row) -> str:
    return str(row["text"])


KIND = Kind(
    roles={"text": "what the model reads", "label": "what it shall answer", "pool?": "further text of the row, for the unlabelled pool"},
    fingerprint=fingerprint,
    content=content,
    pool=pool,
    auto_model=auto_model,
    encode=encode,
    collate=collate,
    loss=loss,
    distillation_loss=distillation_loss,
    headline="macro_f1",
    statistics=statistics,
    figures=figures,
    baseline=baseline,
    request=request,
    raw_input=raw_input,
)
