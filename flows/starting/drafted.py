"""The whole run for data whose rows are known: the kind's plan, and what does not follow from it."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.raw_data import languages
from flows.searching import budget
from flows.starting import facts, speed
from flows.starting.choice import Choice
from flows.starting.facts import Taken
from tasks.core import params
from tasks.core.errors import ParamsError, did_you_mean
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint
from tasks.pretrain import locate
from tasks.pretrain.source import Source
from tasks.proposals.proposal import Facts, Plan, Preset, Pretrained, Value, Wish, within

MOST_THREADS = 4
SIDES = ("train", "validation", "pool")
LIKE = ("input_size", "pretrain", "finetune", "prune", "distill", "quantize")
"""What a run takes over from the one that it is to be like."""
GATES = {"quality": "min_quality_ratio", "speedup": "min_speedup", "bytes": "max_bytes"}
"""Figure of a budget -> the gate that holds it."""
BENCHMARK = {
    "split": Value("test", "opened once, when all else is settled"),
    "resamples": Value(2000),
    "latency_inputs": Value(40),
    "rounds": Value(15),
    "batch": Value(32),
    "openvino": Value(False),
}


def plan(
    root: Path, choice: Choice, taken: Taken, asked: argparse.Namespace, scratch: Path
) -> tuple[Plan, dict[str, Any]]:
    """The kind's plan, and the run.

    Raises:
        ParamsError: there is no run to be like.
        ModelError: the pretrained model cannot be had.
    """
    threads = max(1, min(MOST_THREADS, os.cpu_count() or 1))
    rows = taken.rows()
    pretrained = _pretrained(choice, rows["train"])
    found = _facts(root, choice, taken, pretrained, scratch)
    preset: Preset = asked.preset
    wish = Wish(preset, asked.minutes, speed.seconds_per_gigaflop(threads))
    made = within(choice.proposal, found, wish)
    run: dict[str, Any] = {
        "kind": Value(choice.kind, choice.guess.why),
        "options": Value({**choice.options, **_settled(made)}),
        "seed": Value(0),
        "threads": Value(threads, f"this machine has {os.cpu_count()} cores"),
        "processes": Value(1),
        "device": Value("auto"),
        "input_size": made.values["input_size"],
        "ingest": dict(taken.values),
        "pretrain": {
            "source": Value(dict(pretrained.source), pretrained.why),
            **made.values.get("pretrain", {}),  # type: ignore[dict-item]
            "further": Value(None),
        },
        **{stage: made.values[stage] for stage in ("finetune", "prune", "distill", "quantize")},
        "benchmark": {**BENCHMARK, **made.values["benchmark"]},  # type: ignore[dict-item]
    }
    if asked.budget:
        run["benchmark"]["gates"] = _gates(run["benchmark"]["gates"].value, asked.budget)
    made = replace(made, remarks=[*pretrained.remarks, *made.remarks])
    return made, _like(root, asked.like, run) if asked.like else run


def _settled(made: Plan) -> dict[str, Any]:
    """Options that follow from the rows."""
    options: Any = made.values.get("options", {})
    return {name: value.value for name, value in options.items()}


def _pretrained(choice: Choice, rows: Sequence[Mapping[str, Any]]) -> Pretrained:
    """The pretrained model for some rows.

    Raises:
        ModelError: the package that carries it is not installed.
    """
    if choice.proposal.pretrained is not None:
        return choice.proposal.pretrained(rows)
    found = languages.pretrained_for([str(row["text"]) for row in rows])
    found.check()
    source = {"package": found.package, "version": found.version}
    return Pretrained(source, found.reason, [found.warning] if found.warning else [])


def _layer_parameters(folder: Path) -> int:
    """Weights of the layers of a checkpoint of texts; 0 where its config does not tell."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layers, width, between = (
        config.get(key, 0) for key in ("num_hidden_layers", "hidden_size", "intermediate_size")
    )
    return int(layers * (4 * width**2 + 2 * width * between))


def _facts(root: Path, choice: Choice, taken: Taken, pretrained: Pretrained, scratch: Path) -> Facts:
    kind, rows = load_kind(choice.kind), taken.rows()
    folder = locate.find(Source.model_validate(dict(pretrained.source)), kind, root, scratch / "pretrained")
    processor, labels = kind.model.load_processor(folder), checkpoint.label_names(taken.folder)
    kind.model.prepare(processor, kind.options.model_validate(dict(choice.options)))
    longest = choice.proposal.longest
    return Facts(
        rows=rows,
        encoded={side: kind.model.encode(processor, rows[side], labels, longest) for side in SIDES},
        vocabulary=processor.get_vocab() if hasattr(processor, "get_vocab") else {},
        layer_parameters=_layer_parameters(folder),
        classes=facts.classes_of(taken.folder, choice.kind),
        split=str(taken.values["split"].value),
    )


def _gates(usual: Mapping[str, Any], text: str) -> Value:
    """The gates, with what the budget limits."""
    limits = {GATES[one.figure]: one.value for one in budget.parse(text).limits if one.figure in GATES}
    if "max_bytes" in limits:
        limits["max_bytes"] = int(limits["max_bytes"])
    return Value({**usual, **limits}, "what the budget and the preset promise")


def _like(root: Path, other: str, run: Mapping[str, Any]) -> dict[str, Any]:
    """The run with another one's values where these do not say what the data are."""
    runs = params.read(root / "params.yaml")
    if other not in runs:
        raise ParamsError("slipway new", f"--like {other}: there is no such run{did_you_mean(other, runs)}")
    if runs[other]["kind"] != run["kind"].value:
        raise ParamsError(
            "slipway new",
            f"--like {other}: it is of kind {runs[other]['kind']}, these data {run['kind'].value}",
        )
    why = f"as in {other}"
    taken: dict[str, Any] = {}
    for key in LIKE:
        values = runs[other][key]
        taken[key] = (
            {below: Value(value, why) for below, value in values.items()}
            if isinstance(values, dict)
            else Value(values, why)
        )
    return {**run, **taken}


def about(source: str, asked: argparse.Namespace, made: Plan) -> list[str]:
    """The comment above the run."""
    return [
        f"Written by `slipway new` from {source}, preset {asked.preset}; about {made.minutes:.0f} minutes.",
        "Every value may be changed.",
        "`slipway check` says whether all is in order, the stages' docstrings what each value means.",
    ]
