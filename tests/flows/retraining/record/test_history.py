"""What nights leave.

Lines, a page in which nothing of the data is markup, a chart, and the spread of seeds that is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from flows.judging import seed_spread
from flows.judging.verdict import Spread
from flows.retraining.night import announce
from flows.retraining.record import chart, history
from tasks.benchmark.gates import BELOW

JUDGED = {
    "verdict": "better",
    "figure": "macro_f1",
    "rows": 600,
    "champion": 0.8,
    "challenger": 0.83,
    "difference": 0.03,
    "low": 0.01,
    "high": 0.05,
    "smallest_visible": 0.02,
    "margin": 0.01,
    "gained": 30,
    "lost": 12,
}


def entry(**changed: Any) -> history.Entry:
    judged = {
        "frozen": JUDGED,
        "times_as_fast": {"median": 1.0, "quartile_1": 0.9, "quartile_3": 1.1},
        "size_ratio": 1.0,
    }
    drop = {
        "name": "a.csv",
        "sha256": "0",
        "bytes": 10,
        "rows": 8,
        "taken": 7,
        "set_aside": {"no label": 1},
        "fault": "",
        "shifts": [],
    }
    told = {
        "run": "a",
        "at": "2026-11-25T02:00:00+00:00",
        "base": "0",
        "decision": "promoted",
        "why": "better",
        "version": 2,
        "files": [drop],
    }
    told |= {
        "rows": {"arrived": 8, "taken": 7, "set_aside": 1},
        "collected": 0,
        "waiting": 0,
        "seconds": 60.0,
    }
    return (
        told
        | {
            "judgement": {**judged, "objections": [], "for_it": ["better"]},
            "spread": {"seeds": 5, "deviation": 0.004},
        }
        | changed
    )


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert history.read(tmp_path, "a") == []
    for version in (2, 1):
        history.append(tmp_path, "a", entry(version=version, waiting=5))
    found = history.read(tmp_path, "a")
    assert [one["version"] for one in found] == [2, 1]
    assert (history.versions(found), history.waiting(found), history.usual_bytes(found)) == (2, 5, None)
    assert history.usual_bytes([*found, entry()]) == 10


def test_page_tells_verdict_and_smallest_visible_difference() -> None:
    page = history.page(entry(), [entry()])
    assert "| frozen | **better** | 0.800 | 0.830 | +0.030 [+0.010, +0.050] | 600 | +30 / −12 |" in page
    assert "The smallest that could have been seen: on the frozen rows 0.020." in page
    assert "Of 5 trainings that differ by their seed alone: deviation 0.0040." in page
    assert "spread between seeds was not measured" in history.page(entry(spread=None), [entry()])


def test_nothing_of_the_data_is_markup() -> None:
    hostile = "<img src=x onerror=alert(1)> | **x** |\n# y"
    drop = {**entry()["files"][0], "name": hostile, "fault": hostile, "set_aside": {hostile: 1}}
    page = history.page(entry(files=[drop], why=hostile), [entry(files=[drop])])
    assert "<img" not in page.replace("\\<", "")
    assert "\n# y" not in page
    heads = next(line for line in page.splitlines() if line.startswith("| drop"))
    rows = [line for line in page.splitlines() if line.startswith("| ") and "img src=x" in line]
    assert {line.replace("\\|", "").count("|") for line in rows} == {heads.count("|")}


def test_names_and_labels_of_a_drop_are_no_links_pictures_or_mentions() -> None:
    hostile = "![x](http://example.org/p.png) [y](z) @team <b> a|b"
    (drop,) = entry()["files"]
    drop |= {"name": f"**{hostile}", "fault": f"most of its labels are unknown ({hostile})"}
    text = history.page(entry(files=[drop], why=f"so {hostile}"), [])
    for sign in ("![x]", "[y](", " @team", " <b>", "http://", "a|b", "| **!"):
        assert sign not in text
    assert text.count("example.org") == 3


def test_a_pull_request_mentions_nobody_and_refers_to_nothing(tmp_path: Path) -> None:
    (drop,) = entry()["files"]
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    told = entry(why="asks @team, a@b.example; closes #1", files=[{**drop, "name": "@team/x#1"}])
    announce.offer(tmp_path, "a", told, lambda _: None)
    text = (tmp_path / announce.PULL_REQUEST.format(run="a")).read_text(encoding="utf-8")
    assert "@" not in text
    assert [
        line for line in text.splitlines() if "#" in line.replace("&#", "") and not line.startswith("#")
    ] == []
    assert text.count("team") == 2


def test_a_challenger_below_the_linear_baseline_is_told_so_in_bold() -> None:
    judged = {**entry()["judgement"], "baseline": f"baseline: {BELOW}: macro_f1 0.5"}
    assert rf"**baseline: {BELOW}: macro\_f1 0.5**".replace(r"\_", "_") in history.page(
        entry(judgement=judged), [entry()]
    )


def test_chart_is_drawn_once_there_is_a_judgement(tmp_path: Path) -> None:
    assert not chart.draw([entry(judgement=None)], tmp_path / "x.png")
    nights = [
        entry(judgement=None),
        entry(),
        entry(decision="refused", judgement={**entry()["judgement"], "fresh": JUDGED}),
    ]
    assert chart.draw(nights, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size[0] > 500
    first = (tmp_path / "x.png").read_bytes()
    chart.draw(nights, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == first


def test_spread_is_kept_for_the_recipe_it_was_measured_of(tmp_path: Path) -> None:
    recipe: dict[str, Any] = {
        "seed": 0,
        "pretrain": {"source": {"package": "x"}, "further": None},
        "prune": {"ffn": 512},
        "benchmark": {"rounds": 3},
    }
    assert seed_spread.read(tmp_path, "a", recipe) is None
    seed_spread.write(tmp_path, "a", recipe, Spread(5, 0.004, {"tech": 0.01}), [0.8, 0.81])
    assert seed_spread.read(tmp_path, "a", recipe) == Spread(5, 0.004, {"tech": 0.01})
    same = {
        **recipe,
        "seed": 3,
        "benchmark": {"rounds": 9},
        "pretrain": {"source": {"folder": "models/champion-a"}, "further": None},
    }
    assert seed_spread.read(tmp_path, "a", same) is not None
    assert seed_spread.read(tmp_path, "a", {**recipe, "prune": {"ffn": 256}}) is None
