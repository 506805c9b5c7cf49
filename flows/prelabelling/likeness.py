"""Labels for texts that have none, by how like each text is to what is said of the labels.

Texts and descriptions become sentence vectors of the pretrained encoder that reads their language, the mean
of its last states (Reimers and Gurevych: Sentence-BERT, 2019). The mean of all is taken away first, from
texts and from descriptions: vectors of one subject share most of their direction. Then each description
moves half way to the texts that are surely its own, and the texts are compared again, some times over. The
figures behind this are in docs/log.md, "Labels by description".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.raw_data import languages
from tasks.core.progress import track
from tasks.kinds.base.kind import Kind
from tasks.pretrain import locate
from tasks.pretrain.source import Source

LONGEST = 128
"""Tokens that are read of a text,"""
BATCH = 64
"""and texts at once."""
MOVES = 5
"""Of the descriptions."""
Descriptions = Mapping[str, Sequence[str]]
"""Label -> what is said of it: sentences, or texts that have it."""


@dataclass(frozen=True)
class Likeness:
    """Of n texts to c labels."""

    names: Sequence[str]
    cosines: np.ndarray
    """(n, c)."""

    @property
    def chosen(self) -> np.ndarray:
        """(n,) numbers of the labels."""
        chosen: np.ndarray = self.cosines.argmax(1)
        return chosen

    @property
    def margins(self) -> np.ndarray:
        """(n,) how much nearer the label is than the next one."""
        nearest = np.sort(self.cosines, axis=1)[:, -2:]
        margins: np.ndarray = nearest[:, 1] - nearest[:, 0]
        return margins

    def sure(self, share: float) -> np.ndarray:
        """(n,) whether a text is among the surest of its label, of which so many are: at least one."""
        sure = np.zeros(len(self.cosines), bool)
        chosen, margins = self.chosen, self.margins
        for label in range(len(self.names)):
            (own,) = np.nonzero(chosen == label)
            count = max(1, round(share * len(own)))
            sure[own[np.argsort(-margins[own], kind="stable")[:count]]] = True
        return sure


class Encoder:
    """Gives sentence vectors in the language of some texts."""

    def __init__(self, texts: Sequence[str], kind: Kind, workspace: Path, scratch: Path) -> None:
        """Loads the encoder that reads them.

        Raises:
            ModelError: the package that carries it is not installed.
        """
        from transformers import AutoModel

        found = languages.pretrained_for(texts)
        found.check()
        source = Source.model_validate({"package": found.package, "version": found.version})
        folder = locate.find(source, kind, workspace, scratch)
        self.about, self.warning = found.reason, found.warning
        self._prefix, self._kind = found.prefix, kind
        self._processor = kind.model.load_processor(folder)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False).eval()

    def vectors(self, texts: Sequence[str], label: str = "") -> np.ndarray:
        """(n, h) vectors; `label` names the progress."""
        import torch

        rows = [{"text": f"{self._prefix}{text}"} for text in texts]
        features = self._kind.model.encode(self._processor, rows, [], LONGEST)
        order = sorted(range(len(rows)), key=lambda row: self._kind.model.size(features[row]))
        batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
        found = np.zeros((len(rows), self._model.config.hidden_size), np.float32)
        with torch.inference_mode():
            for batch in track(batches, label=label) if label else batches:
                read = self._kind.model.collate(self._processor, [features[row] for row in batch])
                mask = read["attention_mask"]
                states = self._model(input_ids=read["input_ids"], attention_mask=mask).last_hidden_state
                found[batch] = ((states * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]).numpy()
        return _unit(found)


def measured(texts: Sequence[str], told: Descriptions, encoder: Encoder) -> Likeness:
    """How like the texts are to each label."""
    vectors = _centred(encoder.vectors(texts, "texts"))
    spoken = _centred(_unit(np.stack([encoder.vectors(list(said)).mean(0) for said in told.values()])))
    likeness, labels = Likeness([*told], vectors @ spoken.T), spoken
    for _ in range(MOVES):
        labels = _unit(0.5 * spoken + 0.5 * _means(vectors, likeness, spoken))
        likeness = Likeness([*told], vectors @ labels.T)
    return likeness


def _means(vectors: np.ndarray, likeness: Likeness, spoken: np.ndarray) -> np.ndarray:
    """(c, h) of the surer half of each label's texts; of a label without texts what is said of it."""
    chosen, sure = likeness.chosen, likeness.sure(0.5)
    own = [vectors[sure & (chosen == label)] for label in range(len(spoken))]
    return np.stack([some.mean(0) if len(some) else said for some, said in zip(own, spoken, strict=True)])


def spelled(label: str) -> str:
    """What the name of a label says: `card_arrival` -> `card arrival`."""
    return " ".join(label.replace("_", " ").replace("-", " ").split())


def _centred(vectors: np.ndarray) -> np.ndarray:
    return _unit(vectors - vectors.mean(0))


def _unit(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found
