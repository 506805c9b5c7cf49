"""Words in, a tag for each of them out: the kind of named entities. Tags are BIO: B-x begins an entity of
type x, I-x goes on with it.

In the tables of ingest `text` holds the words and `label` their tags, each separated by single spaces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tasks.core.errors import UnusableRowError
from tasks.core.params import Section
from tasks.kinds.base import counts, losses
from tasks.kinds.base.data import Labels, Role
from tasks.kinds.base.kind import IGNORED, Features, Kind, Quality, Row, Truth
from tasks.kinds.base.quality import Categories
from tasks.kinds.text.common import parts, texts
from tasks.kinds.text.common.words import PATTERNS, cut, pattern_of
from tasks.kinds.text.tagging import spans, tag_scheme
from tasks.kinds.text.tagging.spans import OUTSIDE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Options(Section):
    scheme: Literal["bio", "iob1", "bioes"] = Field(description="how the tags of the raw data mark entities")
    broken: Literal["repair", "reject"] = Field(
        description="what becomes of a row whose tags do not follow the scheme"
    )
    words: Literal["white_space", "unicode"] = Field(
        description="how running text is cut, by ingest and where served: at white space, or also at "
        "punctuation and between CJK signs"
    )
    offsets: Literal["code_points", "utf16", "bytes"] = Field(
        description="what character spans count: code points (Python), UTF-16 units (JavaScript), bytes of "
        "UTF-8"
    )
    span_end: Literal["exclusive", "inclusive"] = Field(
        description="whether the end of a character span is the sign after its last one"
    )
    longest: int = Field(ge=8, le=4096, description="words; longer rows are cut between entities")
    outside_weight: float = Field(
        gt=0, le=1, description="of words outside entities in the loss; entities have 1"
    )
    subwords: Literal["first", "all"] = Field(
        description="pieces of a word that the teacher is trained on; the first one decides"
    )


# -- ingest --


def check_rows(rows: Iterable[Mapping[str, Any]], options: Options) -> list[str]:
    return spans.check(rows, options, PATTERNS[options.words])


def examine(values: Mapping[str, str], options: Options, mended: Counter[str]) -> list[dict[str, str]]:
    if {"tokens", "tags"} <= values.keys():
        words, given = tag_scheme.listed(values["tokens"]), tag_scheme.listed(values["tags"])
        tags = tag_scheme.to_bio(given, options.scheme, options.broken, mended)
        if len(words) != len(tags):
            raise UnusableRowError(f"has {len(words)} words and {len(tags)} tags")
        words, tags = spans.recut(words, tags, PATTERNS[options.words], mended)
    elif {"text", "spans"} <= values.keys():
        words, tags = spans.tagged(values["text"], values["spans"], options, PATTERNS[options.words], mended)
    else:
        raise UnusableRowError("columns: tokens and tags, or text and spans, must be named in ingest.columns")
    rest = {role: value for role, value in values.items() if role in {"pool", "split"}}
    parts = list(tag_scheme.cut(words, tags, options.longest))
    mended["over-long rows cut"] += len(parts) > 1
    return [{"text": " ".join(part), "label": " ".join(own), **rest} for part, own in parts]


def label_names(found: Sequence[str]) -> list[str]:
    types = sorted({tag[2:] for label in found for tag in label.split() if tag != OUTSIDE})
    return [OUTSIDE, *(f"{sign}-{name}" for name in types for sign in "BI")]


def classes(label: str) -> list[str]:
    return sorted({tag[2:] for tag in label.split() if tag != OUTSIDE})


# -- the model --


def auto_model() -> Any:
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], labels: Sequence[str], input_size: int
) -> list[Features]:
    """A word's tag is decided at its first piece.

    Of words that do not fit any more, at position 0, where no word stands.
    """
    if not rows:
        return []
    words = [row["text"].split() for row in rows]
    encoded = tokenizer(
        words, is_split_into_words=True, truncation=True, max_length=input_size, return_token_type_ids=False
    )
    index = {label: number for number, label in enumerate(labels)}
    features: list[Features] = []
    for number, row in enumerate(rows):
        word_of = encoded.word_ids(number)
        where = tag_scheme.first_pieces(word_of, len(words[number]))
        known: dict[str, Any] = {}
        if row.get("label") is not None:
            known["labels"] = [index[tag] for tag in row["label"].split()]
            known["further"] = [
                (at, word) for at, word in enumerate(word_of) if word is not None and where[word] != at
            ]
        features.append({"input_ids": encoded["input_ids"][number], "where": where, **known})
    return features


def augment(features: Sequence[Features], options: Options) -> list[Features]:
    """With `subwords: all`, further decisions: each further piece of a word goes on with what its first piece
    begins.
    """
    return list(features) if options.subwords == "first" else [_with_further_pieces(one) for one in features]


def _with_further_pieces(features: Features) -> Features:
    tags, further = features["labels"], features["further"]
    goes_on = [tags[word] + tags[word] % 2 for _, word in further]  # names are O, B-x, I-x, B-y, I-y, ...
    return {
        **features,
        "where": [*features["where"], *(at for at, _ in further)],
        "labels": [*tags, *goes_on],
    }


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    import torch

    batch = texts.padded(features, tokenizer.pad_token_id)
    places = [(number, position) for number, one in enumerate(features) for position in one["where"]]
    tags = [tag for one in features for tag in one.get("labels", [IGNORED] * len(one["where"]))]
    seen = [tag if position else IGNORED for tag, (_, position) in zip(tags, places, strict=True)]
    return {**batch, "where": torch.tensor(places).T, "labels": torch.tensor(seen)}


def loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    smoothing: float,
    options: Options,
    weights: Sequence[float] | None,
) -> torch.Tensor:
    own = [options.outside_weight, *[1.0] * (logits.shape[1] - 1)]
    found = [one * other for one, other in zip(own, weights or [1.0] * len(own), strict=True)]
    return losses.cross_entropy(logits, labels, smoothing, found)


# -- quality --


def count(answers: np.ndarray, truth: Truth) -> np.ndarray:
    """Per row and type, (n, 3 k), the entities answered, true, and both: one is right if its type, its first
    and its last word are."""
    index = {name: number for number, name in enumerate(categories(truth.names))}
    result = np.zeros((len(truth.decisions), 3, len(index)))
    ends = np.cumsum(truth.decisions)
    for row, (start, end) in enumerate(zip(ends - truth.decisions, ends, strict=True)):
        guess, true = (
            {*tag_scheme.entities([truth.names[tag] for tag in tags[start:end]])}
            for tags in (answers, truth.labels)
        )
        for column, found in enumerate((guess, true, guess & true)):
            for name, *_ in found:
                result[row, column, index[name]] += 1
    return result.reshape(len(truth.decisions), -1)


def categories(labels: Sequence[str]) -> list[str]:
    return [label[2:] for label in labels if label.startswith("B-")]


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """F1, precision and recall of all entities; F1 averaged over the types that occur."""
    guess, true, both = counts.split(sums)
    by_type = 2 * both / np.maximum(guess + true, 1)
    predicted, actual, right = (part.sum(-1) for part in (guess, true, both))
    return {
        "entity_f1": 2 * right / np.maximum(predicted + actual, 1),
        "precision": right / np.maximum(predicted, 1),
        "recall": right / np.maximum(actual, 1),
        "macro_f1": by_type.sum(-1) / np.maximum(((guess + true) > 0).sum(-1), 1),
    }


def coarse(labels: Sequence[str]) -> list[str]:
    return [label if label == OUTSIDE else label[2:] for label in labels]


# -- the shippable folder and the report --


def request(folder: Path) -> Callable[[Any], tuple[dict[str, np.ndarray], np.ndarray]]:
    tokenizer = texts.shipped_tokenizer(folder)
    pattern = pattern_of(texts.told(folder))

    def inputs(text: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
        words = [word for word, *_ in spans.words_of(text, pattern)]
        encoded = tokenizer.encode(words, is_pretokenized=True)
        return texts.graph_inputs([encoded.ids]), np.array(
            tag_scheme.first_pieces(encoded.word_ids, len(words)), dtype=np.int64
        )

    return inputs


def answer_line(text: str, probabilities: np.ndarray, labels: Sequence[str], facts: Mapping[str, Any]) -> str:
    """The text with its entities marked: `[Ada Lovelace](person 0.98)`."""
    return tag_scheme.marked(
        text, cut(text, pattern_of(facts)), probabilities, labels, "[{words}]({name} {sure:.2f})"
    )


def answer(
    text: str, probabilities: np.ndarray, labels: Sequence[str], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The entities: `start` and `end` in characters of the text, `type`, `text` and `probability`."""
    return {"entities": tag_scheme.located(text, cut(text, pattern_of(facts)), probabilities, labels)}


