"""Takes a pretrained model to a small, fast one that is ready to ship, on your data.

    slipway new support messages.csv     look at data, and write a run for them into params.yaml
    slipway run support                  make it, measure it, and print the figures
    slipway predict support "Where is my refund?"

`slipway COMMAND --help` tells about one command. Exit status: 0 done, 1 a bug or a gate not
passed, 2 a user's fault, 75 a passing one, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tasks.launch import environment
from tasks.launch.command import Deferred, Group

PROGRAM = Group(
    "slipway",
    __doc__,
    {
        "new": Deferred("look at data, and write a run for them into params.yaml", "flows.new"),
        "prelabel": Deferred("label texts by what is said of each label", "flows.prelabel"),
        "add": Deferred("add a ready run of recipes/ with its data", "flows.raw_data.recipes", "ADD"),
        "recipes": Deferred("list the ready runs", "flows.raw_data.recipes"),
        "data": Deferred("bring raw data in, version them, restore them", "flows.raw_data.data"),
        "check": Deferred("tell every fault of params.yaml", "tasks.launch.checking"),
        "run": Deferred("make a run, measure it, and print its figures", "flows.run"),
        "report": Deferred("print the figures of the last benchmark", "tasks.launch.results", "REPORT"),
        "predict": Deferred("ask the shipped model", "tasks.launch.results", "PREDICT"),
        "export": Deferred("write the student as GGUF", "tasks.launch.exporting", "EXPORT"),
        "gate": Deferred("exit 0 if the last benchmark passed its gates", "tasks.launch.results", "GATE"),
        "search": Deferred("search the best student under a budget", "flows.search"),
        "review": Deferred("compare two revisions of the project", "flows.review"),
        "retrain": Deferred("train on what arrived; promote what is better; roll back", "flows.retrain"),
        "card": Deferred("print the model card of a run", "flows.retraining.record.card"),
        "flow": Deferred("make runs as a Prefect flow", "flows.compress"),
        "ui": Deferred("serve the Prefect UI with workers on this machine", "flows.server.ui"),
        "worker": Deferred("take runs from a Prefect server", "flows.server.worker"),
        "notify": Deferred("call a webhook when a run fails", "flows.server.notify"),
        "completion": Deferred("print the completion script of a shell", "flows.completion"),
    },
)


HERE = Path(__file__)
OWN = Path("flows", HERE.name)
"""Of a project, in its top folder."""


def main() -> int:
    """What the command `slipway` does; the exit status.

    The code that runs is that of the project in the current folder, whose environment may be another's.
    """
    if not OWN.is_file():
        print(
            f"slipway: there is no project in {Path.cwd()}; run it in the top folder of one, where "
            "params.yaml and dvc.yaml are",
            file=sys.stderr,
        )
        return 2
    if not OWN.samefile(HERE):
        os.execv(sys.executable, [sys.executable, "-m", "flows", *sys.argv[1:]])  # noqa: S606
    environment.apply()
    return PROGRAM.main()


if __name__ == "__main__":
    sys.exit(main())
