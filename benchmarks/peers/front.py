"""The front of a comparison: of all that was measured, what nothing else surpasses in quality and speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.field import OURS
from tasks.benchmark.latency import HEADLINE

REFERENCES = ("baseline", "teacher")
MEGABYTE = 1e6
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    name: str
    maker: str
    """A peer, `students`, or the name of a reference."""
    quality: float
    low: float
    high: float
    speed: float
    """Times faster than the teacher in torch, the median of ratios within a round."""
    milliseconds: float
    bytes: int

    @property
    def is_ours(self) -> bool:
        return self.maker in {OURS, "students"}

    @property
    def is_peer(self) -> bool:
        return not self.is_ours and self.maker not in REFERENCES

    def reaches(self, other: Point) -> bool:
        """At least as good and at least as fast."""
        return self.quality >= other.quality and self.speed >= other.speed

    def surpasses(self, other: Point) -> bool:
        return self.reaches(other) and (self.quality, self.speed) != (other.quality, other.speed)


def points(result: Result) -> list[Point]:
    """All that was measured, the slowest first."""
    makers = dict(zip(REFERENCES, REFERENCES, strict=True))
    makers |= {entry["name"]: entry["peer"] for entry in result["entries"]}
    makers |= dict.fromkeys(result["students"], "students")
    found = [_point(result, name, maker) for name, maker in makers.items() if name in result["figures"]]
    return sorted(found, key=lambda point: (point.speed, point.name))


def _point(result: Result, name: str, maker: str) -> Point:
    figures, timings = result["figures"][name], result["timings"][name]
    headline = result["measured"]["headline"]
    quality, low, high = (figures[f"{headline}{end}"] for end in ("", "_low", "_high"))
    latency = timings["latency_ms"][HEADLINE]["p50"]
    return Point(name, maker, quality, low, high, timings["speedup"], latency, figures["bytes"])


def front(measured: Sequence[Point]) -> list[Point]:
    """Those that no other surpasses, in the order given."""
    return [point for point in measured if not any(other.surpasses(point) for other in measured)]


def ahead(measured: Sequence[Point]) -> list[Point]:
    """The peers that none of ours reaches."""
    ours = [point for point in measured if point.is_ours]
    return [peer for peer in measured if peer.is_peer and not any(own.reaches(peer) for own in ours)]


def best_up_to(measured: Sequence[Point]) -> Point | None:
    """The fastest of ours such that at its speed, and at every lower one, no peer that is as fast is better
    than the best of ours that is; None if there is none."""
    ours, peers = _sides(measured)
    found = None
    for point in sorted([*ours, *peers], key=lambda point: (point.speed, point.is_ours)):
        own = max((one.quality for one in ours if one.speed >= point.speed), default=-1.0)
        if own < max((one.quality for one in peers if one.speed >= point.speed), default=-1.0):
            break
        found = point if point.is_ours else found
    return found


def fastest_from(measured: Sequence[Point]) -> Point | None:
    """The least good of ours such that at its quality, and at every higher one, no peer that is as good is
    faster than the fastest of ours that is; None if there is none."""
    ours, peers = _sides(measured)
    found = None
    for point in sorted([*ours, *peers], key=lambda point: (-point.quality, point.is_ours)):
        own = max((one.speed for one in ours if one.quality >= point.quality), default=-1.0)
        if own < max((one.speed for one in peers if one.quality >= point.quality), default=-1.0):
            break
        found = point if point.is_ours else found
    return found


def _sides(measured: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    return [one for one in measured if one.is_ours], [one for one in measured if one.is_peer]


def markdown(result: Result) -> str:
    """The claim in a sentence, where a peer is ahead, and a table of all variants."""
    measured = points(result)
    return "\n".join(["## The front", "", claim(result), "", *_table(result, measured)])


def claim(result: Result) -> str:
    measured = points(result)
    ours, peers = _sides(measured)
    if not peers or not ours:
        return "No claim: peers and models of Slipway must both be measured."
    better = ahead(measured)
    if not better:
        return (
            f"**At every quality the fastest, at every speed the best**: each of the {len(peers)} measured "
            "recipes of peers is reached by a model of Slipway that is at least as good and at least as fast."
        )
    edge = [peer for peer in front(peers) if peer in better]
    lines = [
        f"**{_reach(measured, result['measured']['headline'])}**: of {len(peers)} measured recipes of peers "
        f"{len(peers) - len(better)} are reached by a model of Slipway that is at least as good and at least "
        f"as fast, {len(better)} not: these are ahead. Those of them that no other peer surpasses:",
        "",
        *(f"* {_where(peer, ours, result['measured']['headline'])}" for peer in edge),
    ]
    return "\n".join(lines)


def _reach(measured: Sequence[Point], headline: str) -> str:
    """Where the claim holds, from the slow and good end on."""
    speed, quality = best_up_to(measured), fastest_from(measured)
    parts = []
    if speed:
        parts.append(f"up to {_times(speed)} the teacher's speed no peer is better")
    if quality:
        parts.append(f"from {headline} {quality.quality:.3f} up no peer is faster")
    if not parts:
        return "Neither at every quality the fastest nor at every speed the best"
    told = " and ".join(parts)
    return f"{told[0].upper()}{told[1:]}; elsewhere a peer is ahead"


def _times(point: Point) -> str:
    return f"{point.speed:.1f} ×" if point.speed < 100 else f"{point.speed:,.0f} ×"


def _where(peer: Point, ours: Sequence[Point], headline: str) -> str:
    """How far a peer is ahead of the nearest of ours in either direction."""
    as_fast = [own for own in ours if own.speed >= peer.speed]
    as_good = [own for own in ours if own.quality >= peer.quality]
    parts = [f"`{peer.name}`, {headline} {_figure(peer)} at {_times(peer)}"]
    if as_fast:
        best = max(as_fast, key=lambda own: (own.quality, own.speed))
        parts.append(f"the best of ours as fast, `{best.name}`, has {_figure(best)} at {_times(best)}")
    else:
        parts.append("none of ours is as fast")
    if as_good:
        quickest = max(as_good, key=lambda own: (own.speed, own.quality))
        parts.append(
            f"the fastest of ours as good, `{quickest.name}`, has {_figure(quickest)} at {_times(quickest)}"
        )
    else:
        parts.append("none of ours is as good")
    return "; ".join(parts) + "."


def _figure(point: Point) -> str:
    return f"{point.quality:.3f} [{point.low:.3f}, {point.high:.3f}]"


def _table(result: Result, measured: Sequence[Point]) -> list[str]:
    """All variants, the slowest first; what is on the front stands in bold."""
    edge = front(measured)
    lines = [
        f"All variants, the slowest first. ● no other variant is at least as good and at least as fast "
        f"({result['measured']['headline']} and times faster, by their medians; intervals overlap).",
        "",
        f"| | front | {result['measured']['headline']} | times faster than the teacher | p50, ms | MB |",
        "|---|:---:|---:|---:|---:|---:|",
    ]
    for point in measured:
        name, mark = (f"**{point.name}**", "●") if point in edge else (point.name, "")
        lines.append(
            f"| {name} | {mark} | {_figure(point)} | {point.speed:.1f} | {point.milliseconds:.3g} | "
            f"{point.bytes / MEGABYTE:.2f} |"
        )
    return lines
