from __future__ import annotations

from pathlib import Path

import pytest

from tasks.ingest.reading import raw_folder

FILE = """\
-DOCSTART- -X- O

EU\tB-org
rejects\tO

German\tB-misc
call
 \t
lonely\tO
nul\0\tO

-DOCSTART-\tO
Peter\tB-per
Blackburn\tI-per
"""


def test_sentences_are_rows_and_columns_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(FILE)
    raw = raw_folder.read(tmp_path, header=False)
    assert [(row.line, dict(row.values)) for row in raw.rows] == [
        (3, {"1": "EU rejects", "2": "B-org O"}),
        (13, {"1": "Peter Blackburn", "2": "B-per I-per"}),
    ]
    assert [(one.line, one.reason) for one in raw.rejected] == [
        (7, "ragged: lines of 1 to 2 columns in one sentence"),
        (10, "has NUL bytes"),
    ]


def read(folder: Path, text: str, name: str = "a.conll") -> raw_folder.Raw:
    (folder / name).write_text(text, encoding="utf-8")
    return raw_folder.read(folder, header=False)


UNIVERSAL = """\
# sent_id = 1
# text = du Rhin
1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_
1\tde\tde\tADP\t_\t_\t3\tcase\t_\tO
2\tle\tle\tDET\t_\t_\t3\tdet\t_\tO
2.1\tx\tx\tX\t_\t_\t_\t_\t_\tO
3\tRhin\tRhin\tPROPN\t_\t_\t0\troot\t_\tB-river

"""


@pytest.mark.parametrize("name", ["a.conllu", "a.conll"])
def test_universal_dependencies_are_read_by_the_names_of_their_columns(tmp_path: Path, name: str) -> None:
    raw = read(tmp_path, UNIVERSAL, name)
    row = raw.rows[0].values
    assert (row["form"], row["2"], row["misc"], row["10"]) == (
        "de le Rhin",
        "de le Rhin",
        "O O B-river",
        "O O B-river",
    )
    assert raw.notes[0].remarks == {
        "comment lines left out": 2,
        "lines of multiword tokens and empty nodes left out": 2,
    }


def test_named_columns_of_universal_dependencies(tmp_path: Path) -> None:
    raw = read(tmp_path, "# global.columns = ID FORM NER\n1\tRhin\tB-river\n2\tflows\tO\n", "a.conllup")
    assert (raw.rows[0].values["form"], raw.rows[0].values["ner"]) == ("Rhin flows", "B-river O")


@pytest.mark.parametrize(
    ("text", "words", "comments"),
    [
        ("#rhine\tB-river\n#\tO\nflows\tO\n", "#rhine # flows", 0),
        ("#\tO\nflows\tO\n", "# flows", 0),
        ("#rare B-rare\nflows O\n", "#rare flows", 0),
        ("# id 12\tdomain=en\nflows _ _ O\n# _ _ O\n", "flows #", 1),
        ("# text = the Rhine flows\nflows\tO\n", "flows", 1),
    ],
)
def test_a_word_that_begins_like_a_comment_is_none(
    tmp_path: Path, text: str, words: str, comments: int
) -> None:
    raw = read(tmp_path, text)
    assert ([row.values["1"] for row in raw.rows], raw.rejected) == ([words], [])
    assert raw.notes[0].remarks.get("comment lines left out", 0) == comments


@pytest.mark.parametrize("tab", ["\t", " "])
def test_words_may_hold_spaces_that_part_nothing(tmp_path: Path, tab: str) -> None:
    raw = read(tmp_path, f"1\u202f100\u00a0000{tab}B-sum\n\u200b{tab}O\nok{tab}O\n")
    assert (raw.rows[0].values, raw.rejected) == ({"1": "1_100_000 _ ok", "2": "B-sum O O"}, [])
    assert list(raw.notes[0].remarks.values()) == [2]


def test_a_damaged_line_changes_nothing_in_how_the_others_are_read(tmp_path: Path) -> None:
    good = "".join(UNIVERSAL.replace("Rhin", f"Rhin{number}") for number in range(5))
    universal = read(tmp_path, good + "torn\n\n", "a.conllu")
    assert [row.values.get("form") for row in universal.rows] == [
        f"de le Rhin{number}" for number in range(5)
    ]
    (tmp_path / "a.conllu").unlink()
    plain = read(tmp_path, "1\u00a0000\tB-sum\nok\tO\n\ntorn\nword\tO\n")
    assert [row.values["1"] for row in plain.rows] == ["1_000 ok"]
    assert [one.reason for one in plain.rejected] == ["ragged: lines of 1 to 2 columns in one sentence"]
