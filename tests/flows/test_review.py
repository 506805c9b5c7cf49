"""Reviews of a real project with planted answers, by the command a reviewer gives.

Verdicts, rows, revisions, what a side lacks.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.flows.reviewing import planted
from tests.flows.reviewing.planted import RUN, Planted
from tests.flows.toy import call

PREDICTIONS = f"data/{RUN}/benchmark/out"


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`good`, then on branch `work` a commit tagged `worse` with 60 wrong answers, 5 of them as before.

    Checked out is `work`.
    """
    project = planted.new(tmp_path_factory.mktemp("planted") / "project")
    project.git("checkout", "--quiet", "-b", "work")
    project.params(wrong=list(range(5, 65)), bytes=1500, speed=4.0, least=0.9)
    project.commit("a worse model")
    project.git("tag", "worse")
    return project.root


@pytest.fixture
def project(history: Path, tmp_path: Path) -> Planted:
    root = tmp_path / "project"
    shutil.copytree(history, root, symlinks=True)
    return Planted(root)


def test_a_worse_model_is_called_worse_with_all_that_came_with_it(project: Planted) -> None:
    told = project.told("--a", "good", "--b", "worse", status=3)
    assert told["verdict"] == "worse"
    assert told["marks"] == ["worse", "class", "gates", "slower", "larger"]
    quality = told["quality"]
    assert (
        quality["gained"],
        quality["lost"],
        quality["gained_rows"],
        quality["lost_rows"],
        quality["common"],
    ) == (5, 55, 5, 55, 300)
    assert quality["difference"]["high"] < 0 < quality["difference"]["visible"]
    assert len(quality["lost_shown"]) == 20
    assert [change["key"] for change in told["params"]] == [
        f"runs.{RUN}.benchmark.{key}" for key in ("wrong", "bytes", "least", "speed")
    ]
    (gate,) = told["gates"]
    assert (gate["a"], gate["b"]) == (True, False)
    assert told["data"] is None
    surest = quality["lost_shown"][0]["cells"]
    assert surest["text"].startswith("row number ")
    assert surest["label"] in surest["answer, A"]
    assert surest["label"] not in surest["answer, B"]


def test_the_other_way_round_it_is_better_and_ends_well(project: Planted) -> None:
    told = project.told("--a", "worse", "--b", "good")
    assert (told["verdict"], told["marks"]) == ("better", [])


@pytest.mark.slow
def test_marks_end_with_1_only_where_they_are_asked_about(project: Planted) -> None:
    assert project.diff("--a", "good", "--b", "worse", "--fail-on", "never").returncode == 0
    assert project.diff("--a", "worse", "--b", "good", "--fail-on", "slower", "larger,class").returncode == 0
    done = project.diff("--a", "good", "--b", "worse", "--fail-on", "larger")
    assert (done.returncode, done.stderr) == (3, f"{RUN}: larger\n")


def test_a_revision_beside_itself_differs_in_nothing(project: Planted) -> None:
    done = project.diff("--a", "worse", "--b", "work", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)["runs"], json.loads(done.stdout)["unchanged"]) == (
        0,
        {},
        [RUN],
    )
    assert "Nothing differs in" in project.diff("--a", "worse", "--b", "work").stdout


@pytest.mark.slow
def test_sides_not_named_are_where_the_branch_began_the_last_commit_or_the_one_before(
    project: Planted,
) -> None:
    assert "where this branch left main" in project.diff("--fail-on", "never").stdout
    project.git("checkout", "--quiet", "-B", "main")
    assert "the commit before" in project.diff("--fail-on", "never").stdout
    project.params(wrong=[])
    said = project.diff("--fail-on", "never").stdout
    assert "the last commit: the workspace has edits" in said
    assert "benchmark was last run with other params" in said


@pytest.mark.slow
def test_an_experiment_is_a_revision_like_others(project: Planted) -> None:
    project.dvc("exp", "run", "--quiet", "--name", "leaner", "--set-param", f"runs.{RUN}.benchmark.bytes=700")
    project.git("checkout", "--quiet", "--", ".")
    told = project.told("--a", "worse", "--b", "leaner", "--fail-on", "worse")
    assert [(change["a"], change["b"]) for change in told["params"]] == [("1500", "700")]
    assert told["figures"]["b"]["metrics"]["final"]["bytes"] == 700


