"""The program `slipway`: its help, which project it works in, completion, and JSON for programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.__main__ import PROGRAM
from tasks.launch.command import Command, Deferred, Group

ROOT = Path(__file__).resolve().parents[2]
SLIPWAY = Path(sys.executable).with_name("slipway")


def slipway(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SLIPWAY, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def all_commands(group: Group = PROGRAM) -> list[Command]:
    found: list[Command] = []
    for one in group.commands.values():
        entry = one.load() if isinstance(one, Deferred) else one
        found += all_commands(entry) if isinstance(entry, Group) else [entry]
    return found


def test_help_fits_a_screen_and_imports_no_command() -> None:
    done = slipway(ROOT, "--help")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    code = "import sys, flows.__main__; print({'prefect', 'dvc', 'torch'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_every_command_is_named_as_it_is_typed_and_says_what_it_does() -> None:
    commands = all_commands()
    assert len(commands) > 15
    assert [one.program for one in commands if not one.program.startswith("slipway ")] == []
    assert [one.program for one in commands if len((one.about or "").split()) < 3] == []


def test_outside_a_project_it_says_so(tmp_path: Path) -> None:
    done = slipway(tmp_path, "report")
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"slipway: there is no project in {tmp_path}; run it in the top folder of one"
    )


def test_in_another_checkout_its_own_code_runs(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__main__.py").write_text("import sys\nprint('the other one', sys.argv[1:])\n")
    done = slipway(tmp_path, "report", "a b")
    assert (done.returncode, done.stdout) == (0, "the other one ['report', 'a b']\n")


def test_report_and_gate_speak_json_too() -> None:
    figures = json.loads(slipway(ROOT, "report", "bbc", "--json").stdout)["bbc"]
    final = figures["variants"]["final"]
    assert figures["headline"] == "macro_f1"
    assert {"macro_f1", "macro_f1_low", "speedup", "bytes", "size_ratio"} <= final.keys()
    gate = slipway(ROOT, "gate", "bbc", "--json")
    told = json.loads(gate.stdout)
    assert told["passed"] == (gate.returncode == 0)
    assert {"quality", "size", "speed"} <= told["gates"].keys()


def test_a_run_that_is_not_there_is_one_message() -> None:
    done = slipway(ROOT, "report", "bcc")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "params.yaml: there is no run `bcc`; did you mean `bbc`?\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_commands_options_and_runs(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(slipway(ROOT, "completion", "bash").stdout, encoding="utf-8")
    ask = (
        f'source "{script}"; asked() {{ COMP_WORDS=(slipway "$@"); COMP_CWORD=$#; COMPREPLY=(); '
        '_shtab_slipway; echo "${COMPREPLY[@]}"; }; '
        "asked repo; asked report --j; asked report b; asked retrain roll"
    )
    done = subprocess.run(
        ["bash", "-c", ask], cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["report", "--json", "bbc", "rollback"]
