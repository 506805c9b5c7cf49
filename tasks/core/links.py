"""Which links of a folder may be followed: those that stay in it, and those that DVC makes into its own
cache.

With `cache.type` symlink DVC leaves a link where a file was, and the file in its cache, named after the md5
of its content. Such an object is as good as the file itself, as long as its name is right. Any other link out
of a folder would read what nobody has tracked or pinned.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
from pathlib import Path

CONFIGS = (".dvc/config.local", ".dvc/config")
"""Of a project, the strongest first."""
OBJECT = re.compile(r"files/md5/([0-9a-f]{2})/([0-9a-f]{30})")
USUAL = "cache"
"""Below .dvc."""


def fault(path: Path, inside: Path) -> str:
    """Why a file or folder below `inside` may not be read, to stand behind its name; empty if it may."""
    if not path.is_symlink():
        return ""
    if not path.exists():
        return "is a link that leads nowhere; put the file itself there, or fetch it with `dvc checkout`"
    if path.resolve().is_relative_to(inside.resolve()):
        return ""
    name = _object(path.resolve(), inside.resolve())
    if name is None:
        return "is a link that leads out of the folder; put the file itself there"
    with path.open("rb") as stream:
        kept = hashlib.file_digest(stream, "md5").hexdigest() == name
    return (
        ""
        if kept
        else "is a link to an object of DVC's cache that was changed; `dvc checkout --relink --force` "
        "brings it back"
    )


def _object(target: Path, inside: Path) -> str | None:
    """The md5 that the name of an object in the project's cache tells; None for any other file."""
    root = next((folder for folder in inside.parents if (folder / ".dvc").is_dir()), None)
    if root is None:
        return None
    for cache in _caches(root):
        if target.is_relative_to(cache) and (found := OBJECT.fullmatch(target.relative_to(cache).as_posix())):
            return found[1] + found[2]
    return None


def _caches(root: Path) -> list[Path]:
    """Where the project's cache may lie.

    A folder that was the cache before still holds what older links lead to.
    """
    users = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dvc" / "config"
    told = [
        _cache_of(file) for file in (*(root / name for name in CONFIGS), users, Path("/etc/xdg/dvc/config"))
    ]
    return [cache.resolve() for cache in (root / ".dvc" / USUAL, *told) if cache is not None]


def _cache_of(config: Path) -> Path | None:
    """The `cache.dir` of a DVC config; one that is relative counts from the config's folder."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read(config, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return None
    told = parser.get("cache", "dir", fallback="").strip("'\"")
    return config.parent / Path(told).expanduser() if told else None
