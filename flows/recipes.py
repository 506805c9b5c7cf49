"""Ready runs: `python -m flows.recipes add NAME` puts recipes/NAME.yaml into params.yaml as the run NAME and brings its data in.

A recipe names where its data come from (`source`), about how long it takes (`minutes`), and the run as it is to stand in params.yaml
(`run`), whose lines are taken as they are, comments and all.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows import data
from tasks.shared import params, stages
from tasks.shared.errors import ParamsError, did_you_mean


def names(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "recipes").glob("*.yaml"))


def add(root: Path, name: str) -> list[str]:
    """Adds the run and its data; what was there already stays as it is. Returns what was done, a line each.

    Raises:
        ParamsError: there is no such recipe, params.yaml has another run of that name, or it would not be in order.
        DataError: the data cannot be had.
    """
    if name not in names(root):
        raise ParamsError(
            f"recipe {name}", f"there is none of that name{did_you_mean(name, names(root))}; recipes: {', '.join(names(root))}"
        )
    text = (root / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    recipe = YAML(typ="safe").load(text)
    before = (root / "params.yaml").read_text(encoding="utf-8")
    runs = params.read(root / "params.yaml")
    if name in runs and runs[name] != recipe["run"]:
        raise ParamsError("params.yaml", f"has a run `{name}` already, with other values; take it out, or go on with it as it is")
    if name in runs:
        return [data.add(root, name, recipe["source"])]
    with tempfile.TemporaryDirectory(dir=root, prefix=".params-") as folder:
        new = Path(folder) / "params.yaml"
        new.write_text(before.rstrip("\n") + "\n\n" + _section(name, text), encoding="utf-8")
        _check(new)
        said = data.add(root, name, recipe["source"])
        new.replace(root / "params.yaml")
    return [said, f"params.yaml: run `{name}` added; about {recipe['minutes']} minutes on 2 cores: dvc repro benchmark@{name}"]


def _section(name: str, text: str) -> str:
    """The lines below `run:` and the comment at the top, as they stand in params.yaml."""
    comment = [line for line in text.splitlines() if line.startswith("#")]
    run = text.split("\nrun:\n", 1)[1].splitlines()
    return "\n".join(f"  {line}".rstrip() for line in [*comment, f"{name}:", *run]) + "\n"


def _check(file: Path) -> None:
    models: dict[str, Any] = {stage: module.Params for stage, module in stages.load_all().items()}
    params.check(params.read(file), models, stages.kinds())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m flows.recipes", description="Ready runs.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the recipes")
    adding = commands.add_parser("add", help="add a recipe to params.yaml as a run, with its data")
    adding.add_argument("name", metavar="NAME")
    given = parser.parse_args(arguments)
    return data.ended(lambda: names(Path.cwd()) if given.command == "list" else add(Path.cwd(), given.name))


if __name__ == "__main__":
    sys.exit(main())
