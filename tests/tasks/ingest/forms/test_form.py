"""What a file is, by its content: its name is a hint."""

from __future__ import annotations

import contextlib
import json
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.ingest.forms import form
from tasks.ingest.forms.form import AmbiguousError

QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
QUESTIONS = [
    f"{label} {word} is the {thing} , exactly{',' * (len(thing) % 2)} ?\n"
    for label in ("DESC:manner", "ENTY:other", "NUM:other", "HUM:ind", "LOC:city")
    for word in ("What", "Who", "Where")
    for thing in ("name", "Café", "why")
]
MESSAGES = (
    "ham\tGo until jurong point, crazy..\nspam\tFree entry; text FA to 87121 | now\nham\tOk lar...\n" * 4
)
WORDS = "EU\tB-org\nrejects\tO\n\nGerman\tB-misc\ncall\tO\n"
SPEECH = "".join(f"the\tDT\ndog{n}\tNN\nran\tVBD\n\n" for n in range(6))
PROSE = """\
BANKING77, 77 intents (English)

Source: https://github.com/a/b at commit 57ec
Licence: CC-BY-4.0
Counts (measured here):
   train: 10003 rows; 77 classes, 35 to 187 rows each; duplicate texts 0, empty 0; median 47
   test: 3080 rows; 77 classes, 40 to 40 rows each; duplicate texts 0
"""
ASKED = "".join(
    f"{word} is it that {n} of them came?\n" for n in range(30) for word in ("What", "Why", "How")
)
JSONL = '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n'
ARRAY = json.dumps([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}], indent=1)


