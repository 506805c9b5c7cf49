"""Peers that answer a text by code of their own, without our tokenizer and without a graph: Model2Vec
(tokenizers and numpy), fastText (C++), SetFit and sentence-transformers (torch).

Each is asked by its own documented call, in the process that measures all. Its libraries are pinned in
measuring/requirements.lock and imported when a folder is opened, so that a peer needs only its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.benchmark.forms.variants import Setting, Source, size_of
from tasks.core.errors import ModelError
from tasks.core.progress import track
from tasks.kinds.base.kind import Row

HEAD = "head.safetensors"
FASTTEXT = "model.bin"
MARK = "__label__"
Answer = Callable[[list[str]], np.ndarray]


class Opened(NamedTuple):
    answer: Answer
    """Texts -> probabilities (n, k)."""
    classes: Sequence[int]
    """The label, by its place among the run's, of each of the k columns."""


class OwnRuntime:
    """A peer's folder, opened by its own library. Rows are answered one by one, as ours are.

    It has no step before the model: `prepare` does nothing and `forward` takes texts, so that what it does to
    a text is in each of its times.
    """

    def __init__(self, runtime: Callable[[Path], Opened], source: Source, setting: Setting) -> None:
        self.name, self.parameters, self.bytes = source.name, None, size_of(source.folder)
        self._raw_input, labels = setting.load_kind().package.raw_input, len(setting.labels)
        opened = runtime(source.folder)
        self._ask = opened.answer
        if list(opened.classes) != list(range(labels)):
            self._ask = partial(_spread, opened, labels)

    def predict(self, rows: Sequence[Row]) -> np.ndarray:
        return np.concatenate([self.answer(row) for row in track(rows, label=self.name)])

    def answer(self, row: Row) -> np.ndarray:
        return self._ask([self._raw_input(row)])

    def prepare(self, rows: Sequence[Row], length: int | None) -> list[str]:  # noqa: ARG002 - all forms have the same methods
        return [self._raw_input(row) for row in rows]

    def forward(self, batch: list[str]) -> np.ndarray:
        return self._ask(batch)

    def use(self, threads: int) -> None:
        """Of numpy's and torch's, where they are loaded. FastText answers in one."""
        import sys

        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)


def _spread(opened: Opened, labels: int, texts: list[str]) -> np.ndarray:
    """Columns in the run's order; a label that the peer never saw in training has probability 0.

    Raises:
        ModelError: the peer knows a label that the run does not.
    """
    if odd := [label for label in opened.classes if not 0 <= label < labels]:
        raise ModelError("labels", f"the peer knows label {odd[0]}; the run has labels 0 to {labels - 1}")
    whole = np.zeros((len(texts), labels), np.float32)
    whole[:, list(opened.classes)] = opened.answer(texts)
    return whole


def model2vec(folder: Path) -> Opened:
    from model2vec.inference import StaticModelPipeline

    pipeline = StaticModelPipeline.from_pretrained(folder)
    return Opened(pipeline.predict_proba, [int(label) for label in pipeline.classes_])


def fasttext(folder: Path) -> Opened:
    """Its answers are sorted by probability: they are put in the order of the labels.

    A list is asked: with one text its `predict` asks numpy 2 not to copy what has to be copied, and fails.
    What its training does to a text beforehand is part of the answer.
    """
    from fasttext import load_model

    from benchmarks.peers.fasttext.compress import prepared

    model = load_model(str(folder / FASTTEXT))
    names = sorted(model.get_labels(), key=lambda name: int(name.removeprefix(MARK)))
    places = {name: place for place, name in enumerate(names)}

    def answer(texts: list[str]) -> np.ndarray:
        listed, probabilities = model.predict([prepared(text) for text in texts], k=-1)
        found = np.zeros((len(texts), len(names)), np.float32)
        for row, (given, values) in enumerate(zip(listed, probabilities, strict=True)):
            found[row, [places[name] for name in given]] = values
        return found

    return Opened(answer, [int(name.removeprefix(MARK)) for name in names])


def setfit(folder: Path) -> Opened:
    from setfit import SetFitModel

    body, head = _encoder(folder)
    model = SetFitModel(body, head)

    def answer(texts: list[str]) -> np.ndarray:
        found: np.ndarray = model.predict_proba(texts, as_numpy=True, show_progress_bar=False)
        return found

    return Opened(answer, [int(label) for label in head.classes_])


def sentences(folder: Path) -> Opened:
    """Sentence-transformers has no classifier: the head is scikit-learn's, as its documentation has it."""
    body, head = _encoder(folder)

    def answer(texts: list[str]) -> np.ndarray:
        found: np.ndarray = head.predict_proba(body.encode(texts, show_progress_bar=False))
        return found

    return Opened(answer, [int(label) for label in head.classes_])


def _encoder(folder: Path) -> tuple[Any, Any]:
    """An encoder and its logistic head, which is kept as numbers and not as a pickle."""
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    numbers, head = load_file(folder / HEAD), LogisticRegression()
    head.coef_, head.intercept_, head.classes_ = (numbers[name] for name in ("weights", "bias", "classes"))
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True), head


RUNTIMES: dict[str, Callable[[Path], Opened]] = {
    "own_model2vec": model2vec,
    "own_fasttext": fasttext,
    "own_setfit": setfit,
    "own_sentences": sentences,
}
