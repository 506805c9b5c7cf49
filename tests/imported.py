"""What of our own modules a file imports."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def modules_imported_by(file: Path) -> set[Path]:
    """Our own modules that a file imports, at its top or inside its functions, directly or through others."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for path in imports(waiting.pop()) - found:
            found.add(path)
            waiting.append(path)
    return found


def imports(file: Path) -> set[Path]:
    names: set[str] = set()
    for node in ast.walk(_without_type_checking(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    paths = (
        ROOT / (name.replace(".", "/") + ".py") for name in names if name.startswith(("tasks.", "flows."))
    )
    return {path for path in paths if path.is_file()}


def _without_type_checking(tree: ast.Module) -> ast.Module:
    """What is imported for types alone does not run."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return tree
