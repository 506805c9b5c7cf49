"""Quality over the nights as a picture.

The champion, and each challenger with the interval in which it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"promoted": "#2a7f3f", "refused": "#b03a2e"}
NAMES = {"frozen": "frozen test rows", "fresh": "fresh test rows"}


def draw(entries: Sequence[dict[str, Any]], to: Path) -> bool:
    """Whether there was a judged night to draw."""
    judged = [(night, entry) for night, entry in enumerate(entries) if entry["judgement"]]
    if not judged:
        return False
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = [name for name in NAMES if any(name in entry["judgement"] for _, entry in judged)]
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(8, 2.6 * len(shown)), layout="constrained")
        for place, name in enumerate(shown, 1):
            _draw_set(figure.add_subplot(len(shown), 1, place), name, judged, entries)
        figure.savefig(to, dpi=110, metadata={"Software": None})
    return True


def _draw_set(
    axes: Axes, name: str, judged: Sequence[tuple[int, dict[str, Any]]], entries: Sequence[dict[str, Any]]
) -> None:
    points = [
        (night, entry, entry["judgement"][name]) for night, entry in judged if name in entry["judgement"]
    ]
    axes.plot(
        [night for night, _, _ in points],
        [one["champion"] for _, _, one in points],
        "o-",
        color="#555",
        label="champion",
        markersize=3,
    )
    for decision, colour in COLOURS.items():
        these = [(night, one) for night, entry, one in points if entry["decision"] == decision]
        if not these:
            continue
        half = [one["smallest_visible"] for _, one in these]
        values = [one["challenger"] for _, one in these]
        axes.errorbar(
            [n for n, _ in these],
            values,
            half,
            fmt="D",
            color=colour,
            label=f"challenger, {decision}",
            capsize=3,
            markersize=5,
        )
    axes.set_xticks(range(len(entries)), [entry["at"][5:10] for entry in entries], rotation=60, fontsize=7)
    axes.set_title(
        f"{NAMES[name]}: {points[0][2]['figure']}; bars: what the difference to the champion could be off by",
        fontsize=9,
    )
    axes.set_xlabel("night")
    axes.set_ylabel(points[0][2]["figure"])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
