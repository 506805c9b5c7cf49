"""Nights from end to end with the true commands: rows collected, a challenger trained and promoted, a
champion brought back.

Each test goes on from the one before. A bare git remote and a folder as DVC remote stand beside the project.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import smoke
from tests.flows.retraining.conftest import POLICY, articles, write_csv
from tests.smoke import RUN, attempt, call

pytestmark = pytest.mark.slow

CLEAN = "Data and pipelines are up to date."


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything made, committed and pushed."""
    home = tmp_path_factory.mktemp("nights")
    project = smoke.make_project(home)
    section = "".join(
        f"    {line}\n" for line in POLICY.replace("start: pretrained", "start: champion").splitlines()
    )
    with (project / "params.yaml").open("a") as file:
        file.write(f"retrain:\n  {RUN}:\n{section}")
    call(project, "dvc", "remote", "add", "--default", "store", str(home / "store"))
    subprocess.run(["git", "init", "--quiet", "--bare", str(home / "git")], check=True)
    call(project, "git", "checkout", "--quiet", "-b", "main")
    call(project, "git", "remote", "add", "origin", str(home / "git"))
    call(project, "dvc", "repro")
    smoke.commit(project, "all made")
    return project


def night(project: Path, *more: str) -> str:
    done = attempt(project, "python", "-m", "flows.retrain", *(more or ("night", RUN)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert call(project, "git", "status", "--porcelain") == ""
    assert call(project, "dvc", "status").strip() == CLEAN
    remote = call(project, "git", "ls-remote", "origin", "refs/heads/main").split()
    assert remote[:1] == call(project, "git", "rev-parse", "HEAD").split()[: len(remote[:1])]
    return [line for line in done.stdout.splitlines() if line.startswith(f"{RUN}: ")][-1]


def drop(project: Path, name: str, start: int, count: int, **changed: str) -> None:
    write_csv(project / "data" / "inbox" / RUN / name, [{**row, **changed} for row in articles(start, count)])


def last(project: Path) -> dict[str, Any]:
    lines = (project / "data" / RUN / "retrain" / "history.jsonl").read_text().splitlines()
    return dict(json.loads(lines[-1]))


def test_few_rows_are_collected_and_the_first_champion_is_what_was_there(project: Path) -> None:
    before = smoke.md5s(project)
    drop(project, "monday.csv", 600, 12)
    assert night(project).startswith(f"{RUN}: collected: ")
    assert call(project, "git", "tag").split() == [f"{RUN}@v1"]
    entry = last(project)
    assert entry["rows"]["arrived"] == 12 == entry["rows"]["taken"] + entry["rows"]["set_aside"]
    assert entry["waiting"] == entry["collected"] == entry["rows"]["taken"] < 20
    assert not list((project / "data" / "inbox" / RUN).iterdir())
    assert smoke.md5s(project) == before
    assert call(project, "dvc", "status", "--cloud").strip() == "Cache and remote 'store' are in sync."


def test_nothing_new_says_so_and_leaves_no_commit(project: Path) -> None:
    before = call(project, "git", "rev-parse", "HEAD")
    (project / "data" / "inbox" / RUN / "half.csv.part").write_text("headline,")
    assert (
        night(project) == f"{RUN}: nothing new; left alone, as being written or not readable: half.csv.part"
    )
    (project / "data" / "inbox" / RUN / "half.csv.part").unlink()
    assert call(project, "git", "rev-parse", "HEAD") == before


def test_enough_rows_make_a_challenger_and_bad_drops_go_to_quarantine(project: Path) -> None:
    drop(project, "tuesday.csv", 700, 100)
    drop(project, "german.csv", 900, 30, desk="Wirtschaft")
    (project / "data" / "inbox" / RUN / "noise.csv").write_bytes(bytes(range(256)) * 4)
    frozen = (project / "data" / RUN / "ingest" / "out" / "test.parquet").read_bytes()
    said = night(project)
    entry = last(project)
    assert entry["decision"] in ("promoted", "refused"), said
    faults = {one["name"]: one["fault"] for one in entry["files"]}
    assert faults["tuesday.csv"] == ""
    assert "most of its labels are unknown (Wirtschaft)" in faults["german.csv"]
    assert "is no text" in faults["noise.csv"]
    assert (project / "data" / RUN / "ingest" / "out" / "test.parquet").read_bytes() == frozen
    kept = {path.name for path in (project / "data" / "quarantine" / RUN).rglob("drop/*")}
    assert {"german.csv", "noise.csv"} <= kept
    verdict = entry["judgement"]["frozen"]
    assert verdict["smallest_visible"] > 0
    promoted = entry["decision"] == "promoted"
    assert promoted == (
        not entry["judgement"]["objections"]
        and "better" in {verdict["verdict"], entry["judgement"]["fresh"]["verdict"]}
    )
    assert call(project, "git", "tag").split() == [f"{RUN}@v1", f"{RUN}@v2"][: 1 + promoted]
    assert (project / "data" / RUN / "retrain" / "quality.png").stat().st_size > 1000
    committed = set(call(project, "git", "show", "--name-only", "--format=", "HEAD").split())
    allowed = (
        "dvc.lock",
        "params.yaml",
        f"data/{RUN}/",
        "data/raw/",
        "data/collected/",
        "data/quarantine/",
        "models/",
        "registry/",
    )
    assert [name for name in committed if not name.startswith(allowed)] == []
    assert ("models/champion-smoke" in (project / "params.yaml").read_text()) == promoted
    assert (project / "models" / f"champion-{RUN}" / "model.safetensors").exists() == promoted
    assert call(project, "dvc", "status", "--cloud").strip() == "Cache and remote 'store' are in sync."


def test_same_drop_again_is_taken_by_no_one(project: Path) -> None:
    before = last(project)
    drop(project, "again.csv", 700, 100)
    night(project)
    entry = last(project)
    assert (entry["rows"]["taken"], entry["rows"]["set_aside"], entry["collected"]) == (
        0,
        100,
        before["collected"],
    )


def test_enrolled_champion_and_the_one_before_come_back_bit_for_bit(project: Path) -> None:
    """What dvc.lock holds is made another champion by a changed recipe; then the former one comes back."""
    former, version = smoke.md5s(project), last(project)["version"]
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("format: int8-dynamic", "format: fp32"))
    call(project, "dvc", "repro")
    smoke.commit(project, "another format")
    call(project, "git", "push", "--quiet", "origin", "main")
    assert night(project, "enroll", RUN).startswith(f"{RUN}: enrolled")
    assert (
        "| class | train | validation | test |" in (project / "registry" / RUN / "MODEL_CARD.md").read_text()
    )
    assert smoke.md5s(project) != former
    (project / "params.yaml").write_text(text)
    smoke.commit(project, "the former format")
    done = attempt(
        project, "python", "-m", "flows.retrain", "rollback", RUN, "--why", "wrong labels in the last drop"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert smoke.md5s(project) == former
    champion, entry = json.loads((project / "registry" / RUN / "champion.json").read_text()), last(project)
    assert (champion["version"], champion["since"]) == (version, entry["at"])
    assert champion["why"] == "rolled back: wrong labels in the last drop"
    assert "@" in champion["by"]
    assert "Brought by" in (project / "registry" / RUN / "MODEL_CARD.md").read_text()
    assert call(project, "dvc", "status").strip() == CLEAN
    assert entry["decision"] == "rolled back"
    assert f"{champion['by']}: wrong labels in the last drop" in entry["why"]
    assert entry["why"] in call(project, "git", "log", "-1", "--format=%b")
    assert (
        "| class | train | validation | test |" in (project / "registry" / RUN / "MODEL_CARD.md").read_text()
    )
    unknown = attempt(project, "python", "-m", "flows.retrain", "rollback", RUN, "--to", "9")
    assert unknown.returncode == 2
    assert f"run {RUN}: there is no v9; champions so far: v1" in unknown.stderr


def test_commands_say_what_is_wrong(project: Path) -> None:
    done = attempt(project, "python", "-m", "flows.retrain", "night", "other")
    assert done.returncode == 2
    assert "retrain.other: is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert attempt(project, "python", "-m", "flows.retrain", "history", RUN).stdout.startswith(
        f"# {RUN}, night of "
    )
