"""Parts of kinds whose models write: records of which such a kind fills what is its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tasks.kinds.base import single_label
from tasks.kinds.base.kind import Baseline
from tasks.kinds.base.model import Model
from tasks.kinds.base.package import Package
from tasks.kinds.base.quality import Quality
from tasks.kinds.base.report import Report
from tasks.kinds.base.rows import Processor, Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing import baseline, folder, learning, quality


def no_baseline(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    """Of pieces that are given there is none."""
    raise NotImplementedError


def measured(fitted: Callable[[Sequence[Row], Sequence[str], int], Baseline]) -> Quality:
    """The figures of what is written, beside those of this baseline."""
    return Quality(quality.HEADLINE, quality.statistics, quality.figures, fitted, baseline_is=baseline.IS)


def package(ship: Callable[[Path, Processor, int], dict[str, Any]]) -> Package:
    """A folder with one graph that is asked piece by piece."""
    return Package(
        ship=ship,
        request=folder.request,
        raw_input=texts.raw_input,
        answer_line=folder.answer_line,
        answer=folder.answer,
        graphs=frozenset({"built"}),
        formats=frozenset({"fp32", "int8", "int4", "int8-dynamic"}),
        embeddings=frozenset({"int8", "int4"}),
    )


def model(**own: Any) -> Model:
    """A model whose answers are pieces, of which the likeliest are kept. `own`: what else `Model` has."""
    return Model(
        loss=single_label.loss,
        distillation_loss=learning.divergence,
        likeliest=learning.LIKELIEST,
        keeps_head=True,
        pieces=True,
        **own,
    )


REPORT = Report(mistake=folder.mistake, shown=texts.raw_input)
LEARNING = Quality(learning.HEADLINE, learning.statistics, learning.figures, no_baseline)
