"""Which runs get unlabelled news beside their data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from flows.starting import ask, choice, general_texts, look
from tasks.core.errors import DataError, ParamsError

ENGLISH = [
    "Alice went to London with her brother on Monday",
    "The company opened another office in New York last week",
    "Nobody knew what Bob had said to the people of Leeds",
]
GERMAN = [
    "Alice fuhr am Montag mit ihrem Bruder nach Hamburg",
    "Die Firma hat letzte Woche ein weiteres Haus in Bremen eröffnet",
    "Niemand wusste was Bob den Leuten in Leeds gesagt hatte",
]
PLACES = {"London", "York", "Leeds", "Hamburg", "Bremen"}


def conll(folder: Path, sentences: Sequence[str]) -> Path:
    folder.mkdir()
    with (folder / "rows.conll").open("w", encoding="utf-8") as file:
        for number in range(60):
            words = [*sentences[number % 3].split(), f"again{number}"]
            file.writelines(f"{word}\t{'B-place' if word in PLACES else 'O'}\n" for word in words)
            file.write("\n")
    return folder


def brought(folder: Path, asked: str | None = None) -> bool:
    looked = look.look(folder)
    chosen = choice.choose(looked, None, {}, ask.answers(True))
    did = general_texts.bring(folder, looked, chosen, asked)
    assert (folder / "unlabelled" / "news.txt").exists() == did
    return did


def test_english_words_with_tags_get_news(tmp_path: Path) -> None:
    folder = conll(tmp_path / "raw", ENGLISH)
    assert brought(folder)
    assert len((folder / "unlabelled" / "news.txt").read_text(encoding="utf-8").splitlines()) > 10_000


def test_other_languages_and_texts_of_ones_own_get_none(tmp_path: Path) -> None:
    assert not brought(conll(tmp_path / "german", GERMAN))
    folder = conll(tmp_path / "own", ENGLISH)
    (folder / "unlabelled").mkdir()
    (folder / "unlabelled" / "own.txt").write_text("Some text of our own\n" * 3, encoding="utf-8")
    assert not brought(folder)


@pytest.mark.parametrize(("asked", "did"), [(None, False), ("news", True), ("none", False)])
def test_texts_with_a_label_each_get_news_only_if_asked(tmp_path: Path, asked: str | None, did: bool) -> None:
    rows = [f"{ENGLISH[number % 3]} {number},{'ab'[number % 2]}" for number in range(60)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert brought(tmp_path, asked) == did


def test_it_can_be_declined(tmp_path: Path) -> None:
    assert not brought(conll(tmp_path / "raw", ENGLISH), "none")
    assert "--unlabelled none" in general_texts.told()


def test_pictures_and_a_file_of_that_name_are_refused(tmp_path: Path) -> None:
    folder = conll(tmp_path / "raw", ENGLISH)
    (folder / "unlabelled").mkdir()
    (folder / "unlabelled" / "blank.txt").write_text("\n", encoding="utf-8")
    assert brought(folder)
    with pytest.raises(DataError, match="which is there already"):
        brought(folder, "news")
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "pets" / label / f"{number}.png")
    with pytest.raises(ParamsError, match="rows of image/classification are no texts"):
        brought(tmp_path / "pets", "news")
