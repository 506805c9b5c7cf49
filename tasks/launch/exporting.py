"""The command `slipway export`: the student of a run in a file for other engines."""

from __future__ import annotations

import argparse
from pathlib import Path

from tasks.core import params
from tasks.core.errors import DataError
from tasks.export import gguf_file
from tasks.launch import faults
from tasks.launch.command import Command
from tasks.launch.results import checked, run_name


def export(given: argparse.Namespace) -> int:
    """Writes the GGUF file of a run's distilled student."""
    import torch

    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint

    root = Path.cwd()
    kind = load_kind(checked(given.run, root))
    student = root / "data" / given.run / "distill" / "out"
    if not student.is_dir():
        raise DataError(
            f"data/{given.run}/distill/out", f"is not there yet; make it with `slipway run {given.run}`"
        )
    longest = int(params.read(root / "params.yaml")[given.run]["input_size"])
    model = checkpoint.load_model(student, kind, torch.device("cpu"))
    part = given.to.with_name(f"{given.to.name}.part")
    try:
        gguf_file.write(model, kind.model.load_processor(student), longest, given.gguf, part)
        part.replace(given.to)
    finally:
        part.unlink(missing_ok=True)
    print(f"{given.to}: {given.to.stat().st_size / 1e6:.1f} MB, {given.gguf}, for texts of {longest} tokens")
    return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    run_name(parser)
    parser.add_argument(
        "--gguf", choices=gguf_file.FORMS, default="q8_0", help="of the matrices (default: q8_0)"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the file to write")


EXPORT = Command(
    "slipway export",
    """Writes the student of a run that writes texts as a GGUF file, for llama.cpp and what is built on it.

    slipway export headlines --gguf q8_0 --to headlines.gguf
""",
    export,
    _arguments,
    faults.translate,
    faults.tell,
)
