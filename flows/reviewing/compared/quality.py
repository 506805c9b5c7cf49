"""How the models that ship on two sides answer the rows both measured: verdict, flips, categories. Nothing is
run: their answers are kept.

Rows that only one side measured are left out and counted. Where a row's label changed, both models are judged
by the label of side B.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.judging.verdict import Comparison, Spread
from flows.reviewing.compared.rows import Rows
from flows.reviewing.inputs.sides import Side
from tasks.kinds.base.kind import Kind, Row

if TYPE_CHECKING:
    from tasks.kinds.base.rows import Truth

SHIPPED = "final"
WORST = 20
MARGIN = 0.01
RESAMPLES = 2000


@dataclass(frozen=True)
class Answers:
    """Of the model that ships: by row its id, its label and probabilities (decisions, labels), or a text
    (1,)."""

    labels: Mapping[str, str]
    probabilities: Mapping[str, np.ndarray]
    names: Sequence[str]


@dataclass(frozen=True)
class Flip:
    """A row that one model answers right and the other wrong; `cells` are a line of a table, by its heads."""

    id: str
    sure: float
    cells: dict[str, str]
    picture: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Quality:
    """`only_a` and `only_b` count rows that one side alone measured, `relabelled` those of the common ones
    with another label now, `unlike` common rows with answers of another length, which are left out."""

    comparison: Comparison
    spread: Spread | None
    lost: list[Flip]
    gained: list[Flip]
    lost_rows: int
    gained_rows: int
    common: int
    only_a: int
    only_b: int
    relabelled: int
    unlike: int


@dataclass(frozen=True)
class Terms:
    """By what is judged: the run's params."""

    margin: float
    resamples: int
    seed: int
    spread: Spread | None


def terms(a: Side, b: Side, run: str) -> Terms:
    """Those of side B, else of A."""
    margins = [_number(side.params.get("retrain"), run, "margin") for side in (b, a)]
    resamples = [_number(side.run(run), "benchmark", "resamples") for side in (b, a)]
    seeds = [side.run(run).get("seed") for side in (b, a)]
    spreads = [spread_of(side, run) for side in (b, a)]
    return Terms(
        margin=next((float(one) for one in margins if one is not None and 0 <= one < 1), MARGIN),
        resamples=next((int(one) for one in resamples if one and 100 <= one <= 100_000), RESAMPLES),
        seed=next((one for one in seeds if isinstance(one, int) and one >= 0), 0),
        spread=next((one for one in spreads if one is not None), None),
    )


def _number(tree: Any, *keys: str) -> float | None:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, int | float) and not isinstance(tree, bool) else None


def spread_of(side: Side, run: str) -> Spread | None:
    """How far models of this recipe lie apart by their seed alone, where that was measured, and of the recipe
    that the side has.
    """
    from flows.judging import seed_spread

    found = side.json(seed_spread.file(run).as_posix())
    if found is None:
        return None
    try:
        if "recipe" in found and found["recipe"] != seed_spread.recipe(side.run(run)):
            return None
        categories = {str(name): float(value) for name, value in found["categories"].items()}
        return Spread(int(found["seeds"]), float(found["deviation"]), categories)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def answers(side: Side, run: str) -> Answers | None:
    """None if they cannot be had; the side remembers why."""
    from flows.judging import answers as numbering

    path, labels = f"data/{run}/benchmark/out/predictions.parquet", f"data/{run}/ingest/out/labels.json"
    contents = side.read(path), side.read(labels)
    if contents[0] is None or contents[1] is None:
        return None
    try:
        names = [str(name) for name in json.loads(contents[1])]
        table = pq.read_table(io.BytesIO(contents[0]), columns=["id", "label", SHIPPED]).to_pydict()
        ids = [str(one) for one in table["id"]]
        parts = [numbering.of_row(one, len(names)) for one in table[SHIPPED]]
    except (pa.ArrowException, KeyError, ValueError, TypeError, OSError) as error:
        side.lacking[path] = f"is no table of answers ({' '.join(str(error).split())[:160]})"
        return None
    return Answers(
        dict(zip(ids, map(str, table["label"]), strict=True)), dict(zip(ids, parts, strict=True)), names
    )