def of(folder: Path, name: str, content: bytes | str) -> str | None:
    """The form in words."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = form.of(folder / name, name)
    return None if found is None else found.about


LABELLED = "lines that begin with their label"
FASTTEXT = "lines that begin with labels of fastText"
COMMAS = "a table separated by commas"
NAMES = ["a", "a.txt", "a.data", "a.xlsx", "a.txt.gz", "a.train.xz"]


@pytest.mark.parametrize(
    ("name", "content", "about"),
    [
        ("TREC.train", "".join(QUESTIONS).encode("iso-8859-1"), LABELLED),
        ("sst.all", "".join(f"{n % 5} a gorgeous {', ' * (n % 3)} film {n}\n" for n in range(40)), LABELLED),
        ("polarity", "".join(f"{'+-'[n % 2]}1 a gorgeous film {n}\n" for n in range(40)), LABELLED),
        ("SMSSpamCollection", MESSAGES, "a table separated by tabs"),
        ("sms.txt", MESSAGES.encode("utf-16"), "a table separated by tabs"),
        ("a.tab", "text\tlabel\nfoo\tx\n", "a table separated by tabs"),
        ("a.psv", "text|label\nfoo, bar|x\nbar, foo|y\n", "a table separated by bars"),
        ("adult.data", "39, State-gov, 77\n50, Private, 83\n38, Private, 21\n", COMMAS),
        ("a.dat", "text;label\n1,5;x\n2,5;y\n3,5;x\n", "a table separated by semicolons"),
        ("a", '"a;b","x"\n"c;d","y"\n"e;f","x"\n', COMMAS),
        ("a.txt", "sep=~\ntext~label\nfoo~x\n", "a table separated by ~"),
        ("two.txt", 'text,label\n"one, two\nthree",x\nfour,y\n', COMMAS),
        ("emerging.test.annotated", WORDS, "words in lines with their tags (CoNLL)"),
        ("a.bio", WORDS.replace("\t", " "), "words in lines with their tags (CoNLL)"),
        ("pos", SPEECH.replace("\t", " "), "words in lines with their tags (CoNLL)"),
        ("cooking.train", "__label__sauce __label__cheese How?\n__label__food Dump it?\n", FASTTEXT),
        ("rows", JSONL, "JSON, an object a line"),
        ("rows.txt", ARRAY, "JSON"),
        ("rows", ARRAY.replace("\n", ""), "JSON"),
        ("rows.csv", JSONL, "JSON, an object a line"),
        ("rows.json", "text,label\nfoo,x\nbar,y\n", COMMAS),
        ("rows.jsonl", ARRAY, "JSON"),
        ("rows.csv", "text,label\nfoo,x\n", "a table"),
        ("README", MESSAGES, None),
        ("README.txt", MESSAGES, None),
        ("LICENSE-data.txt", MESSAGES, None),
        ("notes.md", MESSAGES, None),
        ("train.csv.bak", MESSAGES, None),
        ("SOURCE.txt", PROSE, None),
        ("about.txt", PROSE, None),
        ("questions.txt", ASKED, None),
        ("poem.txt", "one,\ntwo,\nthree,\nfour,\n", None),
        ("lines.txt", "Hello, Bob\nBye, Ann\n", None),
        ("labels.txt", "business\nsport\ntech\n", None),
        ("names.json.txt", '["a", "b"]', None),
        ("features", "1 3:0.5 7:1\n0 2:1 9:0.1\n" * 20, None),
        ("log.txt", "".join(f"2024-05-0{n % 9} {n:02}:00 started {n}\n" for n in range(40)), None),
        ("blob", bytes(range(256)) * 20, None),
        ("empty.txt", "", None),
        ("blank.txt", "\n \n\t\n", None),
    ],
)  # fmt: skip
def test_form_of_a_file(tmp_path: Path, name: str, content: bytes | str, about: str | None) -> None:
    assert of(tmp_path, name, content) == about


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "speech",
            SPEECH,
            "could be a table separated by tabs, or words in lines with their tags (CoNLL); name it .tsv or "
            ".conll, whichever it is",
        ),
        (
            "a.txt",
            "a,b;c\nd,e;f\ng,h;i\n",
            "could be a table separated by commas, or a table separated by semicolons; write the sign that "
            "is meant into its first line, as `sep=,`",
        ),
        (
            "b.txt",
            "".join(f"{n % 3} well, {n}\n" for n in range(30)),
            "could be a table separated by commas, or lines that begin with their label; name it .csv, or "
            "write a tab behind each label",
        ),
    ],
)
def test_what_could_be_two_things_is_an_error_that_names_both(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(AmbiguousError) as caught:
        of(tmp_path, name, content)
    assert str(caught.value) == said


def test_an_ending_decides_what_the_content_leaves_open(tmp_path: Path) -> None:
    assert of(tmp_path, "a.tab", SPEECH) == "a table separated by tabs"
    assert of(tmp_path, "a.conll", SPEECH) == "words in lines with their tags (CoNLL)"


def test_first_bytes_decide_against_any_ending(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"]})
    for name in ("a.csv", "a.arrow", "a.txt", "a"):
        pq.write_table(table, tmp_path / name)
        assert form.of(tmp_path / name, name) == form.Form(
            "Parquet", surely=name not in ("a.txt", "a"), against_name=name in ("a.csv", "a.arrow")
        )
    for name, inside in (("book.csv", form.WORKBOOK), ("a.zip.csv", "b.csv")):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr(inside, "")
    assert of(tmp_path, "book.csv", (tmp_path / "book.csv").read_bytes()) == "a workbook of Excel"
    assert of(tmp_path, "a.zip.csv", (tmp_path / "a.zip.csv").read_bytes()) == "a table"


def test_a_long_file_is_known_by_its_first_kilobytes(tmp_path: Path) -> None:
    chance = random.Random(0)
    rows = [f"{chance.choice(['ham', 'spam'])}\t{'word ' * chance.randrange(9, 99)}" for _ in range(9_000)]
    assert of(tmp_path, "long", "\n".join(rows)) == "a table separated by tabs"
    items = [{"text": "word " * 9_000, "label": "x"} for _ in range(20)]
    assert of(tmp_path, "items", json.dumps(items)) == "JSON"
    assert of(tmp_path, "giant", json.dumps([{"text": "é" * 400_000}])) == "JSON"


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\t"), min_size=1, max_size=30
)


@QUICK
@given(rows=st.lists(st.tuples(st.sampled_from(["ham", "spam"]), TEXTS), min_size=2, max_size=12))
def test_any_texts_behind_a_label_and_a_tab_are_a_table(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    written = [f"{label}\t{text}" for label, text in rows if text.strip()]
    if len(written) > 1:
        assert of(tmp_path, "a", "\n".join(written)) == "a table separated by tabs"


@QUICK
@given(content=st.binary(max_size=300), name=st.sampled_from(NAMES))
def test_any_bytes_have_a_form_none_or_two(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with contextlib.suppress(AmbiguousError):
        found = form.of(tmp_path / name, name)
        assert found is None or not found.surely
