"""What stages and DVC must know and nobody else: keys of remotes and hubs.

They come from the environment of the agent, or from Prefect's Secret block `slipway-environment`, which holds
a JSON object of variables: `{"AWS_ACCESS_KEY_ID": …, "AWS_SECRET_ACCESS_KEY": …}`. For the length of a flow
they are in the environment of its process, which pulls and pushes, and so of its children; they go nowhere
else, and lines that hold one are logged without it.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prefect.blocks.system import Secret

from tasks.core.errors import ParamsError

BLOCK = "slipway-environment"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET = re.compile(r"SECRET|TOKEN|PASS|AUTH_STRING|CREDENTIAL|CONNECTION_STRING|PRIVATE|_KEY", re.IGNORECASE)
"""Names of variables, and of settings of a DVC remote, whose values are nobody's affair."""
SHORTEST = 6
"""A shorter value would blacken ordinary words."""
HIDDEN = "***"


Mask = Callable[[str], str]


@contextmanager
def given() -> Iterator[Mask]:
    """The block's variables in the environment; yields what takes secrets out of a line.

    Raises:
        ParamsError: the block holds something else than names and texts.
    """
    of_block, before = load(), dict(os.environ)
    os.environ.update(of_block)
    try:
        yield masked(of_block)
    finally:
        for name in of_block:
            del os.environ[name]
        os.environ.update({name: before[name] for name in of_block if name in before})


def load() -> dict[str, str]:
    """The variables of the block; none where there is no such block.

    Raises:
        ParamsError: it holds something else than names and texts.
    """
    try:
        found = Secret.load(BLOCK, validate=False).get()  # type: ignore[union-attr]
    except ValueError:
        return {}
    if not isinstance(found, dict) or not all(
        NAME.fullmatch(name) and isinstance(value, str) for name, value in found.items()
    ):
        raise ParamsError(
            f"block {BLOCK}",
            'must hold a JSON object of environment variables and their texts: {"NAME": "value"}',
        )
    return found


def masked(of_block: Mapping[str, str]) -> Mask:
    """A function that takes the secrets of the block and of the environment out of a line."""
    named = [*os.environ.items(), *_of_dvc(Path(".dvc") / "config.local")]
    found = [*of_block.values(), *(value for name, value in named if SECRET.search(name))]
    lines = {line.strip() for value in found for line in value.splitlines()}
    values = sorted((line for line in lines if len(line) >= SHORTEST), key=len, reverse=True)
    if not values:
        return lambda line: line
    pattern = re.compile("|".join(map(re.escape, values)))
    return lambda line: pattern.sub(HIDDEN, line)


def _of_dvc(file: Path) -> list[tuple[str, str]]:
    """What `dvc remote modify --local` wrote."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string("\n".join(line.strip() for line in file.read_text(encoding="utf-8").splitlines()))
    except (OSError, configparser.Error):
        return []
    return [setting for section in config.sections() for setting in config.items(section)]
