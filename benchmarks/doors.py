"""What the second door costs beside plain `dvc repro`, in seconds and side by side.

    python -m benchmarks.doors [--rounds 5]

In a scratch project of seven stages whose commands do nothing, against a running server: all cached (the flow
alone by the server's clock, and the whole process), all seven forced, and a night of retraining with nothing
new. Then all cached with a server of the command's own, the first time and later. The two doors take turns
within a round. Prints medians and the range over the rounds; the machine's load stands beside them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.launch.command import Command
from tests import smoke
from tests.flows.retraining.conftest import POLICY
from tests.flows.station import Station

STAGES = 7
GRAPH = """\
stages:
{stages}"""
STAGE = """\
  s{number}:
    foreach: ${{runs}}
    do:
      cmd: python -S -c "import sys; open(sys.argv[1], 'w').write('{number}')" data/${{key}}/s{number}
      deps: ["{source}"]
      params: ["runs.${{key}}.s{number}"]
      outs: ["data/${{key}}/s{number}"]
"""
PARAMS = "runs:\n  a: {{{values}}}\nretrain:\n  a:\n{policy}"


def project(folder: Path) -> Path:
    """Seven stages, each reading the one before, all made."""
    root = folder / "project"
    (root / "data" / "a").mkdir(parents=True)
    sources = ["flows-source", *(f"data/${{key}}/s{number}" for number in range(1, STAGES))]
    stages = "".join(STAGE.format(number=number, source=source) for number, source in enumerate(sources, 1))
    (root / "dvc.yaml").write_text(GRAPH.format(stages=stages), encoding="utf-8")
    values, policy = ", ".join(f"s{n}: 1" for n in range(1, STAGES + 1)), textwrap.indent(POLICY, " " * 4)
    (root / "params.yaml").write_text(PARAMS.format(values=values, policy=policy), encoding="utf-8")
    (root / "flows-source").write_text("raw\n", encoding="utf-8")
    for name in ("flows", "prefect.yaml"):
        (root / name).symlink_to(smoke.REPOSITORY / name)
    smoke.call(root, "git", "init", "--quiet")
    smoke.call(root, "dvc", "init", "--quiet")
    smoke.commit(root, "a scratch project")
    smoke.call(root, "dvc", "repro", "--quiet")
    return root


def timed(root: Path, env: dict[str, str], *command: str) -> float:
    began = time.monotonic()
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


def of_the_last_run(station: Station) -> float:
    """Seconds from its beginning to its end by the server's clock."""
    (last,) = station.post(
        "/flow_runs/filter",
        {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "sort": "END_TIME_DESC", "limit": 1},
    )
    return float(last["total_run_time"])


def told(name: str, seconds: Sequence[float]) -> None:
    print(
        f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f} to {max(seconds):.1f} |",
        flush=True,
    )


def rounds(count: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Each measure once per round, in turn."""
    taken = [[measure() for measure in measures] for _ in range(count)]
    return [list(column) for column in zip(*taken, strict=True)]


def against_running_server(root: Path, env: dict[str, str], count: int) -> None:
    station = Station(root, env)
    flow = [sys.executable, "-m", "flows.compress"]
    with station.open():
        env = {**station.env, "PREFECT_API_URL": station.url}
        timed(root, env, *flow)
        flows: list[float] = []

        def cached() -> float:
            whole = timed(root, env, *flow)
            flows.append(of_the_last_run(station))
            return whole

        plain, whole = rounds(count, lambda: timed(root, env, "dvc", "repro"), cached)
        told("`dvc repro`, nothing to do", plain)
        told("flow, all cached, by the server's clock", flows)
        told("flow, all cached, whole process", whole)
        forced = [*flow, "--force", *(f"s{number}" for number in range(1, STAGES + 1))]
        inner: list[float] = []

        def run() -> float:
            timed(root, env, *forced)
            inner.append(of_the_last_run(station))
            return inner[-1]

        plain, through = rounds(count, lambda: timed(root, env, "dvc", "repro", "--force"), run)
        told("`dvc repro --force`, 7 stages", plain)
        told("flow, 7 stages forced, by the server's clock", through)
        night = [sys.executable, "-m", "flows.retrain", "night", "a"]
        told("night with nothing new, whole process", [timed(root, env, *night) for _ in range(count)])
        told(
            "per executed stage, over `dvc repro`",
            [(b - a) / STAGES for a, b in zip(plain, through, strict=True)],
        )


def with_own_server(root: Path, env: dict[str, str], count: int) -> None:
    first = []
    for _ in range(2):
        shutil.rmtree(root / ".prefect", ignore_errors=True)
        first.append(timed(root, env, sys.executable, "-m", "flows.compress"))
    told("own server, the first time, whole process", first)
    told(
        "own server, later, whole process",
        [timed(root, env, sys.executable, "-m", "flows.compress") for _ in range(count)],
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)


def _run(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="slipway-doors-") as folder:
        root = project(Path(folder).resolve())
        env = smoke.environment(root) | {"PYTHONPATH": str(smoke.REPOSITORY)}
        print(
            f"load at the beginning {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {given.rounds} rounds\n"
        )
        print("| what | median, s | range, s |\n| --- | ---: | ---: |")
        against_running_server(root, env, given.rounds)
        with_own_server(root, env, given.rounds)
        print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    return 0


COMMAND = Command("python -m benchmarks.doors", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
