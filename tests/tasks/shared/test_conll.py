from __future__ import annotations

from pathlib import Path

from tasks.shared import readers

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
    raw = readers.read(tmp_path, header=False)
    assert [(row.line, dict(row.values)) for row in raw.rows] == [
        (3, {"1": "EU rejects", "2": "B-org O"}),
        (13, {"1": "Peter Blackburn", "2": "B-per I-per"}),
    ]
    assert [(one.line, one.reason) for one in raw.rejected] == [
        (7, "ragged: lines of 1 to 2 columns in one sentence"),
        (10, "has NUL bytes"),
    ]
