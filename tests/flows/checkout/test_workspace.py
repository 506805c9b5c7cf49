"""One flow at a time in a checkout, and the mending of what a killed one left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from flows.checkout import workspace
from flows.pipeline.graph import Graph
from tasks.core.errors import ParamsError, PassingError
from tests import disks
from tests.flows.toy import REPOSITORY, Toy
from tests.waiting import LONGER_THAN_ANY_WAIT, PATIENCE_SECONDS

HOLDER = """
import sys, time
from pathlib import Path
from flows.checkout import workspace
with workspace.hold(Path(sys.argv[1])) as held:
    held.sign("run-of-another")
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def another_holds(toy: Toy, seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(toy.root), str(seconds)]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_workspace_that_another_holds_is_refused_with_its_name(toy: Toy) -> None:
    with (
        another_holds(toy, LONGER_THAN_ANY_WAIT) as other,
        pytest.raises(PassingError) as error,
        workspace.hold(toy.root),
    ):
        pass
    assert f"pid {other.pid}, flow run run-of-another" in str(error.value)
    assert error.value.exit_code == 75


def test_waiting_gets_the_workspace_when_it_is_free(toy: Toy) -> None:
    with another_holds(toy, 1), workspace.hold(toy.root, wait=PATIENCE_SECONDS) as held:
        assert held.mended == ()


def test_waiting_ends(toy: Toy) -> None:
    started = time.monotonic()
    with (
        another_holds(toy, LONGER_THAN_ANY_WAIT),
        pytest.raises(PassingError),
        workspace.hold(toy.root, wait=0.5),
    ):
        pass
    assert time.monotonic() - started >= 0.5


def test_holder_may_hold_again_and_frees_at_the_end_only(toy: Toy) -> None:
    with workspace.hold(toy.root) as first:
        with workspace.hold(toy.root) as second:
            assert second is first
        assert json.loads((toy.root / ".dvc/tmp/workspace.lock").read_text())["pid"] == os.getpid()
    assert (toy.root / ".dvc/tmp/workspace.lock").read_text() == ""


def test_holder_that_was_killed_is_told_with_its_flow_run(toy: Toy) -> None:
    with another_holds(toy, LONGER_THAN_ANY_WAIT) as other:
        other.kill()
    with workspace.hold(toy.root) as held:
        assert held.mended == (f"the run before this one was killed (pid {other.pid})",)
        assert held.died == "run-of-another"
    with workspace.hold(toy.root) as held:
        assert (held.mended, held.died) == ((), None)


def test_folder_that_is_no_project_is_a_users_fault(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"run this where dvc\.yaml is"), workspace.hold(tmp_path):
        pass


@pytest.mark.parametrize("torn", ["", "{", '{"write": {"a": ', "[]", '{"write": {"data": "no holder"}}'])
def test_torn_rwlock_is_removed(toy: Toy, torn: str) -> None:
    toy.write(".dvc/tmp/rwlock", torn)
    with workspace.hold(toy.root) as held:
        assert held.mended == ("removed .dvc/tmp/rwlock, which was torn",)
    assert Graph().why("prune@a") == ""


def test_rwlock_entries_of_dead_processes_go_and_those_of_the_living_stay(toy: Toy) -> None:
    me = psutil.Process()
    living = {"pid": me.pid, "cmd": " ".join(["dvc", *me.cmdline()[1:]])}
    dead = {"pid": dead_pid(), "cmd": "dvc repro"}
    another_of_that_number = {"pid": me.pid, "cmd": "dvc repro --single-item prune@a"}
    rwlock = {
        "write": {"/x": dead, "/y": living},
        "read": {"/z": [dead, another_of_that_number, living], "/w": [dead]},
    }
    toy.write(".dvc/tmp/rwlock", json.dumps(rwlock))
    with workspace.hold(toy.root) as held:
        assert held.mended == ("dropped the entries of dead processes from .dvc/tmp/rwlock",)
    assert json.loads((toy.root / ".dvc/tmp/rwlock").read_text()) == {
        "write": {"/y": living},
        "read": {"/z": [living]},
    }


@pytest.mark.parametrize("share", [0.0, 0.33, 0.5])
def test_torn_dvc_lock_is_moved_aside_and_dvc_works_again(toy: Toy, share: float) -> None:
    whole = (toy.root / "dvc.lock").read_text()
    torn = whole[: int(len(whole) * share)]
    toy.write("dvc.lock", torn)
    with workspace.hold(toy.root) as held:
        assert [mended.split(",")[0] for mended in held.mended] in ([], ["moved dvc.lock"])
        if held.mended:
            assert (toy.root / "dvc.lock.bad").read_text() == torn
    toy.dvc("repro", "--quiet")
    assert (toy.root / "dvc.lock").read_text() == whole
    assert toy.ran() == []


def test_whole_files_are_left_alone(toy: Toy) -> None:
    before = (toy.root / "dvc.lock").read_text()
    with workspace.hold(toy.root) as held:
        assert held.mended == ()
    assert (toy.root / "dvc.lock").read_text() == before
    assert not (toy.root / "dvc.lock.bad").exists()


def test_flow_in_a_checkout_that_cannot_be_written_says_so(toy: Toy) -> None:
    with disks.mounted(toy.root / ".dvc" / "tmp", "ro"):
        done = subprocess.run(
            [sys.executable, "-m", "flows.compress"],
            cwd=toy.root,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2, done.stderr
    assert "read-only file system; the checkout must be writable" in done.stderr
    assert "Traceback" not in done.stderr
