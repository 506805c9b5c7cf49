"""How often the verdict errs: on models that differ by their seed alone, and on drops that were planted.

    python -m tests.campaigns.calibration --folder FOLDER [--models 400] [--pairs 200] [--picture FILE.png]

Trains the models that FOLDER lacks (tests/campaigns/alike.py; some seconds each), then judges with
flows/judging/verdict.py and prints tables in Markdown. With `--models 0` nothing is trained and what is in
FOLDER is judged.

*A/A*: two models of one recipe; whoever calls one better or worse errs. *Planted, alone*: the challenger is
the champion with answers flipped both ways, as many as differ between real pairs, so that its true loss is
the drop. *Planted, on a pair*: the challenger is another model of the recipe, and loses the drop besides.
*Further apart*: as if the seeds had moved each model more than they did. As in life the spread comes from a
few other models of the recipe, drawn anew for each pair, on the same rows as the pair. The margin is 0, so
that every interval which leaves out 0 is called.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.judging import verdict
from flows.judging.verdict import Comparison, Spread
from tasks.benchmark import bootstrap
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.rows import Truth
from tests import tiny
from tests.campaigns import alike
from tests.campaigns.alike import Alike

KIND = load_kind(alike.KIND)
ROWS, SEEDS, DROPS = (650, 1500, 3000, 5500), (3, 5), (0.005, 0.01, 0.02, 0.03, 0.04)
WIDER = (0.003, 0.006, 0.012)
USUAL_ROWS, USUAL_SEEDS, MARGIN = 3000, 5, 0.01
RESAMPLES = 500
PLANTED = "planted, alone", "planted, on a pair"


@dataclass(frozen=True)
class Pair:
    """Two models and some others of their recipe, on rows that were drawn for them."""

    champion: np.ndarray
    challenger: np.ndarray
    others: Sequence[np.ndarray]
    truth: Truth

    def spread(self, seeds: int) -> Spread:
        return (
            verdict.spread_of(KIND, self.others[:seeds], self.truth, RESAMPLES, 1)
            if seeds
            else Spread(0, 0.0)
        )

    def judged(self, spread: Spread, challenger: np.ndarray | None = None, margin: float = 0.0) -> Comparison:
        other = self.challenger if challenger is None else challenger
        return verdict.compare(KIND, self.champion, other, self.truth, spread, margin, RESAMPLES, 2)


@functools.cache
def _draws(rows: int, resamples: int, seed: int) -> np.ndarray:
    return bootstrap.resampled_sums([np.eye(rows)], resamples, seed)[0]


def remembered_sums(statistics: Sequence[np.ndarray], resamples: int, seed: int) -> list[np.ndarray]:
    """What `bootstrap.resampled_sums` gives.

    But thousands of verdicts draw with the same seed, and drawing is what takes time.
    """
    return [_draws(len(statistics[0]), resamples, seed) @ values for values in statistics]


def paired(models: int, pairs: int) -> list[tuple[int, int]]:
    """No model twice, as long as there are enough; then each once more, with another."""
    chance = np.random.default_rng(3)
    found: list[tuple[int, int]] = []
    while len(found) < pairs:
        order = chance.permutation(models)
        fresh = {(int(a), int(b)) for a, b in zip(order[::2], order[1::2], strict=False)}
        found += sorted(fresh - {(a, b) for one in found for a, b in (one, one[::-1])})
    return found[:pairs]


def drawn(alike: Alike, pairs: int, rows: int) -> Iterator[Pair]:
    """Of each pair, with rows drawn for it; nothing is drawn twice within a pair."""
    models, all_rows = alike.answers.shape
    for number, (first, second) in enumerate(paired(models, pairs)):
        chance = np.random.default_rng([number, rows])
        some = chance.permutation(all_rows)[:rows]
        others = chance.permutation([one for one in range(models) if one not in (first, second)])[
            : max(SEEDS)
        ]
        answers = [alike.answers[one][some].astype(int) for one in (first, second, *others)]
        yield Pair(
            answers[0], answers[1], answers[2:], Truth(alike.truth[some], [1] * len(some), tiny.LABELS)
        )


def flipped(
    guess: np.ndarray, truth: np.ndarray, lost: float, gained: float, chance: np.random.Generator
) -> np.ndarray:
    """The answers, of which on average a share of all rows turns wrong and another right."""
    right, luck = guess == truth, chance.random(len(guess))
    wrong = (truth + chance.integers(1, len(tiny.LABELS), len(truth))) % len(tiny.LABELS)
    worse, better = right & (luck < lost / right.mean()), ~right & (luck < gained / (~right).mean())
    return np.where(worse, wrong, np.where(better, truth, guess))


def disagreement(alike: Alike, pairs: int) -> float:
    """Share of the rows that one of two models makes right, the mean over pairs."""
    right = alike.answers == alike.truth
    return float(np.mean([(right[a] != right[b]).mean() for a, b in paired(len(right), pairs)]))


def called(found: Sequence[Comparison]) -> list[bool]:
    return [one.verdict in ("better", "worse") for one in found]


def share(hits: Sequence[bool]) -> str:
    """With its 95 % interval; Wilson, Probable Inference (1927)."""
    count, rate, z = len(hits), float(np.mean(hits)), 1.96
    middle, half = rate + z**2 / (2 * count), z * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    low, high = ((middle + sign * half) / (1 + z**2 / count) for sign in (-1, 1))
    return f"{rate:.1%} [{max(0.0, low):.1%}, {high:.1%}]"


def parts(alike: Alike, pairs: int) -> Iterator[list[str]]:
    """By rows.

    What the intervals are made of, in points of macro-F1, and what the pairs' differences really vary by.
    """
    for rows in ROWS:
        each = list(drawn(alike, pairs, rows))
        spreads = [pair.spread(USUAL_SEEDS) for pair in each]
        alone = [pair.judged(Spread(0, 0.0)).difference for pair in each]
        both = [pair.judged(spread).difference.visible for pair, spread in zip(each, spreads, strict=True)]
        of_rows, real = (
            np.mean([one.visible for one in alone]) / 1.96,
            np.sqrt(np.mean([one.value**2 for one in alone])),
        )
        of_seeds, none = (
            np.sqrt(2 * np.mean([one.deviation**2 for one in spreads])),
            np.mean([one.deviation == 0 for one in spreads]),
        )
        figures = [f"{100 * value:.2f}" for value in (of_rows, of_seeds, real, np.median(both))]
        yield [f"{rows:,}", *figures, f"{none:.0%}"]


def same(alike: Alike, pairs: int) -> Iterator[list[str]]:
    """By rows and judge: how often it calls two models of one recipe different."""
    for rows in ROWS:
        each = list(drawn(alike, pairs, rows))
        alone = [pair.judged(Spread(0, 0.0)) for pair in each]
        raw = [abs(one.difference.value) for one in alone]
        cells = [
            share([value > 0 for value in raw]),
            share([value > MARGIN for value in raw]),
            share(called(alone)),
        ]
        yield [
            f"{rows:,}",
            *cells,
            *(share(called([pair.judged(pair.spread(seeds)) for pair in each])) for seeds in SEEDS),
        ]


def power(alike: Alike, pairs: int, differing: float) -> dict[tuple[str, int, float], list[bool]]:
    """(way, rows, drop) -> whether each was called worse."""
    found: dict[tuple[str, int, float], list[bool]] = {}
    for rows in ROWS:
        for number, pair in enumerate(drawn(alike, pairs, rows)):
            spread, chance, truth = (
                pair.spread(USUAL_SEEDS),
                np.random.default_rng([number, rows, 1]),
                pair.truth.labels,
            )
            for drop in DROPS:
                alone = flipped(pair.champion, truth, (differing + drop) / 2, (differing - drop) / 2, chance)
                both = flipped(pair.challenger, truth, drop, 0.0, chance)
                for way, challenger in zip(PLANTED, (alone, both), strict=True):
                    found.setdefault((way, rows, drop), []).append(
                        pair.judged(spread, challenger).verdict == "worse"
                    )
    return found


def apart(pair: Pair, deviation: float, chance: np.random.Generator) -> Pair:
    """The same models as if their seeds had moved each up or down by so much more."""
    moved = []
    for guess in (pair.champion, pair.challenger, *pair.others):
        luck = deviation * chance.standard_normal()
        moved.append(flipped(guess, pair.truth.labels, max(0.0, -luck), max(0.0, luck), chance))
    return Pair(moved[0], moved[1], moved[2:], pair.truth)


def wider(alike: Alike, pairs: int) -> Iterator[list[str]]:
    """By how much further apart the seeds lie, in points.

    How often a pair is called different, and how often a drop of 2 points worse.
    """
    for deviation in WIDER:
        chance = np.random.default_rng(5)
        each = [apart(pair, deviation, chance) for pair in drawn(alike, pairs, USUAL_ROWS)]
        spreads = [[pair.spread(seeds) for seeds in SEEDS] for pair in each]
        same = [
            share(called([pair.judged(one[at]) for pair, one in zip(each, spreads, strict=True)]))
            for at in range(len(SEEDS))
        ]
        fallen = [flipped(pair.challenger, pair.truth.labels, 0.02, 0.0, chance) for pair in each]
        found = [
            pair.judged(one[SEEDS.index(USUAL_SEEDS)], guess)
            for pair, one, guess in zip(each, spreads, fallen, strict=True)
        ]
        half = 100 * np.median([one.difference.visible for one in found])
        yield [f"{100 * deviation:g}", *same, share([one.verdict == "worse" for one in found]), f"{half:.2f}"]


def by_seeds(alike: Alike, pairs: int, differing: float) -> Iterator[list[str]]:
    """By rows.

    How often a drop of 2 points, planted alone, is called worse, the more seeds tell of the spread.
    """
    for rows in ROWS:
        found: dict[int, list[bool]] = {seeds: [] for seeds in SEEDS}
        for number, pair in enumerate(drawn(alike, pairs, rows)):
            chance = np.random.default_rng([number, rows, 2])
            fallen = flipped(
                pair.champion, pair.truth.labels, (differing + 0.02) / 2, (differing - 0.02) / 2, chance
            )
            for seeds in SEEDS:
                found[seeds].append(pair.judged(pair.spread(seeds), fallen).verdict == "worse")
        yield [f"{rows:,}", *map(share, found.values())]


def draw(found: dict[tuple[str, int, float], list[bool]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, way in zip(axes, PLANTED, strict=True):
        for rows in ROWS:
            axis.plot(
                [100 * drop for drop in DROPS],
                [np.mean(found[way, rows, drop]) for drop in DROPS],
                "o-",
                label=f"{rows:,} rows",
            )
        axis.axhline(0.8, color="grey", linestyle=":")
        axis.set(title=way, xlabel="true drop, points", ylim=(-0.02, 1.02))
    axes[0].set_ylabel("share called worse")
    axes[1].legend(loc="lower right")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def table(heads: Sequence[str], rows: Iterable[list[str]]) -> None:
    print(f"\n| {' | '.join(heads)} |\n|{'---:|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def tell(alike: Alike, pairs: int, picture: Path | None) -> None:
    right, differing = (alike.answers == alike.truth).mean(1), disagreement(alike, pairs)
    print(
        f"{len(right)} models, {alike.truth.size:,} rows, {pairs} pairs; disjoint: "
        f"{min(pairs, len(right) // 2)}"
    )
    print(f"accuracy {right.mean():.3f}, standard deviation over models {100 * right.std(ddof=1):.2f} points")
    print(f"rows that one model of a pair makes right and the other does not: {differing:.1%}")
    real = ["real sd of differences", "median half width", "no spread seen"]
    table(["rows", "rows' part (sd)", f"seeds' part (sd, {USUAL_SEEDS} seeds)", *real], parts(alike, pairs))
    judges = [
        "raw: any",
        f"raw: > {100 * MARGIN:g} point",
        "rows alone",
        *(f"verdict, {seeds} seeds" for seeds in SEEDS),
    ]
    table(["rows", *judges], same(alike, pairs))
    seen = [f"2 points, on a pair, {USUAL_SEEDS} seeds: called worse", "median half width"]
    table(
        ["seeds further apart by (sd)", *(f"A/A, {seeds} seeds" for seeds in SEEDS), *seen],
        wider(alike, pairs),
    )
    print("\nplanted, alone, 2 points: called worse, by the seeds that tell of the spread")
    table(["rows", *(f"{seeds} seeds" for seeds in SEEDS)], by_seeds(alike, pairs, differing))
    found = power(alike, pairs, differing)
    for way in PLANTED:
        print(f"\n{way}: called worse, by the drop in points")
        shown = ([f"{rows:,}", *(share(found[way, rows, drop]) for drop in DROPS)] for rows in ROWS)
        table(["rows", *(f"{100 * drop:g}" for drop in DROPS)], shown)
    if picture:
        draw(found, picture)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="keeps what the models answered")
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    for seed in alike.train(given.folder, given.models):
        print(f"model {seed} is trained", file=sys.stderr, flush=True)
    vars(verdict)["resampled_sums"] = remembered_sums
    tell(alike.load(given.folder), given.pairs, given.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
