"""What is given to make reaches our commands as one word, whatever is in it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = 'it\'s; touch owned & $HOME $(HOME) $$ `id` "x" > y'
GIVEN = {
    "repro": ["RUN"],
    "search": ["RUN"],
    "add": ["RUN", "SOURCE", "CHECKPOINT"],
    "flow": ["RUN"],
    "ui": ["PORT", "GPUS"],
    "worker": ["POOL"],
    "retrain": ["RUN"],
    "rollback": ["RUN", "TO", "WHY"],
    "gate": ["RUN"],
    "diff": ["RUN", "A", "B", "OUT", "PICTURES"],
    "peers": ["RUN", "SPLIT", "OUT"],
}


@pytest.mark.parametrize(
    ("target", "name"), [(target, name) for target, names in GIVEN.items() for name in names]
)
def test_value_is_one_word_of_the_shell(target: str, name: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target, f"{name}={HOSTILE}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.replace("\\\n", " ").splitlines() if "touch owned" in line]
    assert lines
    for line in lines:
        assert any(word.removesuffix(";").endswith(HOSTILE) for word in shlex.split(line)), line
        assert "touch" not in shlex.split(line), line


@pytest.mark.parametrize(
    "value", ["$(shell touch {})", "$(eval $(shell touch {}))", "x\n+touch {}", "x\ny'\n+touch {} '"]
)
@pytest.mark.parametrize("by_environment", [False, True])
def test_make_itself_runs_nothing_of_a_value(value: str, by_environment: bool, tmp_path: Path) -> None:
    """Even a dry run would run these: make expands values, and runs recipe lines that begin with a plus."""
    owned = tmp_path / "owned"
    given = value.format(owned)
    command = (
        ["make", "--dry-run", "gate"] if by_environment else ["make", "--dry-run", "gate", f"RUN={given}"]
    )
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "RUN": given}, capture_output=True, text=True, check=False
    )
    assert not owned.exists()
    assert "slipway gate" in done.stdout, done.stderr
