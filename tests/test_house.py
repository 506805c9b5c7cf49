"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tasks.core import stages
from tasks.kinds.base.kind import known_kinds, load_kind
from tests.imported import imports

ROOT = Path(__file__).resolve().parents[1]
MOST_MODULES = 14
FILES = [*sorted((ROOT / "tasks").rglob("*.py")), *sorted((ROOT / "flows").rglob("*.py"))]


def test_files_and_functions_can_be_read_in_one_sitting() -> None:
    assert len(FILES) > 40
    long_files = [path.name for path in FILES if len(path.read_text().splitlines()) > 300]
    functions = [
        (path.name, node.name, (node.end_lineno or 0) - node.lineno + 1)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(functions) > 200
    assert (long_files, [one for one in functions if one[2] > 50]) == ([], [])


def test_every_module_says_what_it_is() -> None:
    assert [path.name for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_folders_can_be_overlooked() -> None:
    modules = Counter(
        path.parent.relative_to(ROOT).as_posix() for path in FILES if not path.stem.startswith("__")
    )
    assert len(modules) > 30
    assert {folder: count for folder, count in modules.items() if count > MOST_MODULES} == {}


def test_imports_run_one_way() -> None:
    """No two folders import each other, directly or in a circle.

    Static_order raises CycleError where they do.
    """
    arrows: dict[str, set[str]] = {}
    for file in FILES:
        for other in imports(file):
            if other.parent != file.parent:
                arrows.setdefault(_name(file.parent), set()).add(_name(other.parent))
    order = list(TopologicalSorter(arrows).static_order())
    assert len(order) > 30
    assert max(order.index(f"tasks/{name}") for name in stages.load_all()) < order.index("tasks/launch")


def _name(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix()


def test_contributing_shows_every_folder() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in FILES if path.parent.name not in {"tasks", "flows"}}
    assert len(folders) > 30
    assert [name for name in sorted(folders) if not re.search(rf"\b{name}/", tree)] == []


def test_only_flows_know_prefect_and_dvc() -> None:
    pattern = re.compile(r"^\s*(import|from) (prefect|dvc|flows)\b", re.MULTILINE)
    assert pattern.search((ROOT / "flows" / "pipeline" / "graph.py").read_text())
    assert [
        path.name
        for path in FILES
        if path.is_relative_to(ROOT / "tasks") and pattern.search(path.read_text())
    ] == []


def test_nothing_is_unpickled_and_no_foreign_code_runs() -> None:
    pattern = re.compile(
        r"pickle\.load|torch\.load\((?![^)]*weights_only=True)|trust_remote_code\W+True|ignore_mismatched_sizes\W+True|\beval\(|\bexec\("
    )
    code = {path.name: re.sub(r"\.eval\(\)", "", path.read_text()) for path in FILES}
    assert [name for name, text in code.items() if pattern.search(text)] == []


def test_locks_name_no_address_and_a_hash_for_each_package() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert len(locks) == 10
    lines = [line for lock in locks for line in lock.read_text().splitlines()]
    assert len(lines) > 150
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line)] == []
    for lock in locks:
        hashed = (lock.parent / "hashed" / f"{lock.stem}.txt").read_text()
        package = re.compile(r"([a-z0-9-]+==[0-9][\w.]*)(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n")
        assert "".join(found.group() for found in package.finditer(hashed)) == hashed
        assert package.findall(hashed) == lock.read_text().splitlines()


def test_what_is_pinned_is_installed_by_its_hash() -> None:
    """Before pip is asked for what a machine needs besides, it has installed the pins and looked at no other
    file for them.
    """
    hashed = re.compile(r"--require-hashes[^\n]*(\\\n[^\n]*)?hashed/.*?\.lock", re.DOTALL)
    assert hashed.search((ROOT / "Dockerfile").read_text())
    recipes = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert not [line for line in recipes if "pip install" in line]
    assert sum("$(INSTALL)" in line for line in recipes) == 4


def test_no_one_names_a_kind_but_the_kinds() -> None:
    """Stages, what they share, flows and benchmarks know a kind by its name in params alone.

    It stands nowhere in them. What kinds propose (tasks/proposals) is theirs, too.
    """
    names = {word for name in known_kinds() for word in (name, load_kind(name).task)}
    files = [
        path
        for path in [*FILES, *sorted((ROOT / "benchmarks").rglob("*.py"))]
        if not {"kinds", "proposals"} & set(path.parts)
    ]
    texts = {path: list(_texts(ast.parse(path.read_text()))) for path in files}
    assert len(names) >= 6
    assert sum(map(len, texts.values())) > 1000
    assert [
        (_name(path), text)
        for path, found in texts.items()
        for text in found
        if any(name in text for name in names)
    ] == []


def _texts(tree: ast.Module) -> Iterator[str]:
    """Names of imported modules, with slashes, and all strings."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(name)):
                yield name.replace(".", "/")
            case ast.Constant(value=str(text)):
                yield text


def test_every_test_that_the_page_of_bad_input_names_is_there() -> None:
    page = (ROOT / "docs" / "results" / "bad-input.md").read_text(encoding="utf-8")
    named = re.findall(r"::(test_\w+)(…|_?\*)?", page)
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = re.findall(r"^\s*def (test_\w+)", sources, flags=re.MULTILINE)
    assert len(named) > 150
    assert [
        name
        for name, cut_off in named
        if not any(one == name or (cut_off and one.startswith(name)) for one in there)
    ] == []
