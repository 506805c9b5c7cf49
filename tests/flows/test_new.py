"""`slipway new`: from files to a run in params.yaml, complete and in order; else nothing is written."""

from __future__ import annotations

import argparse
import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows import new
from flows.searching import policy
from tasks.core import params
from tasks.core.errors import DataError, ParamsError
from tasks.proposals.proposal import PRESETS
from tests import tiny
from tests.flows.project import everything

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, in DVC
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(project: Path) -> Path:
    """A DVC project with a params.yaml."""
    shutil.copy(ROOT / "params.yaml", project)
    return project


def table(file: Path, rows: Sequence[Sequence[str]], header: Sequence[str] | None) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if header:
            writer.writerow(header)
        writer.writerows(rows)
    return file


def headlines(count: int) -> list[list[str]]:
    return [[one["headline"], one["desk"]] for one in tiny.articles()[:count]]


def asked(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    new._arguments(parser)
    return parser.parse_args(arguments)


def make(project: Path, *arguments: str) -> list[str]:
    said: list[str] = []
    new.make(project, asked(*arguments), said.append)
    return said


def test_a_table_becomes_a_run_whose_values_have_reasons(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "Head lines.CSV".replace(" ", "-").lower(), headlines(800), ["Title", "desk"])
    before = (project / "params.yaml").read_text()
    said = make(project, "My_Desks", str(source))
    text = (project / "params.yaml").read_text()
    run = YAML(typ="safe").load(text)["runs"]["my-desks"]
    assert run["ingest"]["columns"] == {"text": "Title", "label": "desk"}
    assert run["ingest"]["header"] is True
    assert re.search(r"epochs: \d+ +# [\d,]+ steps: \d+ rows in batches of 16, 5 classes", text)
    assert re.search(r"vocabulary: \d+ +# of 30,522 pieces; training texts hold [\d,]+; [\d.]+% of the", text)
    assert (project / "data/raw/my-desks").is_dir()
    assert (
        text.replace(text[text.index("  # Written by") : text.index("# How runs are retrained")], "")
        in before
    )
    told = "\n".join(said)
    assert "run `my-desks`" in told
    assert "Title" in told
    assert "5: " in told
    params.check(params.read(project / "params.yaml"), new_models(), kinds(), only="my-desks")


def new_models() -> dict[str, type]:
    from tasks.core import stages

    return {name: stage.Params for name, stage in stages.load_all().items()}


def kinds() -> dict[str, type]:
    from tasks.kinds.base.kind import known_kinds

    return dict(known_kinds())


def test_several_files_are_one_run_with_the_split_that_their_names_say(project: Path, tmp_path: Path) -> None:
    rows = headlines(300)
    train, test = (
        table(tmp_path / f"{side}.csv", some, ["title", "desk"])
        for side, some in (("train", rows[:220]), ("test", rows[220:]))
    )
    said = make(project, "both", str(train), str(test))
    run = params.read(project / "params.yaml")["both"]
    assert run["ingest"]["split"] == "given"
    assert said[0].startswith("train.csv, test.csv: 300 rows")
    assert sorted(path.name for path in (project / "data/raw/both").iterdir()) == ["test.csv", "train.csv"]


def test_few_rows_of_a_class_get_a_seed_that_puts_them_on_every_side(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "few.csv", headlines(60), None)
    make(project, "few", str(source))
    run = params.read(project / "params.yaml")["few"]
    assert run["ingest"]["header"] is False
    assert run["ingest"]["columns"] == {"text": "1", "label": "2"}
    assert 3 <= run["ingest"]["min_rows_per_class"] <= 12
    assert run["ingest"]["min_test_rows"] <= 20


def test_of_few_labels_the_encoders_knowledge_is_kept(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "rows.csv", headlines(200), ["title", "desk"])
    make(project, "few", str(source))
    run = params.read(project / "params.yaml")["few"]
    assert run["pretrain"]["sentence"]["steps"] == 500
    assert (run["finetune"]["probe"], run["finetune"]["learning_rate"]) == (10.0, 0.00002)
    assert "learning_rate: 0.00002 " in (project / "params.yaml").read_text()


def test_rows_that_train_are_enough_for_a_validation_row_of_each_class(project: Path, tmp_path: Path) -> None:
    """Of a given split, in which the rows that test do not count."""
    some = headlines(700)
    classes = sorted({desk for _, desk in some})
    few = [[title, f"{desk}-{number % 4}"] for number, (title, desk) in enumerate(some)]
    names = [f"{desk}-{part}" for desk in classes for part in range(4)]
    rows = [row for name in names for row in [row for row in few if row[1] == name][:12]]
    train = table(tmp_path / "train.csv", rows, ["text", "label"])
    rest = [row for row in few if row not in rows]
    said = make(project, "many", str(train), str(table(tmp_path / "test.csv", rest, ["text", "label"])))
    assert params.read(project / "params.yaml")["many"]["ingest"]["split_seed"] > 0, said


@pytest.mark.parametrize("count", [1, 2, 10])
def test_too_few_rows_end_with_one_message_and_change_nothing(
    project: Path, tmp_path: Path, count: int
) -> None:
    source = table(tmp_path / "tiny.csv", headlines(count), ["text", "label"])
    before = everything(project), (project / "params.yaml").read_bytes()
    with pytest.raises(DataError):
        make(project, "tiny", str(source), "--yes")
    assert (everything(project), (project / "params.yaml").read_bytes()) == before


def test_a_doubt_is_refused_without_a_terminal_and_settled_by_an_option(
    project: Path, tmp_path: Path
) -> None:
    rows = [[one["headline"], one["headline"][::-1], one["desk"]] for one in tiny.articles()[:200]]
    source = table(tmp_path / "two.csv", rows, ["first", "second", "desk"])
    with pytest.raises(ParamsError, match=r"which column is the text .*first, second: name it with --text"):
        make(project, "two", str(source))
    make(project, "two", str(source), "--text", "second")
    assert params.read(project / "params.yaml")["two"]["ingest"]["columns"]["text"] == "second"


def test_a_doubt_is_asked_on_a_terminal(project: Path, tmp_path: Path) -> None:
    rows = [[one["headline"], one["headline"][::-1], one["desk"]] for one in tiny.articles()[:200]]
    source = table(tmp_path / "two.csv", rows, ["first", "second", "desk"])
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"7\n2\n")
    done = subprocess.run(
        [sys.executable, "-m", "flows.new", "two", str(source), "--dry-run"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        check=False,
    )
    said = b""
    os.close(terminal)
    while chunk := read(keyboard):
        said += chunk
    assert done.returncode == 0, said
    assert b"type a number from 1 to 2" in said
    assert b"columns: {text: second, label: desk}" in said
    assert "two" not in params.read(project / "params.yaml")


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end of a terminal is closed
        return b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bbc", "{}"), "is in params.yaml already"),
        (("x", "{}", "--text", "titel"), "--text titel: no column; did you mean `title`?"),
        (("x", "{}", "--text", "title + boddy"), "--text boddy: no column; allowed: desk, title"),
        (("x", "{}", "--label", "title + desk"), "--label: takes one column, not several"),
        (("x", "{}", "--kind", "text/tagging", "--text", "title + desk"), "--text: takes one column"),
        (("x", "{}", "--kind", "text/clasification"), "did you mean `text/classification`?"),
        (("x", "{}", "--split", "given"), "--split given: neither the names of the files nor a column"),
        (("x", "{}", "--like", "bcc"), "--like bcc: there is no such run; did you mean `bbc`?"),
        (("x", "{}.gone"), "there is no such file"),
    ],
)
def test_what_cannot_be_is_one_message(
    project: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    source = table(tmp_path / "rows.csv", headlines(200), ["title", "desk"])
    before = everything(project), (project / "params.yaml").read_bytes()
    with pytest.raises((ParamsError, DataError), match=re.escape(said)):
        make(project, *[one.format(source) for one in arguments])
    assert (everything(project), (project / "params.yaml").read_bytes()) == before


def test_a_budget_becomes_gates_and_a_search(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "rows.csv", headlines(200), ["title", "desk"])
    make(project, "small", str(source), "--budget", "size <= 2 MB and speedup >= 30 x, then best quality")
    assert policy.read(project, "small").budget == "size <= 2 MB and speedup >= 30 x, then best quality"
    gates = params.read(project / "params.yaml")["small"]["benchmark"]["gates"]
    assert (gates["max_bytes"], gates["min_speedup"], gates["min_quality_ratio"]) == (2_000_000, 30.0, 0.97)
    policy.read(project, "bbc")
    with pytest.raises(ParamsError, match="budget: 'size = 2 MB': is no limit"):
        make(project, "other", str(source), "--budget", "size = 2 MB, then best quality")


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_a_whole_run_and_a_search(project: Path, tmp_path: Path, preset: str) -> None:
    source = table(tmp_path / "rows.csv", headlines(300), ["title", "desk"])
    make(project, preset, str(source), "--preset", preset, "--budget", "size <= 2 MB, then best quality")
    runs = params.read(project / "params.yaml")
    params.check(runs, new_models(), kinds(), only=preset)
    policy.read(project, preset)
    assert ("static" in runs[preset]["prune"]) == (preset == "fast")


def test_the_best_is_searched_teacher_first(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "rows.csv", headlines(800), ["title", "desk"])
    said = make(project, "best", str(source), "--preset", "best", "--minutes", "30")
    assert "first the best teacher, then the best student, in about 30 minutes: slipway search best" in said
    run, rules = params.read(project / "params.yaml")["best"], policy.read(project, "best")
    assert rules.teacher is not None
    assert rules.teacher.minutes + rules.minutes == 30
    rates = rules.teacher.space["finetune.learning_rate"]
    assert rates == sorted(rates)
    assert run["finetune"]["learning_rate"] in rates[1:-1]
    assert run["finetune"]["patience"] == max(rules.teacher.space["finetune.epochs"])
    gates = run["benchmark"]["gates"]
    size = gates["max_bytes"] / 1e6
    assert rules.budget == f"speedup >= {gates['min_speedup']:g} x and size <= {size:g} MB, then best quality"
    make(project, "usual", str(source))
    with pytest.raises(ParamsError, match=r"search\.usual: is missing"):
        policy.read(project, "usual")


def test_few_rows_tell_no_teachers_apart(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "rows.csv", headlines(300), ["title", "desk"])
    said = make(project, "few", str(source), "--preset", "best")
    assert "first the best student, in about 60 minutes: slipway search few" in said
    rules = policy.read(project, "few")
    assert (rules.teacher, rules.minutes) == (None, 60)


@pytest.mark.parametrize("minutes", ["0", "-5", "inf", "nan", "soon"])
def test_minutes_are_a_number_above_0(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        asked("few", "rows.csv", "--minutes", minutes)
    assert f"argument --minutes: '{minutes}': must be a number above 0" in capsys.readouterr().err


def test_a_search_begins_with_what_is_proposed_for_many_classes(project: Path, tmp_path: Path) -> None:
    rows = [[text, f"{desk} {number % 6}"] for number, (text, desk) in enumerate(headlines(900))]
    source = table(tmp_path / "rows.csv", rows, ["title", "desk"])
    make(project, "many", str(source), "--preset", "best")
    run = params.read(project / "params.yaml")["many"]
    assert len({desk for _, desk in rows}) > 20
    assert run["prune"]["ffn"] in policy.read(project, "many").space["prune.ffn"]


def test_minutes_shorten_the_training_and_say_so(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "rows.csv", headlines(800), ["title", "desk"])
    usual = make(project, "usual", str(source), "--dry-run")[-1]
    said = make(project, "short", str(source), "--minutes", "0.1")
    run = params.read(project / "params.yaml")["short"]
    assert f"epochs: {run['finetune']['epochs']} " not in usual
    assert any("0.1 minutes are too few: with 20% of the usual steps" in line for line in said)


def test_like_another_run_takes_its_values(project: Path, tmp_path: Path) -> None:
    source = table(tmp_path / "rows.csv", headlines(200), ["title", "desk"])
    make(project, "alike", str(source), "--like", "bbc")
    runs = params.read(project / "params.yaml")
    assert runs["alike"]["distill"] == runs["bbc"]["distill"]
    assert runs["alike"]["ingest"]["columns"] == {"text": "title", "label": "desk"}


def test_what_data_hold_cannot_end_a_comment_or_a_value(project: Path, tmp_path: Path) -> None:
    header = ["ti\ttle: {x} #y", "no"]
    source = table(tmp_path / "rows.csv", headlines(200), header)
    make(project, "odd", str(source))
    columns = params.read(project / "params.yaml")["odd"]["ingest"]["columns"]
    assert columns == {"text": header[0], "label": "no"}


def test_tagged_words_are_known(project: Path, tmp_path: Path) -> None:
    sentences = [
        "\n".join(f"{word} {'B-long' if len(word) > 7 else 'O'}" for word in one["headline"].split())
        for one in tiny.articles()[:200]
    ]
    (tmp_path / "words.conll").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    said = make(project, "names", str(tmp_path / "words.conll"), "--dry-run")
    assert "    kind: text/tagging" in said[-1]
    assert 'columns: {tokens: "1", tags: "2"}' in said[-1]
    shared = re.search(r"validation: 0.2 +# about (\d+) rows", said[-1])
    assert shared is not None, said[-1]
    assert 0.17 * len(sentences) < int(shared[1]), "sentences without an entity are rows, too"


def test_of_conllu_the_words_are_taken_and_not_their_numbers(project: Path, tmp_path: Path) -> None:
    def line(number: int, word: str) -> str:
        tag = "B-long" if len(word) > 7 else "O"
        return "\t".join([str(number), word, word.lower(), "X", "_", "_", "0", "root", "_", tag])

    sentences = [
        "\n".join(line(number, word) for number, word in enumerate(one["headline"].split(), 1))
        for one in tiny.articles()[:200]
    ]
    (tmp_path / "words.conllu").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    said = make(project, "names", str(tmp_path / "words.conllu"), "--dry-run")
    assert "columns: {tokens: form, tags: misc}" in said[-1]


def test_a_title_and_a_body_are_read_as_one_text(project: Path, tmp_path: Path) -> None:
    words = [(one["headline"].split(" "), one["desk"]) for one in tiny.articles()[:300]]
    rows = [[" ".join(some[:2]), " ".join(some[2:]), desk] for some, desk in words]
    source = table(tmp_path / "rows.csv", rows, ["title", "description", "desk"])
    said = "\n".join(make(project, "both", str(source), "--yes"))
    assert "columns   text = title + description, label = desk" in said
    assert params.read(project / "params.yaml")["both"]["ingest"]["columns"]["text"] == [
        "title",
        "description",
    ]
    said = "\n".join(make(project, "one", str(source), "--text", "description + title", "--dry-run"))
    assert "columns: {text: [description, title], label: desk}" in said


def test_labels_in_lists_are_classes(project: Path, tmp_path: Path) -> None:
    """Those of one; a row with several is set aside, and counted."""
    rows = [{"text": title, "label": [desk]} for title, desk in headlines(300)]
    rows[5]["label"] = ["business", "tech"]
    (tmp_path / "all.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    said = "\n".join(make(project, "desks", str(tmp_path / "all.jsonl"), "--dry-run"))
    assert "columns: {text: text, label: label}" in said
    assert "1 several labels" in said


@pytest.mark.parametrize(("unit", "end"), [("utf16", "exclusive"), ("code_points", "inclusive")])
def test_how_spans_are_counted_is_seen(project: Path, tmp_path: Path, unit: str, end: str) -> None:
    def row(title: str) -> dict[str, object]:
        text = f"\N{SLIGHTLY SMILING FACE} {title}"
        before = text[: text.rindex(" ") + 1]
        start = len(before) + (unit == "utf16")
        last = start + len(text) - len(before) - (end == "inclusive")
        return {"text": text, "spans": [{"start": start, "end": last, "label": "last"}]}

    lines = [json.dumps(row(title)) for title, _ in headlines(120) if " " in title]
    (tmp_path / "all.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = make(project, "ends", str(tmp_path / "all.jsonl"), "--dry-run")
    assert f"offsets: {unit}, span_end: {end}" in said[-1]