def compare(
    kind: Kind, a: Answers, b: Answers, twins: Mapping[str, str], rows: Rows, by: Terms
) -> Quality | None:
    """None if no row was measured by both.

    `twins` maps ids of B to those of A; `rows` by ids of B or A, to show the flips.
    """
    from flows.judging import answers as numbering
    from flows.judging import verdict

    pairs = [(twins.get(key, key), key) for key in b.labels if twins.get(key, key) in a.labels]
    names = kind.data.labels.names([*(b.labels[key] for _, key in pairs), *a.names, *b.names])
    fit = [
        (old, new)
        for old, new in pairs
        if len(a.probabilities[old]) == len(b.probabilities[new]) == _decisions(b.labels[new], names)
    ]
    if not fit:
        return None
    truth = numbering.truth_of([{"id": new, "label": b.labels[new]} for _, new in fit], names)
    told = [
        _Told([side.probabilities[pair[at]] for pair in fit], side.names) for at, side in enumerate((a, b))
    ]
    guesses = [
        numbering.numbered(numbering.Answers(truth.ids, one.probabilities), one.names, truth) for one in told
    ]
    lost, gained = (_flips(kind, told, guesses, truth, fit, rows, worse) for worse in (1, 0))
    return Quality(
        comparison=verdict.compare(
            kind, guesses[0], guesses[1], truth, by.spread or Spread(0, 0.0), by.margin, by.resamples, by.seed
        ),
        spread=by.spread,
        lost=lost[0],
        gained=gained[0],
        lost_rows=lost[1],
        gained_rows=gained[1],
        common=len(fit),
        only_a=len(a.labels) - len(pairs),
        only_b=len(b.labels) - len(pairs),
        relabelled=sum(a.labels[old] != b.labels[new] for old, new in fit),
        unlike=len(pairs) - len(fit),
    )


@dataclass(frozen=True)
class _Told:
    """One side's answers to the common rows, in its own numbering of labels."""

    probabilities: Sequence[np.ndarray]
    names: Sequence[str]

    def widened(self, at: int, names: Sequence[str]) -> np.ndarray:
        """In the common numbering; what a model does not know it never answers. Texts as they are."""
        if not names:
            return self.probabilities[at]
        wide = np.zeros((len(self.probabilities[at]), len(names)))
        wide[:, [names.index(label) for label in self.names]] = self.probabilities[at]
        return wide


def _decisions(label: str, names: Sequence[str]) -> int:
    return 1 if label in names or not names else len(label.split())


def _flips(
    kind: Kind,
    told: Sequence[_Told],
    guesses: Sequence[np.ndarray],
    truth: Truth,
    fit: Sequence[tuple[str, str]],
    rows: Rows,
    worse: int,
) -> tuple[list[Flip], int]:
    """The rows that the side `worse` alone answers wrong, those first of which it is surest, and how many
    there are; of texts the rows that it answers worse, those first that are farthest behind.
    """
    ends = np.cumsum([0, *truth.decisions])
    if truth.names:
        turned = (guesses[1 - worse] == truth.labels) & (guesses[worse] != truth.labels)
        sure = np.where(turned, np.concatenate(told[worse].probabilities).max(1), 0.0)
        surest = np.maximum.reduceat(sure, ends[:-1])
    else:
        scores = [kind.quality.headline_of(kind.quality.statistics(one, truth)) for one in guesses]
        surest = scores[1 - worse] - scores[worse]
    order = [int(at) for at in np.argsort(-surest, kind="stable") if surest[at] > 0]
    shown = []
    for at in order[:WORST]:
        old, new = fit[at]
        row, wide = rows.get(new) or rows.get(old), [one.widened(at, truth.names) for one in told]
        cells = _cells(kind, row, wide, truth.labels[ends[at] : ends[at + 1]], truth.names)
        seen = kind.report.shown(row) if row else ""
        shown.append(Flip(new, float(surest[at]), cells, None if isinstance(seen, str) else seen))
    return shown, len(order)


def _cells(
    kind: Kind, row: Row | None, wide: Sequence[np.ndarray], truth: np.ndarray, names: Sequence[str]
) -> dict[str, str]:
    """The kind's own line of a mistake, with both answers.

    Without the row what is right and what was answered.
    """
    if row is None and not names:
        return {"label": str(truth[0]), "answer, A": str(wide[0][0]), "answer, B": str(wide[1][0])}
    if row is None:
        right, old, new = (
            ", ".join(names[number] for number in numbers)
            for numbers in (truth, *(one.argmax(1) for one in wide))
        )
        return {"label": right, "answer, A": old, "answer, B": new}
    was, now = (kind.report.mistake(row, one, truth, names) for one in wide)
    cells: dict[str, str] = {}
    for head, cell in now.items():
        cells |= {head: cell} if head != "answer" else {"answer, A": was[head], "answer, B": cell}
    return cells