@pytest.mark.slow
def test_rows_that_came_went_and_changed_label_are_counted_and_shown(project: Planted) -> None:
    rows = project.rows()
    rows[0]["label"], rows[1]["label"] = rows[1]["label"], rows[0]["label"]
    rows[2]["split"], rows[300]["label"] = "train", "plum"
    new = [{"text": f"a new row {number}", "label": "pear", "split": "test"} for number in range(7)]
    project.put([*rows[:290], *rows[300:], *new])
    project.commit("other rows")
    told = project.told("--a", "worse", "--b", "HEAD", status=3)
    assert told["raw_changed"] is True
    found = {one["split"]: one for one in told["data"]["splits"]}
    counted = {
        split: [one[key] for key in ("a", "b", "added", "removed", "relabelled", "moved_in")]
        for split, one in found.items()
    }
    assert counted == {
        "train": [60, 61, 0, 0, 1, 1],
        "validation": [30, 30, 0, 0, 0, 0],
        "test": [300, 296, 7, 10, 2, 0],
    }
    assert {(one["text"], one["before"], one["label"]) for one in told["data"]["relabelled"]} == {
        (planted.text(0), "apple", "pear"),
        (planted.text(1), "pear", "apple"),
        (planted.text(300), "apple", "plum"),
    }
    quality = told["quality"]
    assert [quality[key] for key in ("common", "only_a", "only_b", "relabelled")] == [289, 11, 7, 2]
    said = project.diff("--a", "worse", "--b", "HEAD").stdout
    assert "289 are common, 11 are in A alone, 7 in B alone" in said
    assert "2 of the common rows have another label in B" in said


@pytest.mark.slow
def test_rows_that_arrived_for_the_fresh_test_set_are_counted(project: Planted) -> None:
    rows = project.rows()
    project.put([*rows, *({"text": f"late {at}", "label": "plum", "split": "fresh"} for at in range(4))])
    project.commit("rows arrived")
    found = project.told("--a", "worse", "--b", "HEAD", status=3)["data"]
    assert [(one["split"], one["a"], one["b"], one["added"]) for one in found["splits"]] == [
        ("fresh", 0, 4, 4)
    ]
    assert found["lacking"] == []


@pytest.mark.slow
def test_runs_that_came_or_went_are_told_and_not_compared(project: Planted) -> None:
    runs = json.loads((project.root / "params.yaml").read_text())["runs"]
    project.write("params.yaml", {"runs": {"other": runs[RUN]}})
    shutil.copytree(project.root / "data/raw" / RUN, project.root / "data/raw/other")
    project.put(json.loads((project.root / "data/raw/other/rows.json").read_text()), "other")
    project.commit("another run")
    done = project.diff("--a", "worse", "--b", "HEAD", "--fail-on", "worse", "unjudged")
    assert done.returncode == 0, done.stderr
    assert "gone in B" in done.stdout
    assert "new in B" in done.stdout
    assert (
        json.loads(project.diff("--a", "worse", "--b", "HEAD", "--format", "json").stdout)["runs"]["other"][
            "verdict"
        ]
        is None
    )


def test_all_faults_of_a_call_are_told_at_once(project: Planted) -> None:
    done = project.diff("--a", "goood", "--b", "nowhere", "--run", "q")
    assert (done.returncode, done.stdout) == (2, "")
    assert "A = 'goood'" in done.stderr
    assert "did you mean `good`?" in done.stderr
    assert "B = 'nowhere'" in done.stderr
    assert "--run 'q'" in done.stderr
    assert "Traceback" not in done.stderr
    faulty = project.diff("--format", "pdf", "--fail-on", "wrose")
    assert (faulty.returncode, "did you mean `worse`?" in faulty.stderr, "--format pdf" in faulty.stderr) == (
        2,
        True,
        True,
    )
    assert project.diff("--a=--upload-pack=touch hacked", "--b", "worse").returncode == 2


def test_a_folder_that_is_no_project_is_named_as_such(tmp_path: Path) -> None:
    done = Planted(tmp_path).diff()
    assert (done.returncode, "is no DVC project" in done.stderr) == (2, True)


@pytest.mark.slow
def test_answers_come_from_the_remote_where_the_clone_has_none_and_no_more_than_that(
    project: Planted, tmp_path: Path
) -> None:
    project.share(tmp_path / "shelf")
    clone = project.clone(tmp_path / "clone")
    told = clone.told("--a", "good", "--b", "worse", status=3)
    assert (told["verdict"], told["quality"]["lost"]) == ("worse", 55)
    assert told["quality"]["lost_shown"][0]["cells"]["text"].startswith("row number ")
    assert not (clone.root / "data" / RUN / "benchmark" / "out").exists()
    assert clone.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_shallow_clone_fetches_the_revision_it_lacks(project: Planted, tmp_path: Path) -> None:
    project.share(tmp_path / "shelf")
    clone = project.clone(tmp_path / "clone", "--depth", "1", "--branch", "work")
    assert clone.git("rev-list", "--count", "HEAD") == "1"
    told = clone.told("--a", "main", status=3)
    assert told["verdict"] == "worse"
    assert clone.told("--a", "HEAD~2", status=3)["verdict"] == "worse"


