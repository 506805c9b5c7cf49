"""What each part of distillation is worth: variants of a run's `distill` with several seeds, judged on its
validation rows alone:

    python -m benchmarks.ablation --run bbc --seeds 0 1 2 --out ablation-bbc.json

The run's `finetune` must be up to date: all students learn from that one teacher. With each seed it is pruned
as the run says, and from that student each variant starts. The stages work in a temporary folder, on a copy
of the rows without the test split. A variant that is done stands in the JSON at once; started again, this
goes on, and does anew only what was made of other rows, params or code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pyarrow.parquet as pq
from ruamel.yaml import YAML

from benchmarks.distillations import variants
from tasks.core import params, stages
from tasks.core.errors import DataError, ModelError, ParamsError, did_you_mean
from tasks.distill import stage as distill
from tasks.kinds.base.kind import Rewording, known_kinds, load_kind
from tasks.launch.command import Command
from tasks.launch.environment import ENVIRONMENT
from tasks.pretrain.locate import content_hash
from tasks.prune import stage as prune

READ = ("finetune/out", "finetune/outputs")
MADE_BY = ("prune", "distill")
SPLITS = ("train", "validation", "pool")


@dataclass(frozen=True)
class Trial:
    """One variant with one seed."""

    name: str
    seed: int
    prune: Any
    distill: Any
    made_of: str
    """Hash of all that its figures depend on."""


@dataclass(frozen=True)
class Bench:
    """A run of the workspace `root`."""

    root: Path
    run: str

    @cached_property
    def values(self) -> dict[str, Any]:
        """Of params.yaml, once they are in order."""
        runs = params.read(self.root / "params.yaml")
        params.check(
            runs,
            {name: stage.Params for name, stage in stages.load_all().items()},
            known_kinds(),
            only=self.run,
        )
        return {**runs[self.run], "processes": 1}

    @cached_property
    def variants(self) -> dict[str, dict[str, Any]]:
        rows = pq.read_metadata(self.at("ingest/out") / "train.parquet").num_rows
        one_copy = Rewording(copies=1, drop=0.0, mask=0.0, replace=0.0, swap=0.0)
        has_words = not load_kind(self.values["kind"]).data.reword.faults(one_copy, None)
        return variants(self.values["distill"], rows, has_words)

    def at(self, artifact: str) -> Path:
        return stages.locate(artifact, self.root, self.run)

    def trials(self, names: Sequence[str], seeds: Sequence[int]) -> list[Trial]:
        """Of all seeds, seed by seed.

        Raises:
            ParamsError: there is no variant of that name, or params are not in order.
        """
        unknown = [
            f"there is no variant `{name}`{did_you_mean(name, self.variants)}"
            for name in names
            if name not in self.variants
        ]
        if unknown:
            raise ParamsError("--variants", *unknown)
        return [self._trial(name, seed) for seed in seeds for name in names]

    def _trial(self, name: str, seed: int) -> Trial:
        models = {stage: stages.load(stage).Params for stage in MADE_BY}
        values = {**self.values, "seed": seed, "distill": self.variants[name]}
        values = {
            key: value
            for key, value in values.items()
            if key in params.RunFields.model_fields or key in models
        }
        checked = params.check({self.run: values}, models, known_kinds())[self.run]
        told = [self._read, *(checked[stage].model_dump_json() for stage in MADE_BY)]
        return Trial(
            name,
            seed,
            checked["prune"],
            checked["distill"],
            hashlib.sha256("\n".join(told).encode()).hexdigest()[:16],
        )

    @cached_property
    def _read(self) -> str:
        """Of the teacher, the rows, and the code that makes a student of them."""
        graph = YAML(typ="safe").load((self.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        listed = {
            dep.replace("${item.kind}", self.values["kind"])
            for stage in MADE_BY
            for dep in graph[stage]["do"]["deps"]
        }
        code = [(self.root / dep).resolve() for dep in sorted(listed) if not dep.startswith("data/")]
        files = [file for one in code for file in (sorted(one.rglob("*.py")) if one.is_dir() else [one])]
        files += [self.at("ingest/out") / f"{split}.parquet" for split in SPLITS]
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        return "\n".join([*digests, *(content_hash(self.at(name)) for name in READ)])

    def inputs(self, stage: str, replaced: Mapping[str, Path]) -> Any:
        """What the stage reads, but for the artifacts that are replaced."""
        module = stages.load(stage)
        named = stages.artifacts(module)
        return module.Inputs(**{field: replaced.get(name, self.at(name)) for field, name in named.items()})

    def without_test(self, folder: Path) -> Path:
        """ingest/out but for the test split: what is not there cannot be looked at."""
        folder.mkdir()
        for name in [*(f"{split}.parquet" for split in SPLITS), "labels.json"]:
            (folder / name).symlink_to((self.at("ingest/out") / name).resolve())
        return folder


def measure(bench: Bench, trials: Sequence[Trial], file: Path) -> dict[str, Any]:
    """What was made of each trial, by `made_of`.

    Kept in `file` as it comes, where what is there is not made again.
    """
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        ingest = bench.without_test(home / "ingest")
        for number, trial in enumerate(trials, 1):
            if trial.made_of not in kept:
                print(f"{number}/{len(trials)}: {trial.name}, seed {trial.seed}", flush=True)
                student = _student(bench, trial, ingest, home / f"student-{trial.seed}")
                kept[trial.made_of] = _distilled(bench, trial, ingest, student, home / "trial")
                _write(file, kept)
    return kept


def _student(bench: Bench, trial: Trial, ingest: Path, home: Path) -> Path:
    """The pruned teacher, made once with each seed."""
    if not home.exists():
        (home / "scratch").mkdir(parents=True)
        prune.run(bench.inputs("prune", {"ingest/out": ingest}), trial.prune, home, home / "scratch")
    return home / "out"


def _distilled(bench: Bench, trial: Trial, ingest: Path, student: Path, home: Path) -> dict[str, Any]:
    """Figures, or why there can be none.

    A net without hidden states is no reason to learn nothing of the other variants.
    """
    (home / "scratch").mkdir(parents=True)
    inputs = bench.inputs("distill", {"ingest/out": ingest, "prune/out": student})
    begun = time.perf_counter()
    try:
        figures = distill.run(inputs, trial.distill, home, home / "scratch").figures
    except (ModelError, ParamsError) as error:
        figures = {"refused": " ".join(str(error).split())}
    seconds = round(time.perf_counter() - begun, 1)
    shutil.rmtree(home)
    return {
        "variant": trial.name,
        "seed": trial.seed,
        "distill": trial.distill.model_dump(),
        **figures,
        "seconds": seconds,
    }


def _write(file: Path, kept: Mapping[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def table(trials: Sequence[Trial], kept: Mapping[str, Any], headline: str) -> str:
    """Mean ± standard deviation over the seeds, as Markdown."""
    lines = [
        f"| variant | seeds | rows of an epoch | {headline} | divergence from the teacher | minutes |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in dict.fromkeys(trial.name for trial in trials):
        found = [kept[trial.made_of] for trial in trials if trial.name == name]
        lines.append(f"| {name} | " + " | ".join(_cells(found, headline)) + " |")
    return "\n".join(lines)


def _cells(found: Sequence[Mapping[str, Any]], headline: str) -> list[str]:
    if refused := next((one["refused"] for one in found if "refused" in one), ""):
        return ["", "", refused, "", ""]
    quality, divergence = (
        _spread([one["validation"][figure] for one in found]) for figure in (headline, "divergence")
    )
    return [
        str(len(found)),
        str(found[0]["transfer_set"]),
        quality,
        divergence,
        f"{mean(one['seconds'] for one in found) / 60:.1f}",
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def is_up_to_date(root: Path, stage: str) -> bool:
    """Whether DVC would make nothing of it or of what is above it anew."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    asked = ["dvc", "status", "--with-deps", "--json", stage]
    done = subprocess.run(
        asked,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
    )
    return not json.loads(done.stdout)


