"""One text in, one label out: the kind of headlines and desks, of messages and intents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.params import Section
from tasks.kinds.base import fast_tokenizer, losses, single_label
from tasks.kinds.base.kind import IGNORED, Baseline, Features, Kind, Row
from tasks.kinds.text.common import rewording, texts, words

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Options(Section):
    """This kind asks for nothing of its own."""


# -- ingest --


def examine(values: Mapping[str, str], options: Options, mended: Counter[str]) -> list[dict[str, str]]:
    return [dict(values)]


def fingerprint(row: Row) -> str:
    return " ".join(f"{row['text']}\n{row.get('pool') or ''}".casefold().split())


# -- the model --


def auto_model() -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], labels: Sequence[str], input_size: int
) -> list[Features]:
    if not rows:
        return []
    encoded = tokenizer(
        [row["text"] for row in rows], truncation=True, max_length=input_size, return_token_type_ids=False
    )
    index = {label: number for number, label in enumerate(labels)}
    features: list[Features] = []
    for row, ids in zip(rows, encoded["input_ids"], strict=True):
        known = {"labels": [index[row["label"]]]} if row.get("label") is not None else {}
        features.append({"input_ids": ids, **known})
    return features


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    import torch

    batch = texts.padded(features, tokenizer.pad_token_id)
    batch["labels"] = torch.tensor([one.get("labels", [IGNORED])[0] for one in features])
    return batch


# -- quality --


def baseline(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    """TF-IDF of words and word pairs into a logistic regression.

    Of characters where words are not separated.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    index = {label: number for number, label in enumerate(labels)}
    pattern = rf"[{texts.ALONE}][{texts.MARKS}]*|(?:[^\W{texts.ALONE}][{words.marks()}]*){{2,}}"
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=pattern)
    model = make_pipeline(
        vectorizer, LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced", random_state=seed)
    )
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


# -- the shippable folder and the report --


def request(folder: Path) -> Callable[[Any], tuple[dict[str, np.ndarray], None]]:
    tokenizer = texts.shipped_tokenizer(folder)
    return lambda text: (texts.graph_inputs(tokenizer.encode(texts.whole(text)).ids), None)


def told(text: str, probabilities: np.ndarray, labels: Sequence[str], facts: Mapping[str, Any]) -> str:
    label, sure = single_label.best(probabilities, labels)
    return f"{label}\t{sure:.3f}\t{text}"


def mistake(row: Row, probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict[str, str]:
    answer, sure = single_label.best(probabilities, labels)
    return {"text": row["text"], "label": labels[truth[0]], "answer": f"{answer} ({sure:.2f})"}


KIND = Kind(
    options=Options,
    task="text_classification",
    roles={
        "text": "what the model reads",
        "label": "what it shall answer",
        "pool?": "further text of the row, for the unlabelled pool",
    },
    verbatim=frozenset(),
    files=frozenset(),
    examine=examine,
    fingerprint=fingerprint,
    alike=fingerprint,
    content=texts.content,
    extent=texts.extent,
    extent_of=texts.EXTENT_OF,
    pool=texts.pool,
    label_names=single_label.label_names,
    classes=single_label.classes,
    fewest_classes=2,
    architectures="text",
    auto_model=auto_model,
    load_processor=fast_tokenizer.load,
    fit=texts.fit,
    encode=encode,
    size=texts.size,
    collate=collate,
    augment=texts.unchanged,
    transfer=texts.from_pool,
    reword=rewording.REWORDER,
    loss=single_label.loss,
    distillation_loss=losses.divergence,
    headline=single_label.HEADLINE,
    categories=single_label.categories,
    count=single_label.count,
    figures=single_label.figures,
    coarse=single_label.categories,
    baseline=baseline,
    lengths=True,
    ship=texts.ship,
    request=request,
    raw_input=texts.raw_input,
    told=told,
    mistake=mistake,
    picture=None,
    check_rows=texts.markup,
)
