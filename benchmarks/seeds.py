"""Trains and measures a run with several seeds, on the same rows, and tells means and spread:

    python -m benchmarks.seeds --run bbc --seeds 0 1 2 --out docs/results/bbc-seeds.json

Works on the committed state, in a scratch clone that shares this checkout's DVC cache: a seed measured before
is taken from there, and what is measured here stays. Prints a Markdown table; the JSON holds each seed's
figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ruamel.yaml import YAML

from tasks.launch.command import Command

ROOT = Path(__file__).resolve().parents[1]
HEADLINE = "headline"
"""Stands for the name of the run's headline figure."""
FIGURES = {
    "teacher": ("metrics", "teacher", HEADLINE),
    "linear baseline": ("metrics", "baseline", HEADLINE),
    "teacher above baseline": ("metrics", "teacher", "difference_to_baseline"),
    "teacher above baseline, low end of its interval": ("metrics", "teacher", "difference_to_baseline_low"),
    "teacher, int8 only": ("metrics", "teacher_int8", HEADLINE),
    "pruned, before recovery": ("metrics", "pruned", HEADLINE),
    "distilled": ("metrics", "distilled", HEADLINE),
    "final": ("metrics", "final", HEADLINE),
    "final less teacher": ("metrics", "final", "difference_to_teacher"),
    "final less teacher, low end of its interval": ("metrics", "final", "difference_to_teacher_low"),
    "final less teacher, high end of its interval": ("metrics", "final", "difference_to_teacher_high"),
    "final less teacher, half the interval's width": ("metrics", "final", "smallest_visible_difference"),
    "final, share of the teacher's": ("metrics", "final", "quality_ratio"),
    "final, share of the teacher's, low end of its interval": ("metrics", "final", "quality_ratio_low"),
    "final, agreement with the teacher": ("metrics", "final", "agreement"),
    "final, calibration error": ("metrics", "final", "ece"),
    "final, times faster": ("timings", "final", "speedup"),
    "final, times faster, lower quartile of the rounds": ("timings", "final", "speedup_quartile_1"),
    "final, times faster, upper quartile of the rounds": ("timings", "final", "speedup_quartile_3"),
    "final, times smaller": ("metrics", "final", "size_ratio"),
}


def scratch_clone(folder: Path) -> Path:
    """The committed state in `clone` below a folder, sharing this checkout's DVC cache."""
    clone = folder / "clone"
    command(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
    command(["dvc", "cache", "dir", "--local", str(ROOT / ".dvc" / "cache")], clone)
    return clone


def measure(run: str, seed: int, clone: Path) -> dict[str, Any]:
    """The run's metrics and timings with this seed."""
    yaml = YAML()
    params = yaml.load((clone / "params.yaml").read_text(encoding="utf-8"))
    params["runs"][run]["seed"] = seed
    with (clone / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
    command(["dvc", "repro", f"benchmark@{run}"], clone)
    folder = clone / "data" / run / "benchmark"
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("metrics", "timings")
    }


def command(arguments: Sequence[str], folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        arguments, cwd=folder, check=True, env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    )


def table(measured: Mapping[int, Mapping[str, Any]]) -> str:
    headline = next(iter(measured.values()))["metrics"]["measured"]["headline"]
    lines = [
        f"| {headline} | " + " | ".join(f"seed {seed}" for seed in measured) + " | mean ± sd |",
        "|---|" + "---:|" * (len(measured) + 1),
    ]
    for name, (file, variant, key) in FIGURES.items():
        values = [
            float(one[file][variant][headline if key == HEADLINE else key]) for one in measured.values()
        ]
        digits = 1 if max(values) >= 2 else 3
        spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
        lines.append(
            f"| {name} | "
            + " | ".join(f"{value:.{digits}f}" for value in values)
            + f" | {mean(values):.{digits}f}{spread} |"
        )
    return "\n".join(lines)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", default="bbc", help="a run of params.yaml or a recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, help="where to write each seed's figures as JSON")


def _run(given: argparse.Namespace) -> int:
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        clone = scratch_clone(Path(folder))
        command([sys.executable, "-m", "flows.raw_data.data", "restore"], clone)
        command([sys.executable, "-m", "flows.raw_data.recipes", "ensure", given.run], clone)
        for seed in given.seeds:
            measured[seed] = measure(given.run, seed, clone)
            if given.out:
                given.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(table(measured))
    return 0


COMMAND = Command("python -m benchmarks.seeds", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
