"""The workflow for pull requests.

Least permissions, nothing of a fork gets a secret, the same steps as here; and the script it runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / ".github" / "workflows" / "ci.yml"
TEXT = FILE.read_text(encoding="utf-8")
FLOW: dict[str, Any] = YAML(typ="safe").load(TEXT)
JOBS = FLOW["jobs"]


def test_only_reading_is_allowed_but_where_comments_and_pictures_are_written() -> None:
    assert FLOW["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in JOBS.items()} == {
        "review": None,
        "pictures": {"contents": "write"},
        "comment": {"pull-requests": "write"},
    }
    assert "pull_request_target" not in TEXT


def test_jobs_that_may_write_run_no_code_of_the_change_and_not_for_forks() -> None:
    for name in ("pictures", "comment"):
        used = [step["uses"] for step in JOBS[name]["steps"] if "uses" in step]
        assert [action.partition("@")[0] for action in used] == ["actions/download-artifact"]
        assert "head.repo.full_name == github.repository" in JOBS[name]["if"]
        assert all(".ci/" not in step.get("run", "") for step in JOBS[name]["steps"])


def test_what_outsiders_write_is_never_part_of_a_command() -> None:
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    assert len(commands) == 5
    assert not [command for command in commands if "${{" in command]


def test_actions_are_githubs_own_by_commit_and_pip_is_cached() -> None:
    """A tag can be moved to other code; a commit cannot."""
    used = re.findall(r"uses: (.+)", TEXT)
    assert len(used) == 5
    assert [
        action
        for action in used
        if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    ] == []
    (python,) = [step for step in JOBS["review"]["steps"] if "setup-python" in step.get("uses", "")]
    assert python["with"]["cache"] == "pip"


def test_only_the_review_gets_the_keys_of_the_store() -> None:
    told = {
        step["name"]: step.get("env", {})
        for step in JOBS["review"]["steps"]
        if ".ci/review" in step.get("run", "")
    }
    assert [env["STEPS"] for env in told.values()] == ["check test test-all", "diff"]
    assert ["secrets." in str(env) for env in told.values()] == [False, True]
    assert not [job for job in JOBS.values() if "secrets." in str(job.get("env", {}))]


def test_the_workflow_runs_the_script_that_runs_here_and_it_tells_which_step_was_not_well(
    tmp_path: Path,
) -> None:
    assert any(step.get("run", "").startswith(".ci/review") for step in JOBS["review"]["steps"])
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "review"
    script.write_text((ROOT / ".ci" / "review").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "Makefile").write_text(
        "check:\n\t@echo checked\ntest:\n\t@exit 3\ntest-all:\n\t@echo tested\n"
        "diff:\n\t@echo from $(A) to $(B) in $(OUT) on $(FAIL_ON)\n"
    )

    def run(**given: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(script), "HEAD^1", "work"]
        return subprocess.run(
            command, env={**os.environ, **given}, capture_output=True, text=True, check=False
        )

    done = run()
    assert done.returncode == 1
    assert (
        done.stdout.index("checked")
        < done.stdout.index("from HEAD^1 to work in review")
        < done.stdout.index("not well: test")
    )
    well = run(STEPS="check diff", FAIL_ON="worse stale")
    assert "in review on worse stale" in well.stdout
    assert (well.returncode, "all is well" in well.stdout) == (0, True)


def test_make_diff_passes_on_what_it_is_given() -> None:
    command = ["make", "--dry-run", f"PYTHON={sys.executable}", "diff", "A=good one", "RUN=bbc"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--a 'good one'" in said
    assert "--run 'bbc'" in said
    assert "--b" not in said
    assert "--fail-on" not in said
    said = subprocess.run(
        [*command, "FAIL_ON=worse stale"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "--fail-on 'worse' 'stale'" in said


def test_only_a_fork_which_has_no_key_to_the_artifacts_may_leave_a_model_unjudged() -> None:
    (step,) = [step for step in JOBS["review"]["steps"] if step.get("run", "").startswith(".ci/review ")]
    asked = step["env"]["FAIL_ON"]
    assert "(env.OURS == 'true' || github.event_name == 'push') && 'worse gates stale unjudged'" in asked
    assert asked.endswith("|| 'worse gates stale' }}")
