"""What a later stage could not do is said by `check`, or before the pretrained model is brought in."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.core import params, stages
from tasks.core.errors import ModelError, ParamsError, SlipwayError
from tasks.kinds.base.kind import known_kinds
from tasks.launch import foresight
from tasks.pretrain.locate import content_hash
from tests import tiny
from tests.tasks.stage import ROOT

CUT = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800}
LORA = {"rank": 4, "alpha": 16.0}
FURTHER = {"steps": 5, "batch_size": 8, "learning_rate": 0.001, "masked": 0.15}
Change = dict[str, Any]


def run_of(change: Change) -> dict[str, Any]:
    """The committed run, small, with other values at `stage.key`."""
    run: dict[str, Any] = copy.deepcopy(params.read(ROOT / "params.yaml")["bbc"])
    run["prune"].update(CUT)
    run["input_size"] = 32
    for key, value in change.items():
        *sections, name = key.split(".")
        place = run
        for section in sections:
            place = place[section]
        place[name] = value
    run["prune"] = {
        name: value for name, value in run["prune"].items() if not (name in CUT and value is None)
    }
    return run


def checked(run: dict[str, Any]) -> dict[str, Any]:
    models = {name: stage.Params for name, stage in stages.load_all().items()}
    return params.check({"bbc": run}, models, known_kinds())["bbc"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"quantize.format": "int8-static"},
            "quantize.calibration_rows = null: int8-static takes its ranges",
        ),
        ({"quantize.format": "int8-static", "quantize.calibration_rows": 9}, "quantize.graph = fused"),
        (
            {"distill.pool": 30_000},
            "distill.pool = 30000: the teacher labels 20000 at most; raise finetune.pool_outputs",
        ),
        ({"finetune.lora": LORA, "finetune.freeze": "encoder"}, "finetune.lora changes the encoder"),
        (
            {"pretrain.vocabulary": 792},
            "prune.vocabulary = 800: the student can have as many pieces as its teacher at most, "
            "pretrain.vocabulary = 792",
        ),
    ],
)
def test_values_that_cannot_be_together_are_told_by_check(change: Change, said: str) -> None:
    with pytest.raises(ParamsError, match=f"runs.bbc.{said}"):
        checked(run_of(change))


def test_values_that_a_kind_cannot_have_are_told_together() -> None:
    picture = {"kind": "image/classification", "options": tiny.OPTIONS["image/classification"]}
    rewording = {"copies": 1, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1}
    teacher = {"pretrain.further": FURTHER, "pretrain.vocabulary": 800}
    with pytest.raises(ParamsError) as error:
        checked(run_of({**picture, **teacher, "distill.rewording": rewording}))
    keys = [re.split(r" =|:", fault)[0].removeprefix("runs.bbc.") for fault in error.value.faults]
    assert keys == [
        *("ingest.pool_words", "pretrain.further", "pretrain.vocabulary"),
        *("distill.rewording", "quantize.embeddings"),
    ]


def foreseen(root: Path, change: Change, **source: Any) -> str:
    """What is said before `pretrain` begins."""
    pinned = {"folder": "models/tiny", "sha256": content_hash(root / "models" / "tiny")}
    sections = checked(run_of({"distill.relations.heads": 4, "pretrain.source": pinned, **change, **source}))
    try:
        foresight.check("pretrain", "bbc", sections, root)
    except SlipwayError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"prune.layers": 5}, "prune.layers = 5: the teacher has 4; keep at most so many"),
        (
            {"prune.hidden": 40},
            "prune.hidden = 40: must be a multiple of 16, the width of the teacher's heads",
        ),
        ({"prune.depths": [1, 2]}, "prune.depths: the teacher has no such size"),
        ({"distill.relations.heads": 5}, "distill.relations.heads = 5: must divide 32, the student's width"),
        ({"distill.relations.layer": 5}, "distill.relations.layer = 5: the teacher has 4 layers"),
    ],
)
def test_sizes_that_the_checkpoint_does_not_have_are_told_before_it_is_trained(
    tmp_path: Path, change: Change, said: str
) -> None:
    tiny.checkpoint_in(tmp_path / "models" / "tiny")
    told = foreseen(tmp_path, change)
    assert (
        told.startswith(f"params.yaml: {'2 faults' if told.count('runs.') > 1 else f'runs.bbc.{said}'}")
        if said
        else told == ""
    )
    assert said in told


def test_pictures_are_looked_at_too(tmp_path: Path) -> None:
    tiny.image_checkpoint_in(tmp_path / "models" / "tiny", "mobilenet_v2")
    bare = {"layers": None, "hidden": None, "ffn": None, "vocabulary": None}
    change = {
        "kind": "image/classification",
        "options": tiny.OPTIONS["image/classification"],
        "quantize.embeddings": "as_format",
        "ingest.pool_words": None,
        "prune.layers_by": None,
        "distill.soup": 2,
        "finetune.lora": LORA,
        **{f"prune.{name}": value for name, value in {**bare, "widths": [8, 8]}.items()},
    }
    told = foreseen(tmp_path, change)
    for part in (
        "finetune.lora: mobilenet_v2 cannot be trained with LoRA",
        "finetune.freeze = 'embeddings'",
        "prune: the teacher is of the architecture 'mobilenet_v2'",
        "distill.soup = 2: weights with batch normalization cannot be averaged",
        "distill.hidden, distill.relations: the architecture 'mobilenet_v2' has no such states",
    ):
        assert f"runs.bbc.{part}" in told


def test_a_checkpoint_that_is_refused_is_told_of_first(tmp_path: Path) -> None:
    tiny.checkpoint_in(tmp_path / "models" / "tiny")
    (tmp_path / "models" / "tiny" / "config.json").unlink()
    assert "has no config.json" in foreseen(tmp_path, {"prune.layers": 5})


def test_a_vocabulary_that_cannot_be_trimmed_is_told_before_it_is_trained(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*tiny.SPECIAL, *{word for row in tiny.articles() for word in row["headline"].split()}][:1200]
    numbered = {word: number for number, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(numbered, unk_token="[UNK]"))  # noqa: S106 - no password
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {f"{name.strip('[]').lower()}_token": name for name in tiny.SPECIAL}
    tiny.checkpoint_in(
        tmp_path / "models" / "tiny", tokenizer=PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    )
    for value, change in (("prune", {}), ("pretrain", {"pretrain.vocabulary": 800})):
        said = f"runs.bbc.{value}.vocabulary: only vocabularies of WordPiece, Unigram, BPE can be trimmed"
        assert said in foreseen(tmp_path, change)


def test_finetune_looks_at_what_pretrain_has_left(tmp_path: Path) -> None:
    tiny.checkpoint_in(tmp_path / "data" / "bbc" / "pretrain" / "out")
    with pytest.raises(ModelError, match=r"runs\.bbc\.prune\.ffn = 256: the teacher has 128"):
        foresight.check(
            "finetune", "bbc", checked(run_of({"prune.ffn": 256, "distill.relations.heads": 4})), tmp_path
        )
