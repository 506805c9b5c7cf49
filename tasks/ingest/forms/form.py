"""What a file is, by its first kilobytes: `of` says which reader takes it.

The name is a hint. It decides between forms that a text could have, and it says of a few files that they hold
no rows at all (`names.py`). What stands in the file decides against it: a workbook called `rows.csv` is one.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.ingest.forms import labelled, names, tables, words
from tasks.ingest.forms.head import Head
from tasks.ingest.raw import packed

Reader = Literal[
    "delimited",
    "lines of JSON",
    "JSON",
    "CoNLL",
    "Parquet",
    "Arrow",
    "Excel",
    "fastText",
    "labelled lines",
    "ended lines",
]
BY_SUFFIX: dict[str, Reader] = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".jsonl": "lines of JSON",
    ".ndjson": "lines of JSON",
    ".json": "JSON",
    ".conll": "CoNLL",
    ".conllu": "CoNLL",
    ".conllup": "CoNLL",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
}
"""Suffixes that say what a file is."""
BINARY: frozenset[Reader] = frozenset({"Parquet", "Arrow", "Excel"})
SIGNATURES: dict[bytes, Reader] = {b"PAR1": "Parquet", b"ARROW1": "Arrow"}
ZIP = b"PK\x03\x04"
WORKBOOK = "xl/workbook.xml"
EXCEL = (".xlsx", ".xlsm")
HINTS = {".tab": "\t", ".tsv": "\t", ".psv": "|", ".csv": ","}
"""Of a table, the sign that a suffix speaks for where several could be meant."""
OBJECT = re.compile(r"\s*(\[\s*)?\{\s*(\"|\}|$)")
ENTRIES = 10_000


class AmbiguousError(Exception):
    """What a file could be, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Form:
    """`surely`: its suffix says so, as far as the content allows."""

    reader: Reader
    delimiter: str = ""
    """Of a table; empty: the reader finds it."""
    surely: bool = True
    against_name: bool = False
    """The suffix says something else."""

    @property
    def about(self) -> str:
        """In words: `a table separated by tabs`."""
        if self.reader == "delimited":
            by = tables.SIGNS.get(self.delimiter, self.delimiter)
            return f"a table separated by {by}" if by else "a table"
        return {
            "JSON": "JSON",
            "lines of JSON": "JSON, an object a line",
            "CoNLL": "words in lines with their tags (CoNLL)",
            "Excel": "a workbook of Excel",
            "fastText": "lines that begin with labels of fastText",
            "labelled lines": "lines that begin with their label",
            "ended lines": "lines that end with @ and their label",
        }.get(self.reader, self.reader)

    @property
    def is_text(self) -> bool:
        return self.reader not in BINARY


def of(path: Path, name: str) -> Form | None:
    """The form of the file `path`, called `name`; None for what holds no rows, or is not told from prose.

    Raises:
        AmbiguousError: it could be one thing or another.
    """
    suffix = packed.suffix(name)
    named = BY_SUFFIX.get(suffix)
    if named in BINARY and packed.is_packed(name):
        named = None
    if named is None and names.holds_no_rows(name):
        return None
    try:
        head = Head.of(path)
    except (packed.PackedError, OSError):
        return Form(named) if named else None  # whose reader says what is wrong with it
    found = _signed(path, head) or _in_spite(named, head)
    if found is not None and found.reader in BINARY and packed.is_packed(name):
        return None
    if found is not None and found.reader != named:
        return Form(found.reader, found.delimiter, surely=named is not None, against_name=named is not None)
    if named is not None:
        return Form(named)
    return None if suffix in EXCEL else _by_content(head, suffix)


def _signed(path: Path, head: Head) -> Form | None:
    """By the first bytes, which no text has."""
    if head.bytes.startswith(ZIP):
        return Form("Excel") if _is_workbook(path) else None
    return next((Form(form) for sign, form in SIGNATURES.items() if head.bytes.startswith(sign)), None)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return WORKBOOK in file.namelist()[:ENTRIES]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _in_spite(named: Reader | None, head: Head) -> Form | None:
    """What a file is that has another suffix: only where nothing of it could be what that says."""
    if named in ("delimited", "CoNLL"):
        return _json(head)
    if named == "lines of JSON":
        found = _json(head)
        return found if found and found.reader == "JSON" and _goes_over_lines(head) else None
    if named in BINARY or (named == "JSON" and not _could_be_json(head)):
        return _by_content(head, "")
    return None


def _could_be_json(head: Head) -> bool:
    return head.text.lstrip()[:1] in ("", "[", "{") or any(
        OBJECT.match(line) or _is_json(line) for line in head.filled[:100]
    )


def _goes_over_lines(head: Head) -> bool:
    """An array, or one object, that does not end on its first line."""
    first = head.filled[0].strip()
    return first in ("[", "{", "[{") or (first.startswith("[{") and not _is_json(first))


def _by_content(head: Head, suffix: str) -> Form | None:
    if not head.filled:
        return None
    hint = tables.SEPARATOR_HINT.fullmatch(head.filled[0])
    if hint:
        return Form("delimited", hint["sign"], surely=False)
    return _json(head) or _fasttext(head) or _in_columns(head, suffix)


def _fasttext(head: Head) -> Form | None:
    return Form("fastText", surely=False) if labelled.is_fasttext(head.filled) else None


def _in_columns(head: Head, suffix: str) -> Form | None:
    if labelled.is_ended(head.filled):
        return Form("ended lines", surely=False)
    as_words, signs = words.says(head.lines), tables.delimiters(head)
    if as_words or (as_words is None and not signs):
        return Form("CoNLL", surely=False)
    hinted = HINTS.get(suffix, "")
    if hinted in signs:
        return Form("delimited", hinted, surely=False)
    by_labels = "\t" not in signs and labelled.is_labelled(head.filled)
    if as_words is None or len(signs) + by_labels > 1:
        raise AmbiguousError(_open(as_words is None, by_labels, signs))
    if by_labels:
        return Form("labelled lines", surely=False)
    return Form("delimited", signs[0], surely=False) if signs else None


def _open(could_be_words: bool, by_labels: bool, signs: Sequence[str]) -> str:
    found = [Form("delimited", sign).about for sign in signs]
    if could_be_words:
        return f"could be {found[0]}, or {Form('CoNLL').about}; name it .tsv or .conll, whichever it is"
    if by_labels:
        labels = Form("labelled lines").about
        return f"could be {found[0]}, or {labels}; name it .csv, or write a tab behind each label"
    remedy = f"write the sign that is meant into its first line, as `sep={signs[0]}`"
    return f"could be {', or '.join(found)}; {remedy}"


def _json(head: Head) -> Form | None:
    """JSON whose values are objects; other values are rows of no one."""
    lines = head.filled
    if not lines or not OBJECT.match(head.text[:1_000] if len(lines[0]) < 2 else lines[0]):
        return None
    if all(line.lstrip().startswith("{") and _is_json(line) for line in lines[:100]):
        return Form("lines of JSON", surely=False)
    text = head.text.lstrip()
    begin = 0 if text.startswith("{") else len(text) - len(text[1:].lstrip())
    try:
        json.JSONDecoder().raw_decode(text, begin)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text) - 100 or "Unterminated" in error.msg
        if head.is_all or not is_cut:
            return None
    except RecursionError:
        return None
    return Form("JSON", surely=False)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
