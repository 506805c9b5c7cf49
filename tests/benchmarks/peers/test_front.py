"""The front holds what nothing surpasses, and the claim names every peer that is ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.peers import front, picture
from tests.benchmarks.peers.result import entry, quality, result, speed


def with_peer(name: str, macro_f1: float, times: float) -> dict[str, Any]:
    """The small result and one more peer."""
    peer, recipe = name.split("/")
    more = result()
    more["entries"].append(entry(peer, recipe))
    figures = quality("olive/good") | {"macro_f1": macro_f1, "macro_f1_low": 0.5, "macro_f1_high": 0.9}
    more["figures"][name], more["timings"][name] = figures, speed("olive/good") | {"speedup": times}
    return more


def test_what_another_reaches_in_both_is_not_on_the_front() -> None:
    measured = front.points(result())
    assert [point.name for point in measured] == [
        "teacher",
        "olive/good",
        "slipway/int8",
        "olive/broken",
        "student/bbc",
        "baseline",
    ]
    # The teacher is as good as slipway/int8 and slower; the baseline is the fastest of all.
    assert [point.name for point in front.front(measured)] == ["slipway/int8", "student/bbc", "baseline"]


def test_two_that_are_equal_are_both_on_the_front() -> None:
    measured = front.points(with_peer("nncf/same", 0.88, 4.0))
    names = [point.name for point in front.front(measured)]
    assert {"slipway/int8", "nncf/same"} <= set(names)
    assert front.ahead(measured) == []


def test_the_claim_holds_where_each_peer_is_reached_by_one_of_ours() -> None:
    assert front.ahead(front.points(result())) == []
    assert front.claim(result()) == (
        "**At every quality the fastest, at every speed the best**: each of the 2 measured recipes of peers "
        "is reached by a model of Slipway that is at least as good and at least as fast."
    )


def test_a_reference_neither_makes_nor_breaks_the_claim() -> None:
    """The baseline is faster than every student, and it is no peer."""
    fast = result()
    fast["timings"]["baseline"]["speedup"] = 500.0
    assert front.claim(fast).startswith("**At every quality the fastest")


def test_a_faster_peer_is_named_with_what_ours_has_instead() -> None:
    text = front.claim(with_peer("fasttext/words", 0.7, 900.0))
    assert text.startswith(
        "**Up to 18.0 × the teacher's speed no peer is better and from macro_f1 0.871 up no peer is faster; "
        "elsewhere a peer is ahead**: of 3 measured recipes of peers 2 "
        "are reached by a model of Slipway that is at least as good and at least as fast, 1 not: these are "
        "ahead."
    )
    assert (
        "* `fasttext/words`, macro_f1 0.700 [0.500, 0.900] at 900 ×; none of ours is as fast; the fastest of "
        "ours as good, `student/bbc`, has 0.871 [0.861, 0.881] at 18.0 ×." in text
    )


def test_a_better_peer_is_named_with_what_ours_has_instead() -> None:
    text = front.claim(with_peer("setfit/plain", 0.95, 2.0))
    assert text.startswith("**Neither at every quality the fastest nor at every speed the best**")
    assert (
        "* `setfit/plain`, macro_f1 0.950 [0.500, 0.900] at 2.0 ×; the best of ours as fast, `slipway/int8`, "
        "has 0.880 [0.870, 0.890] at 4.0 ×; none of ours is as good." in text
    )


def test_a_peer_in_the_middle_bounds_the_reach() -> None:
    """It is better than the student and faster than slipway/int8."""
    measured = front.points(with_peer("model2vec/good", 0.875, 10.0))
    best, fastest = front.best_up_to(measured), front.fastest_from(measured)
    assert best is not None
    assert fastest is not None
    assert (best.name, fastest.name) == ("slipway/int8", "slipway/int8")


def test_of_two_peers_ahead_only_the_one_on_the_front_is_listed() -> None:
    both = with_peer("fasttext/words", 0.7, 900.0)
    worse = with_peer("fasttext/slower", 0.6, 800.0)
    both["entries"].append(entry("fasttext", "slower"))
    for part in ("figures", "timings"):
        both[part]["fasttext/slower"] = worse[part]["fasttext/slower"]
    text = front.claim(both)
    assert "2 not: these are ahead" in text
    assert "`fasttext/slower`" not in text
    table = front.markdown(both)
    assert "| **fasttext/words** | ● | 0.700 [0.500, 0.900] | 900.0 |" in table
    assert "| fasttext/slower |  | 0.600 [0.500, 0.900] | 800.0 |" in table


def test_without_students_there_is_no_claim() -> None:
    alone = {**result(), "students": [], "entries": [entry("olive", "good")]}
    assert front.claim(alone) == "No claim: peers and models of Slipway must both be measured."


def test_the_picture_names_and_draws_all(tmp_path: Path) -> None:
    picture.draw(front.points(with_peer("fasttext/words", 0.7, 900.0)), "macro_f1", tmp_path / "front.png")
    with Image.open(tmp_path / "front.png") as image:
        assert image.width > 900
