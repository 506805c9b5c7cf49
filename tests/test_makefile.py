"""What is given to make reaches our commands as one word, whatever is in it."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = 'it\'s; touch owned & $HOME `id` "x" > y'
GIVEN = {
    "repro": ["RUN"],
    "search": ["RUN"],
    "add": ["RUN", "SOURCE", "CHECKPOINT"],
    "flow": ["RUN"],
    "ui": ["PORT", "GPUS"],
    "worker": ["POOL"],
    "retrain": ["RUN"],
    "rollback": ["RUN", "TO"],
    "gate": ["RUN"],
    "diff": ["RUN", "A", "B", "OUT", "PICTURES"],
    "peers": ["RUN", "SPLIT", "OUT"],
}


@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names in GIVEN.items() for name in names])
def test_value_is_one_word_of_the_shell(target: str, name: str) -> None:
    value = HOSTILE.replace("$", "$$")  # make's own sign
    done = subprocess.run(["make", "--dry-run", target, f"{name}={value}"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.replace("\\\n", " ").splitlines() if "touch owned" in line]
    assert lines
    for line in lines:
        assert any(word.removesuffix(";").endswith(HOSTILE) for word in shlex.split(line)), line
        assert "touch" not in shlex.split(line), line