def mistake(row: Row, probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict[str, str]:
    def marked(answers: np.ndarray, form: str) -> str:
        return tag_scheme.marked(
            row["text"], cut(row["text"], PATTERNS["white_space"]), answers, labels, form
        )

    right = marked(np.eye(len(labels))[truth], "[{words} {name}]")
    return {"right": right, "answer": marked(probabilities, "[{words} {name} {sure:.2f}]")}


KIND = Kind(
    task="token_classification",
    options=Options,
    data=parts.data(
        roles={
            "tokens": Role("words: a list, or separated by spaces", required=False, form="list"),
            "tags": Role("their tags, as many", required=False, form="list"),
            "text": Role("instead of words: running text", required=False, as_is=True),
            "spans": Role(
                "and the entities in it: a list of [start, end, type], or of objects with these keys",
                required=False,
                form="list",
                as_is=True,
            ),
            "pool": parts.POOL,
        },
        labels=Labels(names=label_names, classes=classes, fewest=1),
        examine=examine,
        check_rows=check_rows,
    ),
    model=parts.model(auto_model=auto_model, encode=encode, collate=collate, loss=loss, augment=augment),
    quality=Quality(
        headline="entity_f1",
        statistics=count,
        figures=figures,
        baseline=tag_scheme.baseline,
        categories=Categories(names=categories, coarse=coarse),
    ),
    package=parts.package(
        request=request,
        answer_line=answer_line,
        answer=answer,
        facts=lambda options: {"words": PATTERNS[options.words]},
    ),
    report=parts.report(mistake),
)
