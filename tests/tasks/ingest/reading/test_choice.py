"""Which files of a folder are read, where their endings do not say it."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from tasks.core.errors import DataError
from tasks.ingest import unread
from tasks.ingest.reading import raw_folder

TABLE = "label\ttext\nham\tOk lar...\nspam\tFree entry\n"
ROWS = [{"label": "ham", "text": "Ok lar..."}, {"label": "spam", "text": "Free entry"}]
PROSE = "SMS Spam Collection v.1\n\nA set of SMS messages.\nThat's all, folks: see below, and above.\n"


def put(raw: Path, **content: str) -> None:
    for name, text in content.items():
        path = raw / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def values(raw: raw_folder.Raw) -> list[dict[str, str | bytes]]:
    return [dict(row.values) for row in raw.rows]


@pytest.mark.parametrize(
    "name", ["SMSSpamCollection", "sms.txt", "sms.data", "sms.TAB", "sub/sms", "sst/train.txt", "sms.txt.gz"]
)
def test_a_table_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    import gzip

    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(TABLE.encode()) if name.endswith("gz") else TABLE.encode())
    put(tmp_path, readme=PROSE, notes_txt=PROSE, LICENSE=TABLE)
    raw = raw_folder.read(tmp_path, header=True)
    assert (values(raw), raw.rejected) == (ROWS, [])
    assert sorted(raw.ignored) == ["LICENSE", "notes.txt", "readme"]
    assert raw.notes[0].remarks == {"by its content a table separated by tabs": 2}


def test_beside_tables_only_what_has_their_columns_is_read(tmp_path: Path) -> None:
    put(
        tmp_path,
        train_tsv=TABLE,
        test_annotated=TABLE.replace("label", "Label"),
        names_txt="n\tname\n0\tham\n1\tspam\n",
    )
    raw = raw_folder.read(tmp_path, header=True)
    assert [row.file for row in raw.rows] == ["train.tsv"] * 2 + ["test.annotated"] * 2
    assert raw.ignored == ["names.txt"]
    said = unread.warnings(tmp_path, raw.rows, raw.ignored, (), [], raw.left)
    assert said == [
        "1 file not read: 1 .txt (names.txt)",
        "names.txt looks like a table separated by tabs, but has not the columns of a table here; name it "
        ".csv, .tsv, .jsonl or .conll, whichever it is, if it holds rows",
    ]


def test_beside_class_folders_nothing_is_read_by_its_content(tmp_path: Path) -> None:
    put(tmp_path, sport__1_txt=TABLE, tech__2_txt="two", list_txt=TABLE, open_txt="a,b;c\nd,e;f\ng,h;i\n")
    raw = raw_folder.read(tmp_path, header=True)
    assert [(row.file, row.values["label"]) for row in raw.rows] == [
        ("sport/1.txt", "sport"),
        ("tech/2.txt", "tech"),
    ]
    assert raw.ignored == ["list.txt", "open.txt"]
    assert sorted(raw.left) == ["list.txt", "open.txt"]


def test_texts_named_after_sides_are_class_texts_unless_all_look_like_tables(tmp_path: Path) -> None:
    put(tmp_path, sst__train_txt=TABLE, sst__test_txt=TABLE, sst__README_txt=PROSE)
    assert len(raw_folder.read(tmp_path, header=True).rows) == 4
    put(tmp_path, sst__test_txt="prose")
    assert [row.values["label"] for row in raw_folder.read(tmp_path, header=True).rows] == ["sst"] * 3


def test_what_could_be_two_things_is_a_fault_where_nothing_tells_which(tmp_path: Path) -> None:
    put(tmp_path, a_data="a,b;c\nd,e;f\ng,h;i\n")
    with pytest.raises(DataError, match=r"a\.data could be a table separated by commas, or a table sep"):
        raw_folder.read(tmp_path, header=True)
    put(tmp_path, b_csv="text,label\nfoo,x\n")
    assert raw_folder.read(tmp_path, header=True).left == {
        "a.data": "is not read: it could be a table separated by commas, or a table separated by semicolons; "
        "write the sign that is meant into its first line, as `sep=,`"
    }


def test_what_arrives_changes_nothing_in_what_is_read_of_the_start(tmp_path: Path) -> None:
    put(tmp_path, SMS=TABLE, arrived__more_data=TABLE, arrived__new_csv="label,text\nham,yes\n")
    raw = raw_folder.read(tmp_path, header=True)
    assert {row.file for row in raw.rows} == {"SMS", "arrived/more.data", "arrived/new.csv"}
    put(tmp_path, arrived__other_csv="id,what\n1,2\n")
    assert "SMS" in {row.file for row in raw_folder.read(tmp_path, header=True).rows}


def test_an_ending_that_says_something_else_is_told(tmp_path: Path) -> None:
    put(tmp_path, a_csv=json.dumps({"text": "a"}) + "\n" + json.dumps({"text": "b"}))
    raw = raw_folder.read(tmp_path, header=True)
    assert values(raw) == [{"text": "a"}, {"text": "b"}]
    assert raw.notes[0].remarks == {"not what its ending says, but JSON, an object a line": 2}


def test_a_set_that_datasets_saved_is_read_without_what_it_kept_of_earlier_steps(tmp_path: Path) -> None:
    made = datasets.DatasetDict(
        {side: datasets.Dataset.from_list(ROWS) for side in ("train", "validation", "test")}
    )
    made.save_to_disk(str(tmp_path))
    stale = tmp_path / "train" / "cache-1f.arrow"
    stale.write_bytes((tmp_path / "train" / "data-00000-of-00001.arrow").read_bytes())
    raw = raw_folder.read(tmp_path, header=True)
    assert values(raw) == ROWS * 3
    assert {row.file.split("/")[0] for row in raw.rows} == {"train", "validation", "test"}
    assert "train/cache-1f.arrow" in raw.ignored
    assert "dataset_dict.json" in raw.ignored