@pytest.mark.parametrize(
    "name", ["work:refs/heads/planted", "+work:refs/heads/planted", "refs/heads/*:refs/heads/planted-*"]
)
def test_a_name_writes_no_branch(project: Planted, tmp_path: Path, name: str) -> None:
    clone = project.clone(tmp_path / "clone")
    before = clone.git("for-each-ref")
    assert "is no commit, tag, branch or experiment" in clone.diff("--a", "HEAD", "--b", name).stderr
    assert clone.git("for-each-ref") == before


@pytest.mark.slow
def test_a_side_without_its_answers_is_told_and_what_git_holds_is_shown(
    project: Planted, tmp_path: Path
) -> None:
    clone = project.clone(tmp_path / "clone")
    told = clone.told("--a", "good", "--b", "worse", status=3)
    assert (told["verdict"], told["quality"]) == (None, None)
    assert told["marks"] == ["gates", "slower", "larger", "unjudged"]
    assert len(told["why_not"]) == 2
    said = clone.diff("--a", "good", "--b", "worse", "--fail-on", "never").stdout
    assert "could not be judged" in said
    assert "no remote is configured" in said
    assert "macro_f1 0.967 → 0.800" in said
    assert clone.diff("--a", "good", "--b", "worse", "--fail-on", "unjudged").returncode == 5


@pytest.mark.slow
def test_a_remote_that_only_the_revision_names_is_not_asked(project: Planted, tmp_path: Path) -> None:
    theirs = project.share(tmp_path / "theirs")
    clone = project.clone(tmp_path / "clone")
    clone.git("checkout", "--quiet", "worse")
    assert clone.told("--a", "good", "--b", theirs, status=3)["verdict"] is None
    clone.git("checkout", "--quiet", theirs)
    assert clone.told("--a", "good", "--b", theirs, status=3)["verdict"] == "worse"


def test_figures_edited_by_hand_are_told(project: Planted) -> None:
    file = project.root / f"data/{RUN}/benchmark/metrics.json"
    figures = json.loads(file.read_text())
    figures["final"]["macro_f1"] = 0.999
    file.write_text(json.dumps(figures))
    told = project.told("--a", "worse", "--fail-on", "never")
    assert told["behind"] == {
        "a": [],
        "b": [f"data/{RUN}/benchmark/metrics.json is not what the benchmark wrote, by dvc.lock"],
    }


@pytest.mark.slow
def test_a_model_no_better_than_the_linear_baseline_is_a_mark_and_a_warning(project: Planted) -> None:
    file = project.root / f"data/{RUN}/benchmark/metrics.json"
    figures = json.loads(file.read_text())
    for linear, marks in ((0.2, []), (0.99, ["baseline"])):
        figures["baseline"] = {
            "macro_f1": linear,
            "macro_f1_low": linear - 0.02,
            "macro_f1_high": linear + 0.02,
        }
        file.write_text(json.dumps(figures))
        told = project.told("--a", "good", "--fail-on", "baseline", status=3 if marks else 0)
        assert [mark for mark in told["marks"] if mark == "baseline"] == marks
        said = project.diff("--a", "good", "--fail-on", "never").stdout
        assert f"linear baseline {linear:.3f}" in said
        assert ("B ships a model that is 🔴 not above the linear baseline" in said) == bool(marks)
        assert ("| beside the linear baseline | – | 🔴 NOT ABOVE |" in said) == bool(marks)


@pytest.mark.slow
def test_files_that_are_not_what_they_should_be_leave_the_rest_of_the_page(project: Planted) -> None:
    project.write(
        f"data/{RUN}/benchmark/timings.json", '{"hardware": [], "load": 3, "final": "fast", "gates": []}'
    )
    project.write(
        f"data/{RUN}/benchmark/metrics.json",
        '{"measured": [], "teacher": {"parameters": "many"}, "gates": {"size": 4}}',
    )
    (project.root / PREDICTIONS).chmod(0o755)
    (project.root / PREDICTIONS / "predictions.parquet").unlink()
    project.write(f"{PREDICTIONS}/predictions.parquet", "no table")
    done = project.diff("--a", "good", "--fail-on", "never")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is no table of answers" in done.stdout


