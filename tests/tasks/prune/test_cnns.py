"""Networks in stages are cut to the sizes asked for, what carries nothing goes first, and the result is a
plain checkpoint.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_pruning as tp
from transformers import AutoConfig, AutoModelForImageClassification

from tasks.architectures import catalog
from tasks.architectures.record import ConvNet
from tasks.core.errors import ModelError
from tasks.kinds.image.common import efficientnet_lite
from tasks.prune import activations, layer_choice, registry
from tasks.prune.pruner import IMPORTANCE

RESNET = {"embedding_size": 16, "hidden_sizes": [16, 24, 32], "depths": [2, 3, 1]}
LITE = {"stem_width": 16, "widths": [16, 24, 32], "head_width": 64, "depths": [1, 3, 2]}
LITE_STAGES = {"kernel_sizes": [3, 5, 3], "strides": [1, 2, 2], "expansions": [1, 6, 6]}
# Architecture, its teacher, the sizes wanted, the values they have in the config.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, list[int]], dict[str, Any]]] = {
    "convnext": (
        "convnext",
        {
            "hidden_sizes": [16, 24, 32],
            "depths": [2, 3, 1],
            "num_stages": 3,
            "layer_scale_init_value": 1.0,
            "image_size": 32,
        },
        {"depths": [2, 2, 1], "widths": [8, 16, 24]},
        {"hidden_sizes": [8, 16, 24], "depths": [2, 2, 1]},
    ),
    "resnet, basic, its stem flows on": (
        "resnet",
        {**RESNET, "layer_type": "basic"},
        {"depths": [1, 2, 1], "widths": [8, 16, 24]},
        {"embedding_size": 8, "hidden_sizes": [8, 16, 24], "depths": [1, 2, 1]},
    ),
    "resnet, basic, with a shortcut behind its stem": (
        "resnet",
        {**RESNET, "layer_type": "basic", "downsample_in_first_stage": True},
        {"depths": [1, 2, 1], "widths": [16, 8, 8]},
        {"embedding_size": 16, "hidden_sizes": [16, 8, 8], "depths": [1, 2, 1]},
    ),
    "resnet, bottleneck": (
        "resnet",
        {**RESNET, "layer_type": "bottleneck", "hidden_sizes": [32, 48, 64]},
        {"depths": [2, 2, 1], "widths": [24, 32, 40]},
        {"embedding_size": 16, "hidden_sizes": [24, 32, 40], "depths": [2, 2, 1]},
    ),
    "efficientnet_lite": (
        "efficientnet_lite",
        {**LITE, **LITE_STAGES},
        {"depths": [1, 2, 1], "widths": [8, 8, 16, 24, 40]},
        {"stem_width": 8, "widths": [8, 16, 24], "head_width": 40, "depths": [1, 2, 1]},
    ),
}
BATCH_NORM = [name for name in CASES if name != "convnext"]
PICTURES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


pytestmark = pytest.mark.usefixtures("one_thread")


def teacher(case: str) -> Any:
    torch.manual_seed(0)
    name, shape, _, _ = CASES[case]
    return AutoModelForImageClassification.from_config(
        AutoConfig.for_model(name, **shape, num_labels=3)
    ).eval()


def layout(model: Any) -> ConvNet:
    found = catalog.of(model.config).layout
    assert isinstance(found, ConvNet)
    return found


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(PICTURES).logits
    return answer


def pruned(model: Any, sizes: dict[str, list[int]], importance: str) -> Any:
    model = copy.deepcopy(model)
    architecture = registry.pruner(model.config)
    assert architecture.faults(model.config, sizes) == []
    architecture.keep_layers(model, sizes, layer_choice.evenly)
    with activations.measured(model):
        answer = model(PICTURES).logits
    torch.nn.functional.cross_entropy(answer, torch.arange(len(PICTURES)) % 3).backward()
    return architecture.narrow(model, sizes, importance)


def kill(model: Any, widths: list[int]) -> None:
    """Sets to zero, at random places, as many channels as these widths cut off."""
    network = layout(model)
    config, chance = copy.deepcopy(model.config), torch.Generator().manual_seed(1)
    network.resize(config, widths)
    graph = tp.DependencyGraph().build_dependency(
        model, PICTURES, output_transform=lambda output: output.logits
    )
    for module, width in network.wishes(model.base_model, config):
        have: int = graph.get_out_channels(module)
        dead = torch.randperm(have, generator=chance)[: have - width].tolist()
        for dependency, at in (
            graph.get_pruning_group(module, tp.prune_conv_out_channels, dead) if dead else []
        ):
            tied = dependency.target.module
            if dependency.handler in (tp.prune_conv_in_channels, tp.prune_linear_in_channels):
                tied.weight.data[:, at] = 0
            elif isinstance(tied, torch.nn.Module):
                for tensor in tied.parameters(recurse=False):
                    tensor.data[at] = 0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("importance", IMPORTANCE)
def test_sizes_are_those_asked_for_and_the_checkpoint_is_plain(
    tmp_path: Path, case: str, importance: str
) -> None:
    student = pruned(teacher(case), CASES[case][2], importance)
    student.save_pretrained(tmp_path)
    again = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    assert {name: getattr(again.config, name) for name in CASES[case][3]} == CASES[case][3]
    assert torch.equal(logits(again), logits(student))


@pytest.mark.parametrize("case", CASES)
def test_keeping_everything_changes_no_logit(case: str) -> None:
    model = teacher(case)
    everything = registry.pruner(model.config).sizes(model.config)
    for sizes in ({}, everything, {"widths": everything["widths"]}):
        assert torch.equal(logits(pruned(model, sizes, "taylor")), logits(model))


@pytest.mark.parametrize("case", BATCH_NORM)
@pytest.mark.parametrize("importance", IMPORTANCE)
def test_what_carries_nothing_goes_first(case: str, importance: str) -> None:
    model, widths = teacher(case), CASES[case][2]["widths"]
    kill(model, widths)
    student = pruned(model, {"widths": widths}, importance)
    assert student.num_parameters() < 0.8 * model.num_parameters()
    np.testing.assert_allclose(logits(student), logits(model), atol=1e-5)


@pytest.mark.parametrize("importance", IMPORTANCE)
def test_in_convnext_the_weakest_channels_go_everywhere(importance: str) -> None:
    model = teacher("convnext")
    weak = torch.tensor([1, 2, 5, 7, 8, 11, 13, 14])
    alive = torch.tensor([at for at in range(16) if at not in weak])
    inner = torch.arange(64)
    with torch.no_grad():
        model.convnext.embeddings.patch_embeddings.weight[weak] *= 1e-6
        model.convnext.embeddings.layernorm.weight[weak] *= 1e-6
        for block in model.convnext.encoder.stages[0].layers:
            block.layer_scale_parameter.copy_(torch.arange(16) / 16)
            block.pwconv1.weight[:, weak] *= 1e-6
            block.pwconv2.weight[weak] *= 1e-6
            block.pwconv1.bias.copy_(inner)
            block.layernorm.weight[weak] *= 1e-6
        model.convnext.encoder.stages[1].downsampling_layer[0].weight[weak] *= 1e-6
        model.convnext.encoder.stages[1].downsampling_layer[1].weight[:, weak] *= 1e-6
    student = pruned(model, {"widths": [8, 24, 32]}, importance)
    for old, new in zip(
        model.convnext.encoder.stages[0].layers, student.convnext.encoder.stages[0].layers, strict=True
    ):
        kept = new.pwconv1.bias.long()
        assert len(kept) == 32
        assert torch.equal(new.layer_scale_parameter, old.layer_scale_parameter[alive])
        assert torch.equal(new.pwconv1.weight, old.pwconv1.weight[kept][:, alive])
        assert torch.equal(new.pwconv2.weight, old.pwconv2.weight[alive][:, kept])
        assert torch.equal(new.dwconv.weight, old.dwconv.weight[alive])


@pytest.mark.parametrize("case", CASES)
def test_blocks_are_spread_and_keep_their_weights(case: str) -> None:
    model = teacher(case)
    architecture, network = registry.pruner(model.config), layout(model)
    before = [list(blocks) for blocks in network.stages(model.base_model)]
    kept = architecture.keep_layers(model, {"depths": [1, 2, 1]}, layer_choice.evenly)
    assert kept == [[0], [0, 2], [0]]
    after = [list(blocks) for blocks in network.stages(model.base_model)]
    assert after == [[before[0][0]], [before[1][0], before[1][2]], [before[2][0]]]
    assert model.config.depths == [1, 2, 1]
    assert logits(model).isfinite().all()


@pytest.mark.parametrize(
    ("case", "sizes", "said"),
    [
        ("convnext", {"depths": [2, 4, 1]}, ["prune.depths[1] = 4: the teacher has 3"]),
        ("convnext", {"depths": [2, 0, 1]}, ["prune.depths[1] = 0", "at least 1"]),
        (
            "convnext",
            {"widths": [16, 24]},
            ["prune.widths = [16, 24]", "3 numbers, one for each stage", "[16, 24, 32]"],
        ),
        (
            "convnext",
            {"hidden": 16, "widths": [16, 24, 64]},
            ["prune.hidden: the teacher has no such size", "prune.widths[2] = 64"],
        ),
        (
            "efficientnet_lite",
            {"widths": [16, 24, 32]},
            ["5 numbers, the stem, each stage, the head", "[16, 16, 24, 32, 64]"],
        ),
        ("resnet, bottleneck", {"widths": [16, 48, 64]}, ["prune.widths[0] = 16", "no shortcut"]),
    ],
)
def test_impossible_sizes_are_told(case: str, sizes: dict[str, Any], said: list[str]) -> None:
    config = teacher(case).config
    faults = " ".join(registry.pruner(config).faults(config, sizes))
    assert all(part in faults for part in said), faults


@pytest.mark.parametrize(
    ("name", "said"),
    [("mobilenet_v2", "by one multiplier"), ("efficientnet", "rule of rounding"), ("swin", "but not pruned")],
)
def test_what_cannot_be_cut_is_refused(name: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        registry.pruner(AutoConfig.for_model(name))
    assert said in str(caught.value)
    assert "EfficientNet-Lite" in str(caught.value)


def test_the_embedded_model_can_be_halved() -> None:
    config = efficientnet_lite.EfficientNetLiteConfig(num_labels=2)
    architecture = registry.pruner(config)
    assert architecture.sizes(config)["widths"] == [32, 16, 24, 40, 80, 112, 192, 320, 1280]
    model = efficientnet_lite.EfficientNetLiteForImageClassification(config).eval()
    sizes = {"depths": [1, 1, 1, 2, 2, 2, 1], "widths": [16, 8, 16, 24, 40, 56, 96, 160, 320]}
    architecture.keep_layers(model, sizes, layer_choice.evenly)
    student: Any = architecture.narrow(model, sizes, "magnitude")
    assert student.num_parameters() < 0.2 * 3_371_008
    assert logits(student).shape == (8, 2)
