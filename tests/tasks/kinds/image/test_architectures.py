"""Every architecture of pictures on its way from a checkpoint to an int8 graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DataError, ModelError, ParamsError
from tasks.distill import stage as distill
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.kinds.image.classification.kind import KIND
from tasks.models import outputs
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK

GIVEN: dict[str, Any] = {"kind": "image/classification", "options": tiny.OPTIONS["image/classification"]}
CUTS: dict[str, dict[str, Any]] = {
    "convnext": {"depths": [1, 1, 1, 1], "widths": [8, 16, 24, 32]},
    "efficientnet_lite": tiny.CUT["image/classification"],
    "resnet": {"depths": [1, 1, 1, 1], "widths": [16, 16, 24, 32]},
    "vit": {"layers": 2, "hidden": 32, "ffn": 64},
    "mobilenet_v2": {},
}


@pytest.mark.parametrize(
    "architecture", [pytest.param(name, marks=[] if name == "vit" else [pytest.mark.slow]) for name in CUTS]
)
def test_architecture_goes_from_checkpoint_to_int8(tmp_path: Path, architecture: str) -> None:
    ingested = tiny.ingest_out(tmp_path / "ingest", train=80, kind="image/classification")
    pretrained = tiny.image_checkpoint_in(tmp_path / "pretrained", architecture)
    quick = {**QUICK, "epochs": 1, "batch_size": 16}
    stage.run(
        "finetune",
        finetune.Inputs(ingested, pretrained),
        tmp_path / "finetune",
        **GIVEN,
        **quick,
        freeze="none",
        pool_outputs=20,
    )
    sizes = {
        **dict.fromkeys(("layers", "hidden", "ffn", "vocabulary", "depths", "widths")),
        **CUTS[architecture],
    }
    cut = prune.Inputs(ingested, tmp_path / "finetune" / "out")
    figures = stage.run(
        "prune", cut, tmp_path / "prune", **GIVEN, **sizes, measured={"batches": 2, "batch_size": 8}
    ).figures
    inputs = distill.Inputs(
        ingested, tmp_path / "prune" / "out", tmp_path / "finetune" / "outputs", tmp_path / "finetune" / "out"
    )
    stage.run("distill", inputs, tmp_path / "distill", **GIVEN, **quick, pool=20, repeats=1)
    limits = {
        "graph": "exported",
        "format": "int8-static",
        "calibration_rows": 20,
        "max_difference": 1e-3,
        "min_agreement": 0.3,
    }
    stage.run(
        "quantize",
        quantize.Inputs(ingested, tmp_path / "distill" / "out"),
        tmp_path / "quantize",
        **GIVEN,
        **limits,
    )
    with pytest.raises(DataError, match=r"gone.png': no such file: "):
        package.load(tmp_path / "quantize" / "out", GIVEN["kind"])(str(tmp_path / "gone.png"))
    answers = outputs.read(tmp_path / "finetune" / "outputs" / "validation.safetensors").logits
    assert answers.std(axis=0).max() > 0.01
    before = json.loads((tmp_path / "finetune" / "out" / "config.json").read_text())
    after = json.loads((tmp_path / "distill" / "out" / "config.json").read_text())
    assert (before != after) == bool(CUTS[architecture])
    assert ("layers_kept" in figures) == bool(CUTS[architecture])


def test_architecture_that_no_config_can_describe_is_not_cut(tmp_path: Path) -> None:
    ingested = tiny.ingest_out(tmp_path / "ingest", kind="image/classification")
    pretrained = tiny.image_checkpoint_in(tmp_path / "pretrained", "mobilenet_v2")
    stage.run(
        "finetune",
        finetune.Inputs(ingested, pretrained),
        tmp_path,
        **GIVEN,
        **QUICK,
        freeze="none",
        pool_outputs=0,
    )
    sizes = {**dict.fromkeys(("layers", "hidden", "ffn", "vocabulary")), "depths": [1], "widths": [8]}
    with pytest.raises(ModelError, match="mobilenet_v2"):
        stage.run("prune", prune.Inputs(ingested, tmp_path / "out"), tmp_path / "prune", **GIVEN, **sizes)


def test_size_that_a_vit_cannot_read_is_refused(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = tiny.image_checkpoint_in(tmp_path, "vit")
    _, faults = KIND.model.fit(AutoModel.from_pretrained(folder), KIND.model.load_processor(folder), 64, None)
    assert len(faults) == 1
    assert faults[0].startswith(
        "input_size = 64: it cannot read pictures of this size (Input image size (64*64)"
    )
    assert (
        KIND.model.fit(AutoModel.from_pretrained(folder), KIND.model.load_processor(folder), 32, None)[1]
        == []
    )


def test_static_int8_needs_calibration_rows(tmp_path: Path) -> None:
    limits = {
        "graph": "exported",
        "format": "int8-static",
        "calibration_rows": None,
        "max_difference": 1e-4,
        "min_agreement": 0.0,
    }
    with pytest.raises(ParamsError, match=r"quantize.calibration_rows = null"):
        stage.run("quantize", quantize.Inputs(tmp_path, tmp_path), tmp_path, **GIVEN, **limits)
