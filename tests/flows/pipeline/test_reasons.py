"""A folder of code that changed is told by its files, where git knows which."""

from __future__ import annotations

import shutil

import pytest

from flows.pipeline.graph import Graph
from tests.flows.toy import Toy, call


@pytest.fixture
def foldered(toy: Toy) -> Toy:
    """The toy project whose stage prune depends on a folder, all made and committed."""
    for name in ("one", "two", "below/three"):
        toy.write(f"code/own/{name}.py", f"# {name}\n")
    toy.write("code/page.md", "a page\n")
    toy.write(".dvcignore", "*.md\n")
    toy.replace(
        "dvc.yaml",
        'deps: [step.py, "data/${key}/ingest/out"]',
        'deps: [step.py, "data/${key}/ingest/out", "code/own/below/.."]',
    )
    made(toy, "depend on a folder")
    return toy


def made(toy: Toy, message: str) -> None:
    toy.dvc("repro", "--quiet")
    committed(toy, message)


def committed(toy: Toy, message: str) -> None:
    call(toy.root, "git", "add", "-A")
    call(toy.root, "git", "commit", "--quiet", "-m", message)


def test_why_names_the_files_of_a_folder(foldered: Toy) -> None:
    assert Graph().why("prune@a") == ""
    foldered.write("code/own/two.py", "# other\n")
    foldered.write("code/own/new.py", "# not known to git yet\n")
    (foldered.root / "code/own/below/three.py").unlink()
    foldered.write("code/own/README.md", "no code\n")
    assert Graph().why("prune@a") == "code/own/below/three.py, code/own/new.py, code/own/two.py changed"


def test_what_was_committed_since_the_stage_ran_is_named(foldered: Toy) -> None:
    foldered.write("code/own/one.py", "# committed\n")
    committed(foldered, "edit, and run nothing")
    foldered.write("code/own/two.py", "# not committed\n")
    assert Graph().why("prune@a") == "code/own/one.py, code/own/two.py changed"


def test_what_the_stage_was_run_with_since_is_not_named(foldered: Toy) -> None:
    foldered.write("code/own/one.py", "# run with\n")
    made(foldered, "edit and run")
    foldered.write("code/own/two.py", "# new\n")
    assert Graph().why("prune@a") == "code/own/two.py changed"


def test_many_files_are_counted(foldered: Toy) -> None:
    for number in range(8):
        foldered.write(f"code/own/n{number}.py", "")
    names = ", ".join(f"code/own/n{number}.py" for number in range(5))
    assert Graph().why("prune@a") == f"{names} and 3 more changed"


def test_the_folder_is_named_where_git_cannot_say(foldered: Toy) -> None:
    """What ran is not in dvc.lock of any commit; and then there is no repository at all."""
    foldered.write("code/own/one.py", "# run with\n")
    foldered.dvc("repro", "--quiet")
    foldered.write("code/own/two.py", "# new\n")
    assert Graph().why("prune@a") == "code/own changed"
    shutil.rmtree(foldered.root / ".git")
    foldered.dvc("config", "core.no_scm", "true")
    assert Graph().why("prune@a") == "code/own changed"
