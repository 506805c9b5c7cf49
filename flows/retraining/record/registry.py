"""Which model of a run serves: registry/<run>/champion.json, a number that grows. The commit that brought it
has the tag `<run>@v<number>`.

Beside it stand MODEL_CARD.md and a dvc.yaml whose `artifacts:` names the model for DVC and what reads its
projects.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.checkout.git import GitError, content, git
from tasks.core import documents
from tasks.core.errors import DataError

PLACE = Path("registry")


@dataclass(frozen=True)
class Champion:
    """`model` is its folder, relative to the project, with the md5 that dvc.lock has of it; `verdict` how it
    was judged.

    `since` is when it began to serve, `by` who saw to that, `why` for what reason; both empty in files from
    before they were kept.
    """

    run: str
    version: int
    since: str
    former: int | None
    model: str
    md5: str
    verdict: dict[str, Any] | None
    by: str = ""
    why: str = ""

    @property
    def tag(self) -> str:
        return tag_of(self.run, self.version)


def tag_of(run: str, version: int) -> str:
    return f"{run}@v{version}"


def folder(run: str) -> Path:
    return PLACE / run


def file(run: str) -> Path:
    return folder(run) / "champion.json"


def read(root: Path, run: str) -> Champion | None:
    """The champion of the working tree; None if there is none yet."""
    path = root / file(run)
    return parsed(path.read_text(encoding="utf-8"), path.as_posix()) if path.exists() else None


def parsed(text: str, where: str) -> Champion:
    """The champions of a registry.

    Raises:
        DataError: it is not what `write` wrote.
        ParamsError: it is no JSON, or has git's conflict markers.
    """
    try:
        found = documents.json(os.fsencode(text), where)
        needed = {
            name: found[name]
            for name, field in Champion.__dataclass_fields__.items()
            if field.default is MISSING
        }
        return Champion(**needed, by=str(found.get("by", "")), why=str(found.get("why", "")))
    except (AttributeError, KeyError, TypeError):
        raise DataError(where, "is not what Slipway writes there; `git checkout` it") from None


def write(root: Path, champion: Champion) -> None:
    """Replaces the pointer and the artifact that DVC knows."""
    place = root / folder(champion.run)
    place.mkdir(parents=True, exist_ok=True)
    told = {**asdict(champion), "tag": champion.tag}
    (root / file(champion.run)).write_text(
        json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    up = "/".join([".."] * len(folder(champion.run).parts))
    artifact = {
        "path": f"{up}/{champion.model}",
        "type": "model",
        "desc": f"champion of {champion.run}, version {champion.version}",
        "labels": ["champion"],
    }
    with (place / "dvc.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump({"artifacts": {champion.run: artifact}}, stream)


def commit_of(root: Path, run: str, revision: str) -> str:
    """The commit that brought the champion of a revision."""
    return git(root, "log", "-1", "--format=%H", revision, "--", file(run).as_posix())


def find(root: Path, run: str, version: int, revision: str) -> str | None:
    """The commit of an earlier version.

    Its tag, unless that is another project's in the same repository; else what wrote its number.
    """
    with suppress(GitError):
        tagged = git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag_of(run, version)}^{{commit}}")
        if _version(root, run, tagged) == version:
            return tagged
    commits = git(root, "log", "--format=%H", revision, "--", file(run).as_posix()).splitlines()
    return next((commit for commit in commits if _version(root, run, commit) == version), None)


def _version(root: Path, run: str, commit: str) -> Any:
    written = content(root, commit, file(run).as_posix())
    found = documents.json(written, f"{commit[:12]}:{file(run).as_posix()}") if written else None
    return found.get("version") if isinstance(found, dict) else None
