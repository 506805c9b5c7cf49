"""Writes one *.lock for each list of pyproject.toml from the packages installed in this environment: `make lock`.

Each file pins what its list needs, directly and indirectly, and what no file of an earlier list has pinned. No addresses, no
hashes: a machine's own index, mirror or wheel folder decides where the bytes come from.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parent
# GPU builds of torch name their own CUDA packages; they follow from torch's version and differ between machines.
FOLLOW_TORCH = ("nvidia-", "cuda-", "triton")


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
        for text in found.requires or []:
            needed = Requirement(text)
            if _applies(needed, wanted.extras):
                needed.marker = None  # asked and answered; of an extra it would be asked in vain later
                waiting.append(needed)
    return pinned


def _applies(requirement: Requirement, extras: set[str] | None = None) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in ["", *(extras or [])])


def main() -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"tasks": project["dependencies"], **project["optional-dependencies"]}
    before: set[str] = set()
    for name, requirements in lists.items():
        pinned = {package: version for package, version in closure(requirements).items() if package not in before}
        before.update(pinned)
        lines = [f"{package}=={version}\n" for package, version in sorted(pinned.items())]
        (HERE / f"{name}.lock").write_text("".join(lines), encoding="utf-8")
        print(f"{name}.lock: {len(lines)} packages")


if __name__ == "__main__":
    main()
