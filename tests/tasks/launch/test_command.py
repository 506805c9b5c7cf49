"""Commands: exit statuses, one message for a fault, a quiet end by Ctrl-C, and groups within groups."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

import pytest

from tasks.core.errors import DataError, PassingError, SlipwayError
from tasks.launch.command import Command, Group

ROOT = Path(__file__).resolve().parents[3]


def command(error: type[BaseException] | BaseException | None = None, **changed: object) -> Command:
    def run(given: argparse.Namespace) -> int:
        if error is not None:
            raise error
        print(given.run, "|", given.call)
        return 3

    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("run")

    return Command("python -m toy", "Does a thing.\n\nMore of it.", run, arguments, **changed)  # type: ignore[arg-type]


def test_a_command_gets_its_arguments_and_what_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command().main(["a b"]) == 3
    assert capsys.readouterr().out == "a b | python -m toy 'a b'\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("file", "is bad"), 2, "file: is bad\n"),
        (PassingError("file", "is busy", "is full"), 75, "file: 2 faults\n  is busy\n  is full\n"),
        (SlipwayError("file", "is ours"), 1, "file: is ours\n"),
        (KeyboardInterrupt, 130, ""),
    ],
)
def test_a_fault_is_one_message_and_a_status(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(error).main(["x"]) == code
    assert capsys.readouterr() == ("", said)


def test_ctrl_c_can_be_how_a_command_ends() -> None:
    assert command(KeyboardInterrupt, interrupted=0).main(["x"]) == 0


def test_a_bug_keeps_its_traceback_unless_it_is_translated() -> None:
    with pytest.raises(ZeroDivisionError):
        command(ZeroDivisionError).main(["x"])
    translated = command(OSError("disk"), translate=lambda error: DataError("data", str(error)))
    assert translated.main(["x"]) == 2


def test_a_group_may_hold_groups(capsys: pytest.CaptureFixture[str]) -> None:
    group = Group("slipway", "All.", {"one": command(), "more": Group("more", "More.", {"two": command()})})
    assert group.main(["one", "a"]) == group.main(["more", "two", "b"]) == 3
    assert capsys.readouterr().out == "a | slipway one a\nb | slipway more two b\n"
    with pytest.raises(SystemExit, match="0"):
        group.main(["--help"])
    assert "Does a thing." in capsys.readouterr().out


def test_there_is_one_parser_and_one_handler() -> None:
    """Whoever makes a parser, or turns a SlipwayError into an exit status, does so here."""
    files = [file for folder in ("tasks", "flows", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
    trees = {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text()) for file in files}
    parsers = [
        name
        for name, tree in trees.items()
        if any(
            isinstance(node, ast.Call | ast.ClassDef)
            and any(
                ast.unparse(one).endswith("ArgumentParser")
                for one in ([node.func] if isinstance(node, ast.Call) else node.bases)
            )
            for node in ast.walk(tree)
        )
    ]
    handlers = [
        name
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and "SlipwayError" in ast.unparse(node.type or node)
        and any(isinstance(one, ast.Return) and "exit_code" in ast.unparse(one) for one in ast.walk(node))
        and "Failed(" not in ast.unparse(node)
    ]
    assert len(trees) > 200
    assert (parsers, handlers) == (["tasks/launch/command.py"], [])
