"""One text in, one label out: the kind of headlines and desks, of messages and intents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.kinds.base import IGNORED, Baseline, Features, Kind, Row
from tasks.shared import losses, texts
from tasks.shared.params import Section

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Options(Section):
    """This kind asks for nothing of its own."""


# -- ingest --


def examine(values: Mapping[str, str], options: Options, mended: Counter[str]) -> list[dict[str, str]]:
    return [dict(values)]


def content(row: Row) -> str:
    return " ".join(row["text"].casefold().split())


def fingerprint(row: Row) -> str:
    return " ".join(f"{row['text']}\n{row.get('pool') or ''}".casefold().split())


def pool(row: Row, longest: int) -> list[str]:
    return texts.pieces_of(row.get("pool") or "", longest)


def label_names(found: Sequence[str]) -> list[str]:
    return sorted(set(found))


def classes(label: str) -> list[str]:
    return [label]


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
        known = {"labels": [index[row["label"]]]} if row.get("label") is not None else {}
        features.append({"input_ids": ids, **known})
    return features


def size(features: Features) -> int:
    return len(features["input_ids"])


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    import torch

    batch = texts.padded(features, tokenizer.pad_token_id)
    batch["labels"] = torch.tensor([one.get("labels", [IGNORED])[0] for one in features])
    return batch


def loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float, options: Options) -> torch.Tensor:
    return losses.cross_entropy(logits, labels, smoothing)


# -- quality --


def categories(labels: Sequence[str]) -> list[str]:
    return list(labels)


def count(predicted: np.ndarray, truth: np.ndarray, decisions: Sequence[int], labels: Sequence[str]) -> np.ndarray:
    one_hot = np.eye(len(labels))
    return np.concatenate([one_hot[predicted], one_hot[truth], one_hot[predicted] * one_hot[truth]], axis=1)


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


def request(folder: Path) -> Callable[[Any], tuple[dict[str, np.ndarray], None]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def inputs(text: str) -> tuple[dict[str, np.ndarray], None]:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}, None

    return inputs


def raw_input(row: Row) -> str:
    return str(row["text"])


def told(text: str, probabilities: np.ndarray, labels: Sequence[str]) -> str:
    best = int(probabilities[0].argmax())
    return f"{labels[best]}\t{probabilities[0, best]:.3f}\t{text}"


KIND = Kind(
    options=Options,
    roles={"text": "what the model reads", "label": "what it shall answer", "pool?": "further text of the row, for the unlabelled pool"},
    verbatim=frozenset(),
    examine=examine,
    fingerprint=fingerprint,
    content=content,
    pool=pool,
    label_names=label_names,
    classes=classes,
    fewest_classes=2,
    auto_model=auto_model,
    encode=encode,
    size=size,
    collate=collate,
    loss=loss,
    distillation_loss=losses.divergence,
    headline="macro_f1",
    categories=categories,
    count=count,
    figures=figures,
    coarse=categories,
    baseline=baseline,
    request=request,
    raw_input=raw_input,
    told=told,
)
