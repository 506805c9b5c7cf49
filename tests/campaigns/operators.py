"""Kills what is behind a deployed run at random moments, and looks whether the next run mends all.

    python -m tests.campaigns.operators kills --times 50 [--run smoke] [--seed 0] [--only 1/2]
    python -m tests.campaigns.operators twice --times 20 [--run smoke] [--seed 0]

`kills` kills in turn the stage, the flow's process, the worker, the server, and all at once with `make ui`
itself, then asks for another run; `twice` starts two flows at the same moment, of which the second waits or
fails, as asked in turn. Both work in a scratch project with a real server and workers (the smoke project, or
for another run a clone of this repository's last commit) and print a table in Markdown; exit status 1 if a
trial did not end with the bytes of the unbroken run. `--only 1/2` takes every other trial, so that two
commands can share the work.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tasks.core import stages
from tests import smoke
from tests.campaigns import kills
from tests.campaigns.scene import PATIENCE_SECONDS, Scene, corrupt
from tests.waiting import until

VICTIMS = ("stage", "flow", "worker", "server", "all")
KILLS = ("stage", "victim", "after s", "killed", "the run ended", "recovery s", "faults")
TWICE = ("stage", "the second was to", "ended", "made it", "most at work", "seconds", "faults")
BEGIN_SECONDS = 8.0
"""From asking for a run to its first stage, about."""


def kill(scene: Scene, stage: str, victim: str, share: float) -> tuple[list[str], bool]:
    """One kill, `share` of the stage's time after it began, or of the run's after the flow began or was asked
    for; then a second run.
    """
    kills.forget(scene.project, stage)
    first = scene.start()
    if victim in ("stage", "flow"):
        until(lambda: scene.processes(victim, stage) or scene.is_over(first), PATIENCE_SECONDS)
    after = share * (scene.project.seconds[stage] + (0.0 if victim == "stage" else BEGIN_SECONDS))
    time.sleep(after)
    killed = scene.kill(victim, stage)
    began = time.monotonic()
    if victim == "all":
        scene.open()
    second = scene.ended(scene.start())
    recovery, ended = time.monotonic() - began, scene.ended(first)
    faults = scene.faults() + (
        [] if second["state_type"] == "COMPLETED" else [f"the second run: {second['state']['message']}"[:300]]
    )
    cells = [
        stage,
        victim,
        f"{after:.1f}",
        f"{killed} processes",
        ended["state_name"],
        f"{recovery:.0f}",
        "; ".join(faults) or "-",
    ]
    return cells, not faults


def twice(scene: Scene, stage: str, waits: bool) -> tuple[list[str], bool]:
    """Two flows by hand at the same moment.

    One makes the stage; the other finds it made, or is told at once that it is not alone.
    """
    kills.forget(scene.project, stage)
    began, command = (
        time.monotonic(),
        [sys.executable, "-m", "flows.compress", scene.run, "--wait", "600" if waits else "0"],
    )
    logs = [scene.root.parent / f"{name}.log" for name in ("first", "second")]
    running = []
    for log in logs:
        with log.open("w") as output:
            running.append(
                subprocess.Popen(
                    command, cwd=scene.root, env=scene.station.env, stdout=output, stderr=subprocess.STDOUT
                )
            )
    most = 0
    while any(process.poll() is None for process in running):
        most = max(most, len(scene.processes("stage", stage)))
        time.sleep(0.05)
    seconds, codes = time.monotonic() - began, sorted(process.returncode for process in running)
    said = [log.read_text(encoding="utf-8") for log in logs]
    made = sum(f"{stage}@{scene.run}" in text and " Completed " in text for text in map(_last_lines, said))
    faults = scene.faults()
    faults += [] if codes == ([0, 0] if waits else [0, 75]) else [f"exit statuses {codes}"]
    faults += [] if made == 1 and most <= 1 else [f"{made} made it, {most} at work at once"]
    faults += (
        []
        if waits or any("another flow or command is at work here" in text for text in said)
        else ["no clear message"]
    )
    cells = [
        stage,
        "wait" if waits else "fail",
        str(codes),
        str(made),
        str(most),
        f"{seconds:.0f}",
        "; ".join(faults) or "-",
    ]
    return cells, not faults


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-len(stages.load_all()) - 2 :])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.operators",
        description=__doc__.partition("\n")[0] if __doc__ else None,
    )
    parser.add_argument("what", choices=["kills", "twice"])
    parser.add_argument("--times", type=int, default=50, help="trials (default: 50)")
    parser.add_argument("--run", default=smoke.RUN, help="smoke, or a run of the committed params.yaml")
    parser.add_argument("--seed", type=int, default=0, help="of the random stages and moments")
    parser.add_argument("--only", default="1/1", help="1/2: the first, third, fifth … trial")
    given = parser.parse_args(arguments)
    part, parts = map(int, given.only.split("/"))
    bad, done = 0, range(part - 1, given.times, parts)
    with tempfile.TemporaryDirectory(prefix="slipway-operators-") as folder:
        scene = Scene(Path(folder).resolve(), given.run)
        print(
            "stages alone, seconds: "
            f"{ ({name: round(seconds, 1) for name, seconds in scene.project.seconds.items()}) }\n"
        )
        head = ("no.", *(KILLS if given.what == "kills" else TWICE))
        print("\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head))), flush=True)
        with scene.opened():
            for number in done:
                chance = random.Random(f"{given.seed} {number}")
                stage = chance.choice(list(stages.load_all()))
                if given.what == "kills":
                    cells, good = kill(scene, stage, VICTIMS[number % len(VICTIMS)], chance.random())
                else:
                    cells, good = twice(scene, stage, waits=number % 2 == 0)
                bad += not good
                print(f"| {number + 1} | {' | '.join(cells)} |", flush=True)
        again = smoke.attempt(scene.root, "dvc", "repro", f"benchmark@{scene.run}").stdout.count(
            "Running stage"
        )
        print(
            f"\n{bad} of {len(done)} failed; {len(corrupt(scene.root))} corrupt objects; `dvc repro` "
            f"afterwards ran {again} stages"
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
