"""Names of classes that look alike are told with what differs."""

from __future__ import annotations

import unicodedata

import pytest

from tasks.ingest.lookalikes import warnings


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ("payments\u200b", "U+200B ZERO WIDTH SPACE more"),
        ("pay\u00adments", "U+00AD SOFT HYPHEN more"),
        ("Payments", "U+0050 LATIN CAPITAL LETTER P for U+0070 LATIN SMALL LETTER P"),
        ("ｐayments", "U+FF50 FULLWIDTH LATIN SMALL LETTER P for U+0070 LATIN SMALL LETTER P"),
        ("p\u0430yments", "U+0430 CYRILLIC SMALL LETTER A for U+0061 LATIN SMALL LETTER A"),
        ("payments.", "U+002E FULL STOP more"),
        ("pay-ments", "U+002D HYPHEN-MINUS more"),
        ("payments\ufe0f", "U+FE0F VARIATION SELECTOR-16 more"),
    ],
)
def test_names_that_look_alike_are_told_with_what_differs(other: str, difference: str) -> None:
    (said,) = warnings({"payments": 12, other: 3, "refunds": 9, "apps": 1, "app": 2})
    assert said == (
        f"classes that look alike are kept apart: beside `payments` (12 rows) `{other}` (3 rows) has "
        f"{difference};"
        " if they are one, mend the data"
    )


def test_normal_forms_of_a_name_look_alike() -> None:
    (said,) = warnings({"caf\u00e9": 2, unicodedata.normalize("NFD", "caf\u00e9"): 1})
    assert "U+0301 COMBINING ACUTE ACCENT" in said


def test_names_that_differ_for_the_eye_are_not_told() -> None:
    assert (
        warnings({"c": 1, "c++": 1, "c#": 1, "tech": 1, "tec": 1, "\u0442\u0435\u0441\u0442": 1, "test": 1})
        == []
    )
