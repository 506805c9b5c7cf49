"""The whole graph through both doors, with the true commands, in a scratch project.

The fixtures are its history, each going on from the one before: `project` has raw data and no results, in
`made` the flow ran everything once, in `retuned` a parameter was changed and the flow ran again. In a copy of
`made`, DVC runs everything anew meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests import smoke, tiny
from tests.smoke import RUN, attempt, call, commit, md5s
from tests.waiting import until

CLEAN = "Data and pipelines are up to date."
STAGES = ["ingest", "pretrain", "finetune", "prune", "distill", "quantize", "benchmark"]
CLOCK = {"benchmark/timings.json", "benchmark/speed.json", "benchmark/report"}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return smoke.make_project(tmp_path_factory.mktemp("smoke"))


@pytest.fixture(scope="session")
def made(project: Path) -> Path:
    assert states(call(project, "python", "-m", "flows.compress")) == ["Completed"] * len(STAGES)
    commit(project, "all made")
    return project


@pytest.fixture(scope="session")
def again(
    made: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A copy of the project without its results, in which `dvc repro --force` is at work."""
    copy = tmp_path_factory.mktemp("again") / "project"
    shutil.copytree(made, copy, symlinks=True)
    shutil.rmtree(copy / "data" / RUN)
    (copy / "dvc.lock").unlink()
    with (copy.parent / "log").open("w") as log:
        command = ["dvc", "repro", "--force"]
        process = subprocess.Popen(
            command,
            cwd=copy,
            env=smoke.environment(copy),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    yield copy, process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def retuned(made: Path) -> tuple[Path, str]:
    """The project after a flow with another `prune.ffn`, and what the flow said."""
    replace(made / "params.yaml", "ffn: 64", "ffn: 48")
    return made, call(made, "python", "-m", "flows.compress")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def ran(said: str) -> list[str]:
    """The stages whose command DVC started."""
    return re.findall(rf"^> python -m tasks (\w+) {RUN}$", said, re.MULTILINE)


def states(said: str) -> list[str]:
    """The state of each stage in the table that a flow ends with."""
    lines = {
        line.split()[0]: line.split()[1] for line in said.splitlines() if f"@{RUN}" in line.split(" ")[0]
    }
    return [lines[f"{stage}@{RUN}"] for stage in STAGES]


def is_clean(project: Path) -> bool:
    return call(project, "dvc", "status").strip() == CLEAN


def changed_in_git(project: Path) -> str:
    return call(project, "git", "status", "--porcelain")


# -- before anything ran --


def test_bad_params_stop_dvc_repro_with_our_message(project: Path) -> None:
    replace(project / "params.yaml", "vocabulary: 800", "vocabluary: 800")
    try:
        done = attempt(project, "dvc", "repro")
    finally:
        replace(project / "params.yaml", "vocabluary: 800", "vocabulary: 800")
    assert done.returncode != 0
    assert (
        f"runs.{RUN}.prune.vocabluary: unknown key; did you mean `vocabulary`?" in done.stdout + done.stderr
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((project / "data" / RUN).glob("*/[!.]*"))


# -- everything ran once --


@pytest.mark.slow
def test_outputs_are_those_dvc_yaml_declares_and_no_others(made: Path) -> None:
    graph = YAML(typ="safe").load((made / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    declared = {
        path_of(entry)
        for stage in graph.values()
        for part in ("outs", "metrics", "plots")
        for entry in stage["do"].get(part, [])
    }
    found = set(outputs(made, made / "data" / RUN, declared))
    assert len(declared) > 15
    assert found == declared


def path_of(entry: str | dict[str, Any]) -> str:
    path = entry if isinstance(entry, str) else next(iter(entry))
    return path.replace("${key}", RUN)


def outputs(project: Path, folder: Path, declared: set[str]) -> Iterator[str]:
    for path in folder.iterdir():
        name = path.relative_to(project).as_posix()
        if path.is_dir() and name not in declared:
            yield from outputs(project, path, declared)
        elif path.name != ".gitignore":
            yield name


@pytest.mark.slow
def test_second_dvc_repro_at_the_same_time_is_told_that_the_first_is_busy(
    again: tuple[Path, subprocess.Popen[str]],
) -> None:
    copy, at_work = again
    until(lambda: ran((copy.parent / "log").read_text()), of=at_work)
    done = attempt(copy, "dvc", "repro")
    assert done.returncode != 0
    assert re.search(r"is busy, it is being blocked by|Unable to acquire lock", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_both_doors_find_everything_done(made: Path) -> None:
    assert ran(call(made, "dvc", "repro")) == []
    assert is_clean(made)
    said = call(made, "python", "-m", "flows.compress")
    assert states(said) == ["Cached"] * len(STAGES)
    assert said.count("up to date") == len(STAGES)
    assert is_clean(made)
    assert changed_in_git(made) == ""


@pytest.mark.slow
def test_removed_results_come_back_from_the_run_cache(made: Path) -> None:
    before = md5s(made)
    shutil.rmtree(made / "data" / RUN)
    assert ran(call(made, "dvc", "repro")) == []
    assert md5s(made) == before
    assert is_clean(made)
    assert changed_in_git(made) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "stale"),
    [
        (["tasks/prune/registry.py"], {"prune"}),
        (["tasks/training/loop.py"], {"pretrain", "finetune", "prune", "distill"}),
        (
            [
                "README.md",
                "requirements/dev.lock",
                "requirements/flows.lock",
                "pyproject.toml",
                "flows/pipeline/graph.py",
                "tests/tiny.py",
            ],
            set(),
        ),
    ],
)
def test_changed_file_makes_stale_the_stages_that_import_it(
    made: Path, files: list[str], stale: set[str]
) -> None:
    before = {file: (made / file).read_bytes() for file in files}
    try:
        for file, content in before.items():
            (made / file).write_bytes(content + b"\n# a comment\n")
        status = json.loads(call(made, "dvc", "status", "--json"))
    finally:
        for file, content in before.items():
            (made / file).write_bytes(content)
    assert set(status) == {f"{stage}@{RUN}" for stage in stale}


@pytest.mark.slow
def test_model_card_tells_of_the_run_and_its_lines_load_the_model(made: Path) -> None:
    text = call(made, "python", "-m", "flows.retraining.record.card", RUN)
    assert [path for path, md5 in md5s(made).items() if f"| `{path}` | `{md5}` |" not in text] == []
    assert re.search(r"^\| business \| \d+ \| \d+ \| \d+ \|$", text, re.MULTILINE)
    assert "| rows.csv | utf-8 | 300 |" in text
    lines = text.split("```python\n")[1].split("```", maxsplit=1)[0]
    assert call(made, "python", "-I", "-c", lines).strip() in tiny.LABELS
    assert changed_in_git(made) == ""


# -- a parameter changed --


@pytest.mark.slow
def test_flow_runs_the_changed_stage_and_what_follows_and_says_why(retuned: tuple[Path, str]) -> None:
    project, said = retuned
    assert states(said) == ["Cached", "Cached", "Cached", "Completed", "Completed", "Completed", "Completed"]
    assert re.search(rf"^prune@{RUN} .*runs\.{RUN}\.prune\.ffn 64 → 48", said, re.MULTILINE)
    assert is_clean(project)
    assert ran(call(project, "dvc", "repro")) == []


@pytest.mark.slow
def test_dvc_shows_and_compares_figures_and_params(retuned: tuple[Path, str]) -> None:
    project, _ = retuned
    assert "final" in call(project, "dvc", "metrics", "show")
    figures = call(project, "dvc", "metrics", "diff").splitlines()
    assert len(figures) < 40
    assert any(line.startswith(f"data/{RUN}/prune/metrics.json") for line in figures)
    assert {line.split()[0].rpartition("/")[2] for line in figures if "/benchmark/" in line} == {
        "quality.json",
        "speed.json",
    }
    assert re.search(rf"runs\.{RUN}\.prune\.ffn\s+64\s+48", call(project, "dvc", "params", "diff"))


@pytest.mark.slow
def test_review_of_the_change_says_what_the_benchmarks_say_and_runs_nothing(
    retuned: tuple[Path, str],
) -> None:
    project, _ = retuned
    told = json.loads(
        call(project, "python", "-m", "flows.review", "--format", "json", "--fail-on", "never")
    )["runs"][RUN]
    assert [(change["key"], change["a"], change["b"]) for change in told["params"]] == [
        (f"runs.{RUN}.prune.ffn", "64", "48")
    ]
    before = json.loads(call(project, "git", "show", f"HEAD:data/{RUN}/benchmark/metrics.json"))
    after = json.loads((project / f"data/{RUN}/benchmark/metrics.json").read_text(encoding="utf-8"))
    gap = told["quality"]["difference"]
    assert (gap["a"], gap["b"]) == pytest.approx(
        (before["final"]["macro_f1"], after["final"]["macro_f1"]), abs=1e-6
    )
    assert told["quality"]["common"] == after["measured"]["rows"] == before["measured"]["rows"]
    assert (told["quality"]["only_a"], told["quality"]["only_b"], told["data"], told["code"]) == (
        0,
        0,
        None,
        [],
    )
    assert told["behind"] == {"a": [], "b": []}
    assert is_clean(project)


@pytest.mark.slow
@pytest.mark.parametrize("command", [("plots", "show"), ("plots", "diff")])
def test_plots_page_needs_no_network(retuned: tuple[Path, str], command: tuple[str, str]) -> None:
    project, _ = retuned
    call(project, "python", "-m", "flows.checkout.plots_page")
    call(project, "dvc", *command)
    ours, _, plots = (
        (project / "dvc_plots" / "index.html").read_text(encoding="utf-8").partition("<plaintext>")
    )
    scripts = re.compile(r"<script>.*?</script>", re.DOTALL)
    assert sum(map(len, scripts.findall(ours))) > 500_000
    assert "default-src 'none'" in ours
    assert not re.search(r"<(script|link|img)[^>]+(src|href)\s*=", scripts.sub("", ours))
    assert plots.count("vegaEmbed(") >= 4


@pytest.mark.slow
def test_experiment_runs_and_shows(retuned: tuple[Path, str]) -> None:
    project, _ = retuned
    said = call(
        project,
        "dvc",
        "exp",
        "run",
        "--name",
        "lenient",
        "--set-param",
        f"runs.{RUN}.quantize.min_agreement=0.4",
    )
    assert ran(said) == ["quantize"]
    assert "lenient" in call(project, "dvc", "exp", "show", "--csv")
    assert is_clean(project)


@pytest.mark.slow
def test_clone_pulls_what_was_pushed(retuned: tuple[Path, str], tmp_path: Path) -> None:
    project, _ = retuned
    commit(project, "retuned")
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    call(project, "dvc", "remote", "add", "--local", "--default", "store", str(remote))
    call(project, "dvc", "push")
    call(project, "git", "clone", "--quiet", ".", str(clone))
    call(clone, "dvc", "remote", "add", "--local", "--default", "store", str(remote))
    call(clone, "dvc", "pull")
    assert is_clean(clone)
    assert ran(call(clone, "dvc", "repro")) == []
    assert changed_in_git(clone) == ""


# -- everything ran twice --


@pytest.mark.slow
def test_dvc_makes_what_the_flow_made_but_for_the_clock(again: tuple[Path, subprocess.Popen[str]]) -> None:
    copy, process = again
    log = copy.parent / "log"
    assert process.wait(300) == 0, log.read_text()
    assert ran(log.read_text()) == STAGES
    first, second = (
        locked(text)
        for text in (
            call(copy, "git", "show", "HEAD:dvc.lock"),
            (copy / "dvc.lock").read_text(encoding="utf-8"),
        )
    )
    differ = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    assert len(first) > 100
    assert differ == {f"benchmark@{RUN} outs data/{RUN}/{name}" for name in CLOCK}
    assert is_clean(copy)
    assert ran(call(copy, "dvc", "repro")) == []
    assert states(call(copy, "python", "-m", "flows.compress")) == ["Cached"] * len(STAGES)


def locked(text: str) -> dict[str, Any]:
    """Every entry of a dvc.lock under a name of its own."""
    entries: dict[str, Any] = {}
    for name, stage in YAML(typ="safe").load(text)["stages"].items():
        entries |= {
            f"{name} {part} {entry['path']}": entry for part in ("deps", "outs") for entry in stage[part]
        }
        entries |= {f"{name} cmd": stage["cmd"], f"{name} params": stage["params"]}
    return entries
