"""Ready runs: `slipway add NAME` puts recipes/NAME.yaml into params.yaml as the run
NAME and brings its data in.

    slipway recipes list
    slipway add NAME [--source SOURCE] [--checkpoint FOLDER | hub:OWNER/NAME@COMMIT]
    slipway recipes ensure NAME     add, unless params.yaml has a run of that name; `all` is no recipe

A recipe names where its data come from (`source`; none: the user says), about how long it takes (`minutes`),
and the run as it is to stand in params.yaml (`run`), whose lines are taken as they are, comments and all.
Where the user names the checkpoint, it says CHECKPOINT.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)

from flows.checkout import added_run
from flows.raw_data import data
from tasks.core import documents, params
from tasks.core.errors import ParamsError, did_you_mean
from tasks.launch.command import Command, Group
from tasks.pretrain import locate

CHECKPOINT = "CHECKPOINT"
HUB = re.compile(r"hub:(?P<name>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")


def names(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "recipes").glob("*.yaml"))


def listed(root: Path) -> list[str]:
    """A line for each recipe: its name, how long it takes and what it is."""
    lines = []
    for name in names(root):
        text = _text(root, name)
        lines.append(
            f"{name:<10} about {_parsed(name, text)['minutes']:>2} min   "
            f"{text.splitlines()[0].lstrip('# ').rstrip('.')}"
        )
    return lines


def add(root: Path, name: str, source: str | None = None, checkpoint: str | None = None) -> list[str]:
    """Adds the run and its data; what was there already stays as it is. Returns what was done, a line each.

    Raises:
        ParamsError: there is no such recipe, it needs a source or checkpoint to be named, params.yaml has
            another run of that name, or it would not be in order.
        DataError: the data cannot be had.
        ModelError: the checkpoint is no folder of the workspace.
    """
    if name not in names(root):
        raise ParamsError(
            f"recipe {name}",
            f"there is none of that name{did_you_mean(name, names(root))}; recipes: {', '.join(names(root))}",
        )
    text = _completed(root, name, _text(root, name), checkpoint)
    recipe = _parsed(name, text)
    wanted = source or recipe["source"]
    if wanted is None:
        raise ParamsError(
            f"recipe {name}",
            "brings no data with it; name them: --source FILE, FOLDER or hub:OWNER/NAME@REVISION",
        )
    runs = params.read(root / "params.yaml")
    if bad := params.bad_name(name):
        raise ParamsError(f"recipe {name}", bad)
    if name in runs and runs[name] != recipe["run"]:
        raise ParamsError(
            "params.yaml",
            f"has a run `{name}` already, with other values; take it out, or go on with it as it is",
        )
    if name in runs:
        return [data.add(root, name, wanted)]
    said = added_run.put(
        root, name, _section(name, text), recipe["run"], lambda: data.add(root, name, wanted)
    )
    return [
        said,
        f"params.yaml: run `{name}` added; about {recipe['minutes']} minutes on 2 cores: dvc repro "
        f"benchmark@{name}",
    ]


def ensure(root: Path, name: str) -> list[str]:
    """Adds the recipe if params.yaml has no run of that name.

    Raises:
        ParamsError: there is neither a run nor a recipe of that name; and as `add`.
    """
    runs = params.read(root / "params.yaml")
    if name == "all" or name in runs:
        return []
    if name not in names(root):
        known = sorted({*runs, *names(root)})
        raise ParamsError(
            f"run {name}",
            f"is neither in params.yaml nor a recipe{did_you_mean(name, known)}; there are: "
            f"{', '.join(known)}",
        )
    return add(root, name)


def _text(root: Path, name: str) -> str:
    return documents.text((root / "recipes" / f"{name}.yaml").read_bytes(), f"recipes/{name}.yaml").replace(
        "\r\n", "\n"
    )


def _parsed(name: str, text: str) -> dict[str, Any]:
    """A recipe as a mapping.

    Raises:
        ParamsError: it is no recipe.
    """
    recipe = documents.yaml(text.encode(), f"recipes/{name}.yaml")
    if (
        not isinstance(recipe, dict)
        or not {"source", "minutes", "run"} <= recipe.keys()
        or "\nrun:\n" not in text
    ):
        raise ParamsError(
            f"recipes/{name}.yaml",
            "is no recipe: it must have `source`, `minutes` and `run`, a mapping on lines of its own",
        )
    return recipe


def _completed(root: Path, name: str, text: str, checkpoint: str | None) -> str:
    """The recipe with the checkpoint that the user names, pinned by its content or commit."""
    if f"source: {CHECKPOINT}" not in text:
        return text
    if checkpoint is None:
        raise ParamsError(
            f"recipe {name}",
            "needs a pretrained model; name one: --checkpoint FOLDER of the workspace, or "
            "hub:OWNER/NAME@COMMIT",
        )
    if given := HUB.fullmatch(checkpoint):
        pinned = f"{{hub: {given['name']}, revision: {given['revision']}}}"
    else:
        sha256 = locate.content_hash(locate.workspace_folder(checkpoint, root))
        pinned = f"{{folder: {json.dumps(checkpoint)}, sha256: {sha256}}}"
    return text.replace(f"source: {CHECKPOINT}", f"source: {pinned}")


def _section(name: str, text: str) -> str:
    """The lines below `run:` and the comment at the top, as they stand in params.yaml."""
    comment = [line for line in text.splitlines() if line.startswith("#")]
    run = text.split("\nrun:\n", 1)[1].splitlines()
    return "\n".join(f"  {line}".rstrip() for line in [*comment, f"{name}:", *run]) + "\n"


def _adding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="where the data come from, for recipes that bring none")
    parser.add_argument(
        "--checkpoint",
        help="folder of the workspace or hub:OWNER/NAME@COMMIT, for recipes that name no model",
    )
    _named(parser)


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


PROGRAM = "slipway recipes"
ADD = Command(
    "slipway add",
    """Adds a recipe to params.yaml as a run, with its data.

    slipway add tweets
    slipway add banking77 --source folder/of/banking77
""",
    lambda given: data.printed(add(Path.cwd(), given.name, given.source, given.checkpoint)),
    _adding,
    data.translate,
)
COMMAND = Group(
    PROGRAM,
    __doc__,
    {
        "list": Command(
            f"{PROGRAM} list",
            "Names the recipes.",
            lambda _given: data.printed(listed(Path.cwd())),
            translate=data.translate,
        ),
        "add": ADD,
        "ensure": Command(
            f"{PROGRAM} ensure",
            "Adds the recipe, unless params.yaml has a run of that name.",
            lambda given: data.printed(ensure(Path.cwd(), given.name)),
            _named,
            data.translate,
        ),
    },
)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
