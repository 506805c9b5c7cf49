"""What the name of a file says: which files hold no rows whatever their content, and what to do with those
that cannot be read.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tasks.ingest.raw import packed

REMEDIES = {
    **dict.fromkeys((".xlsx", ".xlsm"), "save it as CSV"),
    **dict.fromkeys(
        (".xls", ".xlsb", ".ods", ".numbers", ".dta", ".sav", ".sas7bdat"), "save it as CSV or .xlsx"
    ),
    **dict.fromkeys(
        (".pickle", ".pkl", ".npy", ".npz", ".h5", ".db", ".sqlite", ".duckdb", ".orc", ".avro"),
        "save it as Parquet or CSV",
    ),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", *packed.OPENERS), "unpack it"),
    **dict.fromkeys((".xml", ".yaml", ".yml", ".tab", ".psv", ".dat", ".data"), "save it as CSV or JSON"),
}
DOCUMENT = re.compile(
    r"((read[-_ ]?me|licen[cs]es?|copying|copyright|notice|authors?|contributors?|contributing|changelog"
    r"|citation|acknowledge?ments?|makefile|dockerfile|requirements)([-_. ]\w[\w-]*)?"
    r"|changes|install|news|history|sources?|todo|version|index|credits)(\.(txt|text|md|rst))?",
    re.IGNORECASE,
)
"""Files that speak about data."""
DOCUMENTS = ".md .rst .html .htm .bib .tex .pdf .doc .docx .odt .rtf .ppt .pptx .epub .eml .mht .ipynb"
PROGRAMS = ".css .js .ts .py .r .java .c .h .cpp .cs .go .rs .rb .php .pl .sh .bat .ps1 .sql .exe .dll .so"
SETTINGS = ".log .cfg .ini .toml .lock .dvc .xml .yaml .yml .names .key .pem .sig .asc .md5 .sha1 .sha256"
COPIES = ".bak .old .orig .tmp .temp .part .swp .save"
MEDIA = ".svg .ico .psd .mp3 .wav .flac .ogg .mp4 .avi .mov .mkv .webm .ttf .otf .woff .woff2"
WEIGHTS = ".safetensors .bin .onnx .pt .pth .ckpt .gguf .model .vec .vocab .jar .whl .egg .pyc"
ARCHIVES = ".zip .tar .tgz .7z .rar"
NOT_READ = (
    ".xls .xlsb .ods .numbers .dta .sav .sas7bdat .pickle .pkl .npy .npz .h5 .db .sqlite .duckdb .orc .avro"
)
NO_ROWS = frozenset(
    " ".join([DOCUMENTS, PROGRAMS, SETTINGS, COPIES, MEDIA, WEIGHTS, ARCHIVES, NOT_READ]).split()
)
"""Endings of documents, programs, weights, copies and of formats that are not read: their content is not
looked into."""


def holds_no_rows(name: str) -> bool:
    """Whether a file of this relative path is no data, whatever it looks like."""
    path = PurePosixPath(name)
    return (
        name.endswith("~") or packed.suffix(path.name) in NO_ROWS or DOCUMENT.fullmatch(path.name) is not None
    )


def remedy(ending: str) -> str:
    """What to do with a file of this ending that is not read; empty where there is no advice."""
    return REMEDIES.get(ending, "")


def with_remedy(name: str) -> str:
    """The name of a file that is not read, with what to do if it holds data."""
    advice = remedy(PurePosixPath(name.lower()).suffix)
    return f"{name} ({advice})" if advice else name