def ablate(root: Path, run: str, names: Sequence[str] | None, seeds: Sequence[int], out: Path) -> str:
    """The table of the run's variants.

    Raises:
        DataError: its finetune is not up to date.
        ParamsError: its params are not in order, or there is no such variant.
    """
    bench = Bench(root, run)
    headline = load_kind(bench.values["kind"]).quality.headline
    if not is_up_to_date(root, f"finetune@{run}"):
        raise DataError(f"data/{run}/finetune", f"is not up to date; make it with `dvc repro finetune@{run}`")
    trials = bench.trials(names or [*bench.variants], seeds)
    kept = measure(bench, trials, out)
    teacher = json.loads((root / "data" / run / "finetune" / "metrics.json").read_text(encoding="utf-8"))[
        "validation"
    ][headline]
    return (
        f"{table(trials, kept, headline)}\n\nOn the validation rows, where the teacher has {headline} "
        f"{teacher:.4f}."
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", default="bbc", help="a run of params.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", help="by their names in the table; all if none is given")
    parser.add_argument("--out", type=Path, required=True, help="the JSON that keeps what is done")


def _run(given: argparse.Namespace) -> int:
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    print(ablate(Path.cwd(), given.run, given.variants, given.seeds, given.out))
    return 0


COMMAND = Command("python -m benchmarks.ablation", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
