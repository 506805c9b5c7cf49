"""The one way a stage is run, by both doors:  python -m tasks prune bbc

    python -m tasks --list              the graph
    python -m tasks STAGE RUN           run one stage whose inputs are there (`slipway run RUN` runs all)
    python -m tasks check [RUN]         as `slipway check`; likewise predict, gate and summary (report)

Exit status: 0 done, 1 a bug or a gate not passed, 2 a user's fault, 75 a passing one. Where
SLIPWAY_FAULT_FILE names a file, a fault is also written there as JSON, because DVC hides the status.
"""

from __future__ import annotations

from tasks.kinds.base.kind import known_kinds

from tasks.launch import parent  # isort: skip  (before what takes time to import)

import argparse
import sys
from pathlib import Path

from tasks.core import params, stages
from tasks.core.errors import ParamsError
from tasks.launch import checking, environment, faults, results
from tasks.launch.command import Command

ASKING = {
    "check": checking.check,
    "predict": results.predict,
    "summary": results.report,
    "gate": results.gate,
}
FOR_ALL = ("check", "summary")
LIST = "--list"


def main(arguments: list[str]) -> int:
    environment.apply()
    return COMMAND.main(arguments)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(LIST, action="store_true", help="print the graph and stop")
    parser.add_argument("command", nargs="?", choices=[*stages.load_all(), *ASKING], metavar="COMMAND")
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run of params.yaml")
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="what to predict")


def _run(given: argparse.Namespace) -> int:
    if given.list or given.command is None:
        _print_graph()
        return 0
    if given.run is None and given.command not in FOR_ALL:
        runs = params.read(Path.cwd() / "params.yaml")
        raise ParamsError(f"python -m tasks {given.command}", f"name a run: {', '.join(runs)}")
    return ASKING.get(given.command, _run_stage)(given)


def _run_stage(given: argparse.Namespace) -> int:
    from tasks.launch import foresight, runner

    root, models = Path.cwd(), {name: stage.Params for name, stage in stages.load_all().items()}
    run = params.check(params.read(root / "params.yaml"), models, known_kinds(), only=given.run)[given.run]
    parent.die_with_it()
    foresight.check(given.command, given.run, run, root)
    runner.run_stage(given.command, given.run, run[given.command], root)
    return 0


def _print_graph() -> None:
    for name, stage in stages.load_all().items():
        summary = (sys.modules[f"tasks.{name}.stage"].__doc__ or "").split("\n\n")[0].replace("\n", " ")
        reads = ", ".join(sorted(stages.artifacts(stage).values()))
        print(f"{name:<10} reads {reads:<70} {summary}")


COMMAND = Command("python -m tasks", __doc__, _run, _arguments, faults.translate, faults.tell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
