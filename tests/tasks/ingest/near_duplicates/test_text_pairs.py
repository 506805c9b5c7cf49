"""Near duplicates.

Found as an exhaustive comparison finds them, the same each time, whatever stands beside them.
"""

from __future__ import annotations

import random

import pytest

from tasks.ingest.near_duplicates.text_pairs import (
    BLOCK,
    CROWDED,
    NEIGHBOURS,
    PIECE,
    Sets,
    _pieces,
    groups,
    likeness,
)


def texts(count: int, seed: int) -> list[str]:
    """Sentences of 30 words, some of them a changed copy of an earlier one."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 8))) for _ in range(400)]
    made: list[list[str]] = []
    for _ in range(count):
        if made and draw.random() < 0.4:
            copy = list(draw.choice(made))
            for _ in range(draw.randint(0, 8)):
                copy[draw.randrange(len(copy))] = draw.choice(words)
            made.append(copy)
        else:
            made.append(draw.choices(words, k=30))
    return [" ".join(words) for words in made]


def pieces(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


def overlap(one: str, other: str) -> float:
    a, b = pieces(one), pieces(other)
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_groups_are_those_of_an_exhaustive_comparison(threshold: float) -> None:
    data = texts(150, seed=1)
    wanted = expected(data, threshold)
    assert len(set(wanted)) < len(data)
    assert groups(data, threshold) == wanted


def expected(data: list[str], threshold: float) -> list[int]:
    """By comparing each with each."""
    result, sets = list(range(len(data))), [pieces(text) for text in data]
    for one in range(len(data)):
        for other in range(one):
            if len(sets[one] & sets[other]) >= threshold * len(sets[one] | sets[other]):
                low, high = sorted((result[one], result[other]))
                result = [low if group == high else group for group in result]
    return result


@pytest.mark.parametrize("share", [0.3, 0.6, 0.75, 0.9])
def test_texts_in_the_same_template_are_compared_whole(share: float) -> None:
    """Whatever part of them the template makes up, the groups are those of an exhaustive comparison."""
    own = texts(100, seed=4)
    template = "<td class='m'>" + " ".join(texts(9, seed=5))[: int(160 * share / (1 - share))]
    data = [f"{template} {text}" for text in own]
    found = groups(data, 0.7)
    assert found == expected(data, 0.7)
    assert share > 0.8 or len(set(found)) > 1


def test_texts_that_share_a_template_are_no_candidates_of_each_other() -> None:
    """Through the template alone no two texts meet.

    What is compared grows with the number of texts, not with its square.
    """
    template = (
        "<html><head><style>p{color:red}</style></head><body><div class='msg' "
        "style='font-family:Arial'><p>%s</p></div></body></html>"
    )
    draw = random.Random(6)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 8))) for _ in range(2000)]
    sets = Sets.of([_pieces(template % " ".join(draw.choices(words, k=10))) for _ in range(2000)], 0.8)
    assert sum(len(sets.candidates(start)[0]) for start in range(0, 2000, BLOCK)) < 2 * 2000
    assert sets.crowded() == 0


def test_texts_that_are_nearly_all_template_are_one_group_from_bounded_comparisons_and_counted() -> None:
    count, draw = 2 * CROWDED, random.Random(7)
    template = (
        "Thank you for your message. We will answer it within two working days. Your support team in "
        "Lisbon. Code "
    )
    data = [template + "".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(count)]
    found = likeness(data, 0.8)
    pairs = list(found.pairs)
    assert found.crowded == count
    assert len(pairs) < count * (NEIGHBOURS + BLOCK)
    assert set(groups(data, 0.8)) == {0}


def test_case_and_white_space_do_not_tell_texts_apart() -> None:
    assert groups(["Same  words", "other words here", "same words\n"], 1.0) == [0, 1, 0]


def test_short_and_empty_texts_are_alike_only_if_equal() -> None:
    assert groups(["a", "b", "a", "", "", "ab"], 0.5) == [0, 1, 0, 3, 3, 5]


def test_chains_of_twins_are_one_group_with_the_smallest_index() -> None:
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(200)]
    chain = [" ".join(words[start : start + 60]) for start in range(0, 40, 8)]
    assert overlap(chain[0], chain[-1]) < 0.6 < overlap(chain[0], chain[1])
    assert groups([*reversed(chain), "a stranger among them"], 0.6) == [0, 0, 0, 0, 0, 5]


def test_groups_are_the_same_each_time() -> None:
    data = texts(200, seed=2)
    assert groups(data, 0.7) == groups(data, 0.7)
