"""Installs lists of requirements into this environment: `python requirements/install.py tasks flows`.

pip installs uv and torch by their hashes, then uv installs the rest: first what is pinned, and only files of
the known hashes; then what a machine needs besides (the CUDA packages that its build of torch names). uv
downloads side by side and links files from its cache. It does not read pip's configuration, so the indexes,
certificates and the like that pip is set up with are handed to it here. Where uv fails, pip does it all.
`SLIPWAY_INSTALLER=pip` asks for pip at once. Modules are compiled when they are first used; most never are.

Last the project itself, as the command `slipway`; its packages stay where they are.

This runs before anything is installed: it imports the standard library alone.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
COMMANDS = {
    "pip": [*PIP, "install", "--quiet", "--no-compile"],
    "uv": [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", sys.executable],
}
HAS_LOCAL_BUILDS = "torch"
"""uv looks for the hash of `2.13.0+cpu` in vain where the pin is `2.13.0`; pip installs this one."""
COMPLETE = frozenset({"writing"})
"""Lists whose pins are all they need: of some packages there the weights alone."""
SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration, the later the stronger."""
SEPARATORS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
"""Of an option of pip, the variable of uv that means the same, and what separates its values."""


def environment(configuration: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which uv does as pip is configured to.

    Args:
        configuration: what `pip config list` prints.
        given: the environment; what it says to uv stays.
    """
    options: dict[str, str] = {}
    for section in SECTIONS:
        for line in configuration.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                options[key.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    ours = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # as pip: all indexes alike; the hashes decide
    for option, value in options.items():
        if option in SEPARATORS and value.split():
            name, separator = SEPARATORS[option]
            ours[name] = separator.join(value.split())
    return {**ours, **given}


def stanza(package: str, text: str) -> str:
    """The lines of a package in a list of pins with hashes.

    Raises:
        ValueError: the list does not pin it.
    """
    found = re.search(rf"^{package}==[^\n]*(?<=\\)\n(?:[^\n]*(?<=\\)\n)*[^\n]*\n", text, re.MULTILINE)
    if not found:
        raise ValueError(f"{package} is not pinned")
    return found.group()


def split(lists: list[str]) -> tuple[str, str]:
    """The pins of the lists in two parts, each as a list with hashes: what pip installs, and what uv."""
    texts = {name: (HERE / "hashed" / f"{name}.txt").read_text(encoding="utf-8") for name in {*lists, "dev"}}
    pips, all_of = stanza("uv", texts["dev"]), "".join(texts[name] for name in lists)
    if re.search(rf"^{HAS_LOCAL_BUILDS}==", all_of, re.MULTILINE):
        pips += stanza(HAS_LOCAL_BUILDS, all_of)
    for package in ("uv", HAS_LOCAL_BUILDS):
        with contextlib.suppress(ValueError):
            all_of = all_of.replace(stanza(package, all_of), "")
    return pips, all_of


def with_pip(lists: list[str]) -> bool:
    """Whether pip has installed all of the lists."""
    hashed = [word for name in lists for word in ("-r", str(HERE / "hashed" / f"{name}.txt"))]
    pinned = [*COMMANDS["pip"], "--no-deps", "--require-hashes", *hashed]
    return run(pinned, os.environ) and run([*COMMANDS["pip"], *locks(lists)], os.environ)


def with_uv(lists: list[str]) -> bool:
    """Whether uv, which pip installs first, has installed all of the lists."""
    configured = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False).stdout
    env = environment(configured, os.environ)
    unhashed = {name: value for name, value in env.items() if name != "UV_CONSTRAINT"}  # it has no hashes
    with tempfile.TemporaryDirectory() as folder:
        pins = [Path(folder) / "pip.txt", Path(folder) / "uv.txt"]
        for file, text in zip(pins, split(lists), strict=True):
            file.write_text(text, encoding="utf-8")
        options = ["--no-deps", "--require-hashes", "-r"]
        return (
            run([*COMMANDS["pip"], *options, str(pins[0])], os.environ)
            and run([*COMMANDS["uv"], *options, str(pins[1])], unhashed)
            and run([*COMMANDS["uv"], *locks(lists)], env)
        )


def with_project() -> bool:
    """Whether the command `slipway` is there. setuptools, which makes it, is among the pins."""
    if (Path(sys.prefix) / "bin" / "slipway").exists():
        return True
    project = ["--no-deps", "--no-build-isolation", "--editable", str(HERE.parent)]
    installer = COMMANDS["uv" if importlib.util.find_spec("uv") else "pip"]
    return run([*installer, *project], os.environ)


def locks(lists: list[str]) -> list[str]:
    """The options that name the locks of the lists which a machine may need more for."""
    return [word for name in lists if name not in COMPLETE for word in ("-r", str(HERE / f"{name}.lock"))]


def run(command: list[str], env: Mapping[str, str]) -> bool:
    """Whether it went well."""
    return subprocess.run(command, env=env, check=False).returncode == 0


def main(lists: list[str]) -> int:
    """The exit status: 0 if all is installed."""
    if os.environ.get("SLIPWAY_INSTALLER") != "pip":
        if with_uv(lists) and with_project():
            return 0
        print("uv could not install it all; pip tries", file=sys.stderr)
    return 0 if with_pip(lists) and with_project() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
