"""Which side of a split a name says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.raw.sides import SIDE_OF, side_named
from tasks.ingest.split import Record, assign_given

QUICK = settings(max_examples=200, deadline=None, derandomize=True, database=None)
LETTERS = st.text("abcdefghijklmnopqrstuvwxyzéß", min_size=1, max_size=6)
BETWEEN = st.sampled_from(["_", "-", ".", " ", "2", "_17_"])


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train.csv", "train"),
        ("data/Train-1.csv", "train"),
        ("TREC.train", "train"),
        ("wnut17train.conll", "train"),
        ("train_GetWeather_full.json", "train"),
        ("snipsTrain.json", "train"),
        ("train_test_split.csv", "train"),
        ("emerging.dev.conll", "validation"),
        ("validate_GetWeather.json", "validation"),
        ("x/validation-00000-of-00001.parquet", "validation"),
        ("emerging.test.annotated", "test"),
        ("sms_test.csv", "test"),
        ("t10k-images-idx3-ubyte", "test"),
        ("holdout.csv", "test"),
        ("my-held-out.csv", "test"),
        ("my_hold_out2.csv", "test"),
        ("hold_out/a.csv", "test"),
        ("eval.csv", "test"),
        ("contest.csv", None),
        ("latest.csv", None),
        ("LATEST.csv", None),
        ("attestations.csv", None),
        ("developers.csv", None),
        ("validators.csv", None),
        ("evaluator_names.csv", None),
        ("my_train_and_test.csv", None),
        ("trainé.csv", None),
        ("uphold outlook.csv", None),
        ("driving_test/1.txt", None),
        ("test_drive/1.txt", "test"),
        ("", None),
    ],
)
def test_side_that_a_name_says(name: str, side: str | None) -> None:
    assert side_named(name) == side


@QUICK
@given(before=LETTERS, word=st.sampled_from(sorted(SIDE_OF)), after=LETTERS)
def test_a_side_within_a_longer_word_is_none(before: str, word: str, after: str) -> None:
    others = {before + word, word + after, before + word + after} & SIDE_OF.keys()
    if not others and not {before, after} & SIDE_OF.keys():
        assert side_named(f"{before}{word}.csv") is None
        assert side_named(f"x_{word}{after}.csv") is None
        assert side_named(f"{before}{word}{after}.csv") is None


@QUICK
@given(before=LETTERS, between=BETWEEN, word=st.sampled_from(sorted(SIDE_OF)), upper=st.booleans())
def test_a_side_that_is_a_word_of_the_name_is_found(
    before: str, between: str, word: str, upper: bool
) -> None:
    if before not in SIDE_OF and before + word not in SIDE_OF and before not in ("held", "hold"):
        written = word.upper() if upper else word
        if word != "t10k":  # letters beside digits
            assert side_named(f"{before}{between}{written}.csv") == SIDE_OF[word]


def sides(*files: str) -> dict[str, str]:
    records = [
        Record(file, at, {"text": f"{file} {at}", "label": "x"}, fingerprint=f"{file} {at}")
        for file in files
        for at in range(20)
    ]
    assign_given(records, 0, 0.2)
    return {record.file: record.side for record in records if record.line == 0 or record.side != "train"}


def test_evaluation_is_the_test_side_unless_another_is() -> None:
    assert sides("train.csv", "eval.csv")["eval.csv"] == "test"
    assert sides("train.csv", "eval.csv", "test.csv")["eval.csv"] == "validation"
    assert sides("train.csv", "eval.csv", "test.csv", "dev.csv")["eval.csv"] == "test"
