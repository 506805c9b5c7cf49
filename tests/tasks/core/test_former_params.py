"""What params.yaml had before is told key by key, all at once, with what to write instead."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tasks.core import documents, params, stages
from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import known_kinds
from tests.tasks.stage import ROOT

MODELS = {name: stage.Params for name, stage in stages.load_all().items()}
OFF: dict[str, dict[str, Any]] = {
    "pretrain": {"steps": 0, "batch_size": 32, "learning_rate": 0.0001, "masked": 0.15},
    "finetune": {"lora_rank": 0, "lora_alpha": 16.0},
    "prune": {
        "batches": 20,
        "batch_size": 32,
        "steps": 1,
        "recovery_epochs": 1,
        "recovery_learning_rate": 0.0005,
    },
    "distill": {
        "augment": {"copies": 0, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1},
        "hidden_weight": 0.0,
        "relation_weight": 0.0,
        "relation_layer": 1,
        "relation_heads": 16,
    },
    "quantize": {"calibration_rows": 0},
}
"""The keys of before, with the values that were off."""
NOW = {
    "pretrain": ["further"],
    "finetune": ["lora"],
    "prune": ["measured", "recovery"],
    "distill": ["rewording", "hidden", "relations"],
    "quantize": ["calibration_rows"],
}


def former(**changed: Any) -> dict[str, Any]:
    """The committed run as it was written before; `stage__key=value` changes a value of then."""
    run: dict[str, Any] = copy.deepcopy(params.read(ROOT / "params.yaml")["bbc"])
    for stage, keys in OFF.items():
        run[stage] = {key: value for key, value in run[stage].items() if key not in NOW[stage]}
        run[stage].update(copy.deepcopy(keys))
    for at, value in changed.items():
        stage, key = at.split("__")
        run[stage][key] = value
    return run


def faults(run: dict[str, Any]) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        params.check({"bbc": run}, MODELS, known_kinds())
    return [fault.removeprefix("runs.bbc.") for fault in caught.value.faults]


def test_each_former_key_has_one_message_and_nothing_else_is_told() -> None:
    told = faults(former())
    assert sorted(fault.partition(" = ")[0] for fault in told) == sorted(
        f"{stage}.{key}" for stage, keys in OFF.items() for key in keys
    )
    for said in (
        "finetune.lora_rank = 0: write lora: null",
        "finetune.lora_alpha = 16.0: is part of lora now; take it out here",
        "prune.batches = 20: write measured: {batches: 20, batch_size: 32}",
        "prune.steps = 1: write recovery: null",
        "distill.hidden_weight = 0.0: write hidden: null",
        "quantize.calibration_rows = 0: write calibration_rows: null",
    ):
        assert said in told


ON = {
    "pretrain__steps": 8,
    "finetune__lora_rank": 8,
    "prune__steps": 3,
    "distill__augment": {"copies": 2, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1},
    "distill__hidden_weight": 1.0,
    "distill__relation_weight": 30.0,
    "quantize__format": "int8-static",
    "quantize__graph": "exported",
    "quantize__embeddings": "as_format",
    "quantize__calibration_rows": 100,
}


@pytest.mark.parametrize("changed", [{}, ON])
def test_what_the_messages_say_is_taken_and_means_the_same(changed: dict[str, Any]) -> None:
    run = former(**changed)
    for fault in faults(run):
        stage, key = fault.partition(" = ")[0].split(".")
        run[stage].pop(key)
        run[stage].update(documents.yaml(fault.partition(": write ")[2].encode(), "advice") or {})
    made = params.check({"bbc": run}, MODELS, known_kinds())["bbc"]
    dumped = {stage: section.model_dump() for stage, section in made.items()}
    assert dumped["prune"]["measured"] == {"batches": 20, "batch_size": 32}
    if not changed:
        assert [dumped[stage][key] for stage, keys in NOW.items() for key in keys if key != "measured"] == [
            None
        ] * 7
        return
    assert dumped["pretrain"]["further"] == {**OFF["pretrain"], "steps": 8}
    assert dumped["finetune"]["lora"] == {"rank": 8, "alpha": 16.0}
    assert dumped["prune"]["recovery"] == {
        "steps": 3,
        "epochs": 1,
        "batch_size": 32,
        "learning_rate": 0.0005,
    }
    assert dumped["distill"]["rewording"] == changed["distill__augment"]
    assert dumped["distill"]["hidden"] == {"weight": 1.0}
    assert dumped["distill"]["relations"] == {"weight": 30.0, "layer": 1, "heads": 16, "cached": False}
    assert dumped["quantize"]["calibration_rows"] == 100


def test_a_former_key_beside_the_section_is_to_be_taken_out() -> None:
    run = params.read(ROOT / "params.yaml")["bbc"]
    run["finetune"]["lora_alpha"] = 16.0
    assert faults(run) == ["finetune.lora_alpha = 16.0: is part of lora now; take it out here"]
