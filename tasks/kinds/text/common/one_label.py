"""Parts of kinds that choose one label for each text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.kinds.base import single_label
from tasks.kinds.base.data import Data, Labels, Role
from tasks.kinds.base.model import Model
from tasks.kinds.base.quality import Baseline
from tasks.kinds.base.rows import Features, Row
from tasks.kinds.text.common import long_texts, parts, texts, words

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


def fingerprint(row: Row) -> str:
    """The text and what comes with it for the pool, without regard to case and white space."""
    return " ".join(f"{row['text']}\n{row.get('pool') or ''}".casefold().split())


def auto_model() -> Any:
    """The auto class of a sequence classifier."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], labels: Sequence[str], input_size: int
) -> list[Features]:
    """`input_ids` of at most `input_size` pieces; of a text that is read in parts those of all."""
    if not rows:
        return []
    encoded = long_texts.tokens(tokenizer, [row["text"] for row in rows], input_size)
    index = {label: number for number, label in enumerate(labels)}
    return [
        {**texts.joined(parts), **single_label.numbered(row, index)}
        for row, parts in zip(rows, encoded, strict=True)
    ]


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` (n, l) of all parts, `labels` (n,)."""
    batch = texts.padded(features, tokenizer.pad_token_id)
    return {**batch, "labels": single_label.label_tensor(features)}


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


def request(folder: Path) -> Callable[[Any], tuple[dict[str, np.ndarray], None]]:
    """Folder -> a function from a text to the graph's inputs."""
    tokenizer = texts.shipped_tokenizer(folder)
    told = texts.told(folder)

    def inputs(text: str) -> tuple[dict[str, np.ndarray], None]:
        return texts.graph_inputs(long_texts.parts(tokenizer.encode(texts.whole(text)).ids, told)), None

    return inputs


def answer_line(text: str, probabilities: np.ndarray, labels: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Label, probability and text, separated by tabs."""
    label, sure = single_label.best(probabilities, labels)
    return f"{label}\t{sure:.3f}\t{text}"


def mistake(row: Row, probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict[str, str]:
    """The text, its label, and the label chosen by probabilities (1, c)."""
    return {"text": row["text"], **single_label.mistake(row, probabilities, truth, labels)}


def data(label: str, labels: Labels = single_label.LABELS) -> Data:
    """Rows of a text and its label; `label` says what that is."""
    roles = {"text": Role("what the model reads"), "label": Role(label), "pool": parts.POOL}
    return parts.data(roles=roles, labels=labels, fingerprint=fingerprint)


MODEL: Model = parts.model(
    auto_model=auto_model,
    encode=encode,
    collate=collate,
    loss=single_label.loss,
    forms=frozenset({"static"}),
)
PACKAGE = parts.package(request=request, answer_line=answer_line, answer=single_label.answer)
REPORT = parts.report(mistake)