@pytest.mark.slow
def test_a_spread_of_seeds_widens_the_interval_and_is_told(project: Planted) -> None:
    alone = project.told("--a", "good", "--b", "workspace", status=3)["quality"]
    project.write(f"data/{RUN}/retrain/spread.json", {"seeds": 3, "deviation": 0.1, "categories": {}})
    spread = project.told("--a", "good", "--b", "workspace", status=3)
    assert spread["quality"]["difference"]["visible"] > 2 * alone["difference"]["visible"]
    assert (spread["verdict"], spread["marks"][0]) == ("not enough data", "class")
    said = project.diff("--a", "good", "--fail-on", "never").stdout
    assert "from 3 seeds of this run" in said


@pytest.mark.slow
def test_unlike_machines_are_told(project: Planted) -> None:
    project.params(cpu="another chip")
    project.commit("timed elsewhere")
    (warning,) = project.told("--a", "worse", "--b", "HEAD", status=3)["warnings"]
    assert "cpu: a chip and another chip" in warning
    assert "milliseconds cannot" in warning


@pytest.mark.slow
def test_a_margin_in_params_decides_what_does_not_matter(project: Planted) -> None:
    params = json.loads((project.root / "params.yaml").read_text())
    project.write("params.yaml", {**params, "retrain": {RUN: {"margin": 0.5}}})
    call(project.root, "git", "commit", "--quiet", "--all", "--message", "a wide margin")
    told = project.told("--a", "good", "--b", "HEAD", "--fail-on", "worse")
    assert (told["verdict"], told["quality"]["margin"]) == ("no difference", 0.5)


@pytest.mark.slow
def test_stages_that_were_not_run_again_are_told_and_end_with_a_status_of_their_own(project: Planted) -> None:
    """Code changed, raw rows dropped and added, params and command changed: each committed without a run."""
    project.git("checkout", "--quiet", "-b", "again", "good")
    project.write("plant.py", (project.root / "plant.py").read_text() + "# another way\n")
    project.commit("other code", run=False)
    done = project.diff("--a", "good", "--b", "HEAD")
    assert (done.returncode, done.stderr) == (4, f"{RUN}: stale\n")
    assert "not run again" in done.stdout
    assert "Nothing differs" not in done.stdout
    project.dvc("checkout", "--quiet")
    project.put(project.rows()[:-40])
    project.params(bytes=900)
    project.write(
        "dvc.yaml", (project.root / "dvc.yaml").read_text().replace("benchmark ${key}", "benchmark  ${key}")
    )
    project.commit("fewer rows", run=False)
    told = project.told("--a", "good", "--b", "HEAD", status=4)
    assert told["stale"] == {
        "a": {},
        "b": {"ingest": ["plant.py", f"data/raw/{RUN}"], "benchmark": ["its command", "plant.py"]},
    }
    assert told["behind"]["b"][-1] == f"benchmark was last run with other params (runs.{RUN}.benchmark)"
    assert told["marks"] == ["stale"]


@pytest.mark.slow
def test_raw_data_that_were_changed_and_not_added_are_told(project: Planted) -> None:
    project.write(f"data/raw/{RUN}/rows.json", project.rows()[:-1])
    assert project.told("--a", "worse", "--fail-on", "stale", status=4)["stale"]["b"] == {
        "ingest": [f"data/raw/{RUN}"]
    }


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_files_of_a_revision_that_cannot_be_read_are_told_and_hang_nothing(project: Planted) -> None:
    good = {name: (project.root / name).read_text() for name in ("params.yaml", "dvc.lock")}
    for name, text, said in (
        ("params.yaml", BOMB, "params.yaml: holds more than 100,000 values"),
        (
            "dvc.lock",
            "<<<<<<< HEAD\na: 1\n=======\nb: 2\n>>>>>>> x\n",
            "dvc.lock: line 1 is a conflict marker of git",
        ),
        ("dvc.lock", "schema: '2.0'\nstages: []\n", "dvc.lock: is not what DVC writes"),
        ("params.yaml", "runs: [", "params.yaml: is not readable as YAML"),
    ):
        project.write(name, text)
        project.commit("odd", run=False)
        project.write(name, good[name])
        done = project.diff("--a", "HEAD", "--b", "good")
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), (
            done.stderr
        )
    project.write("params.yaml", BOMB)
    done = project.diff("--a", "good")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_file_that_dvc_reads_hangs_nothing_wherever_it_lies(project: Planted) -> None:
    project.write("notes/odd.dvc", BOMB)
    project.git("add", "notes/odd.dvc")
    done = project.diff("--a", "good")
    assert (done.returncode, "notes/odd.dvc: holds more than 100,000 values" in done.stderr) == (2, True), (
        done.stderr
    )
