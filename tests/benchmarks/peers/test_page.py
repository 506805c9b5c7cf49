"""The page says who is fastest, whose best is which recipe, and what failed."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmarks.peers import page
from tests.benchmarks.peers.result import entry, result


def test_a_peer_is_told_by_its_fastest_recipe_that_keeps_the_quality() -> None:
    assert page.best(result()) == ["baseline", "teacher", "slipway/int8", "olive/good", "student/bbc"]


def test_a_peer_of_which_no_recipe_keeps_the_quality_is_told_by_its_best() -> None:
    broken = result()
    broken["figures"]["olive/good"]["quality_ratio"] = 0.6
    assert "olive/good" in page.best(broken)


def test_the_verdict_counts_the_fastest_recipe_that_is_as_good() -> None:
    text = page.markdown(result(), "../pictures/peers.png")
    assert (
        "**`student/bbc` is 4.5 × as fast as the fastest peer that is at least as good, `olive/good`** "
        "(macro_f1 0.871 and 0.876; quartiles of the rounds 4.0 to 5.0" in text
    )
    assert "| model only 1 thread | `olive/good` | 4.5 | 4.0 to 5.0 |" in text
    assert "| olive/broken | 6.0 | 6.0 | 3.33 | 0.500 |" in text


def test_the_verdict_says_where_no_peer_is_as_good() -> None:
    best = result()
    best["figures"]["student/bbc"]["macro_f1"] = 0.9
    text = page.markdown(best, "picture.png")
    assert "**No peer is as good as `student/bbc`** (macro_f1 0.900)." in text


def test_the_page_says_who_answers_by_code_of_its_own() -> None:
    assert "by their own libraries" not in page.markdown(result(), "picture.png")
    with_own = {**result(), "entries": [*result()["entries"], entry("fasttext", "words")]}
    assert "fasttext answer by their own libraries" in page.markdown(with_own, "picture.png")


def test_what_failed_stands_there_with_its_error() -> None:
    text = page.markdown(result(), "picture.png")
    assert "`optimum/int8`:\n\n```\nTraceback\nValueError: cannot\n```" in text
    whole = {**result(), "entries": result()["entries"][:3]}
    assert "Nothing: every recipe was made, opened and answered." in page.markdown(whole, "picture.png")


def test_the_page_says_whether_the_test_split_was_opened() -> None:
    assert "The test split was not opened by this run." in page.markdown(result(), "picture.png")
    assert "The test split was opened by this run." in page.markdown(result("test"), "picture.png")


def test_a_page_without_peers_or_students_says_so() -> None:
    alone = {**result(), "against": {"student/bbc": {"answer_1_thread": {}}}}
    assert "No peer could be measured." in page.markdown(alone, "picture.png")
    assert "No student was measured." in page.markdown(
        {**result(), "against": {}, "students": []}, "picture.png"
    )


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    page.draw(result(), tmp_path / "peers.png")
    with Image.open(tmp_path / "peers.png") as image:
        assert image.width > 600
