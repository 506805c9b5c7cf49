"""Pictures: what ingest makes of good and bad ones, how they are varied, and what numbers a model reads."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.core.errors import DataError, ModelError, ParamsError
from tasks.ingest import stage as ingest
from tasks.kinds.image.classification.kind import KIND
from tasks.kinds.image.common import images, pixels
from tasks.kinds.image.common.augmentation import Augment, varied
from tests import tiny
from tests.tasks import stage

GIVEN: dict[str, Any] = {"kind": "image/classification", "options": tiny.OPTIONS["image/classification"]}
FEW = {
    "columns": {"image": "image", "label": "label"},
    "min_rows_per_class": 3,
    "min_test_rows": 5,
    "near_duplicates": 1.0,
    "validation": 0.25,
}
NONE = Augment(
    mirror=False, flip=False, quarter_turns=False, shift=0.0, brightness=0.0, contrast=0.0, erase=0.0
)


def class_folders(raw: Path, count: int = 300) -> Path:
    for row in tiny.digits()[:count]:
        (raw / row["label"]).mkdir(parents=True, exist_ok=True)
        (raw / row["label"] / f"{row['id']}.png").write_bytes(row["image"])
    return raw


def encoded(form: str = "PNG", size: tuple[int, int] = (20, 20), **extra: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (*size, 3), dtype=np.uint8)).save(
        file, form, **extra
    )
    return file.getvalue()


def take_in(raw: Path, home: Path, **changed: Any) -> dict[str, Any]:
    stage.run("ingest", ingest.Inputs(raw), home, **{**GIVEN, **FEW, **changed})
    report: dict[str, Any] = json.loads((home / "out" / "report.json").read_text())
    return report


def test_class_folders_become_rows_that_hold_their_pictures(tmp_path: Path) -> None:
    report = take_in(class_folders(tmp_path / "digits"), tmp_path / "ingest")
    assert sum(report["rows"].values()) == 300
    assert report["extent_of"] == "longer side of a picture, in pixels"
    assert report["extent"]["train"]["100 %"] == 16
    row = pq.read_table(tmp_path / "ingest" / "out" / "train.parquet").to_pylist()[0]
    assert row["image"] == (tmp_path / "digits" / row["label"] / Path(row["file"]).name).read_bytes()


def test_bad_pictures_are_set_aside_with_the_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    raw = class_folders(tmp_path / "digits")
    spoilt = {
        "empty.png": b"",
        "page.png": b"<!DOCTYPE html>",
        "cut.jpg": encoded("JPEG")[:300],
        "dot.png": encoded(size=(4, 4)),
        "line.png": encoded(size=(8, 400)),
        "twin.png": tiny.digits()[0]["image"],
    }
    for name, data in spoilt.items():
        (raw / tiny.digits()[0]["label"] / name).write_bytes(data)
    (raw / "0" / "UPPER.JPG").write_bytes(encoded("JPEG", exif=_turned()))
    report = take_in(raw, tmp_path / "ingest")
    assert report["read"] == 307
    assert report["rejected"] == {
        "damaged image": 1,
        "duplicate": 1,
        "image drawn out": 1,
        "image too small": 1,
        "no image": 1,
        "unreadable image": 1,
    }
    assert report["cleaned"] == {"images turned upright (EXIF)": 1}


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_table_names_files_and_bad_names_are_set_aside(tmp_path: Path) -> None:
    raw = class_folders(tmp_path / "digits")
    lines = [
        {"image": path.relative_to(raw).as_posix(), "label": path.parent.name}
        for path in sorted(raw.rglob("*.png"))
    ]
    lines += [{"image": name, "label": "0"} for name in ("../../secret.png", "/etc/passwd", "gone.png", "")]
    lines += [{"image": lines[0]["image"], "label": ""}]
    (tmp_path / "secret.png").write_bytes(encoded())
    with (raw / "list.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "label"])
        writer.writeheader()
        writer.writerows(lines)
    report = take_in(raw, tmp_path / "ingest")
    assert sum(report["rows"].values()) == 300
    assert report["rejected"] == {"no label": 1, "no picture": 1, "no such file": 1, "unsafe path": 2}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"columns": {"text": "image", "label": "label"}}, "unknown role `text`"),
        ({"columns": {"image": "picture", "label": "label"}}, "no column `picture` (role image)"),
        ({"columns": {"label": "label"}}, "the role `image` is missing"),
        ({"options": {**GIVEN["options"], "shortest_side": 64}}, "no row is left"),
        ({"min_rows_per_class": 100}, "fewer than ingest.min_rows_per_class = 100"),
        ({"split": "given"}, "says no side"),
    ],
)
def test_faults_stop_ingest_with_one_message(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    raw = class_folders(tmp_path / "digits", 60)
    with pytest.raises((DataError, ParamsError)) as caught:
        take_in(raw, tmp_path / "ingest", **changed)
    assert said in str(caught.value)
    assert not (tmp_path / "ingest" / "out").exists()


def test_near_duplicates_of_rows_that_measure_are_set_aside(tmp_path: Path) -> None:
    raw = tmp_path / "pictures"
    for number in range(60):
        noise = np.random.default_rng(number).integers(0, 255, (5, 5, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize((48, 48), Image.Resampling.BICUBIC)
        (raw / str(number % 2)).mkdir(parents=True, exist_ok=True)
        picture.save(raw / str(number % 2) / f"{number}.png")
        picture.save(raw / str(number % 2) / f"{number}-again.jpg", quality=90)
    report = take_in(raw, tmp_path / "ingest", near_duplicates=0.98)
    tables = [
        pq.read_table(tmp_path / "ingest" / "out" / f"{side}.parquet").to_pylist()
        for side in ("train", "validation", "test")
    ]
    sides = [{row["file"].split("/")[1].split("-")[0].split(".")[0] for row in rows} for rows in tables]
    assert report["rejected"]["near duplicate"] > 10
    assert not (sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2])
    assert sum(map(len, sides)) == 60


# -- variations --


def picture(side: int = 24) -> np.ndarray:
    return np.random.default_rng(5).integers(60, 190, (side, side, 3)).astype(np.uint8)


def test_nothing_asked_for_changes_nothing() -> None:
    np.testing.assert_array_equal(varied(picture(), 7, NONE), picture())


@pytest.mark.parametrize(
    "change",
    [
        {"mirror": True},
        {"flip": True},
        {"quarter_turns": True},
        {"shift": 0.3},
        {"brightness": 0.2},
        {"contrast": 0.5},
        {"erase": 0.5},
    ],
)
def test_each_variation_changes_some_pictures_and_follows_from_its_seed(change: dict[str, Any]) -> None:
    augment = NONE.model_copy(update=change)
    made = [varied(picture(), seed, augment) for seed in range(30)]
    assert all(one.shape == (24, 24, 3) and one.dtype == np.uint8 for one in made)
    assert len({one.tobytes() for one in made}) > 1
    for seed in (0, 29):
        np.testing.assert_array_equal(varied(picture(), seed, augment), made[seed])
    if change.keys() <= {"mirror", "flip", "quarter_turns"}:
        assert all(np.array_equal(np.sort(one, axis=None), np.sort(picture(), axis=None)) for one in made)


def test_transfer_set_begins_alike_whatever_its_size(tmp_path: Path) -> None:
    rows, options = tiny.digits()[:10], KIND.options.model_validate(GIVEN["options"])
    few, many = (KIND.data.transfer(rows, [], count, options) for count in (15, 40))
    assert few == many[:15]
    assert all(row["label"] is None for row in many)
    processor = KIND.model.load_processor(tiny.image_checkpoint_in(tmp_path))
    features = KIND.model.encode(processor, many, [], 32)
    assert features[0]["pixels"] is features[10]["pixels"]
    batch = KIND.model.collate(processor, [features[0], features[10]])["pixel_values"]
    assert not batch[0].equal(batch[1])


def test_pixels_are_those_of_the_image_processor(tmp_path: Path) -> None:
    """Ours go the same way in training and where the model is served.

    Transformers' own processor says what the way is.
    """
    processor = KIND.model.load_processor(tiny.image_checkpoint_in(tmp_path))
    data = encoded(size=(50, 37))
    ours = KIND.model.collate(processor, KIND.model.encode(processor, [{"image": data}], [], 32))[
        "pixel_values"
    ].numpy()
    theirs = processor(images.opened(data), return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert pixels.normalized(np.zeros((1, 4, 4, 3), np.uint8), 1.0, [0.5] * 3, [0.5] * 3).shape == (
        1,
        3,
        4,
        4,
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"include_top": False},
        {"rescale_offset": True, "rescale_factor": 1 / 127.5},
        {"do_normalize": False},
    ],
)
def test_colours_of_another_processor_are_taken_over(tmp_path: Path, given: dict[str, Any]) -> None:
    """transformers' EfficientNet normalizes twice, or takes 1 off.

    Ours gives the same numbers in one step.
    """
    from transformers import AutoModel, EfficientNetImageProcessorPil

    theirs = EfficientNetImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False, **given)
    model = AutoModel.from_pretrained(tiny.image_checkpoint_in(tmp_path, "resnet"))
    processor, faults = KIND.model.fit(model, theirs, 32, None)
    data = encoded(size=(32, 32))
    ours = KIND.model.collate(processor, KIND.model.encode(processor, [{"image": data}], [], 32))[
        "pixel_values"
    ].numpy()
    assert faults == []
    np.testing.assert_allclose(
        ours, theirs(images.opened(data), return_tensors="np")["pixel_values"], atol=1e-5
    )


@pytest.mark.parametrize("content", ["[]", "{", '{"image_processor_type": 5}'])
def test_torn_image_processor_is_refused(tmp_path: Path, content: str) -> None:
    folder = tiny.image_checkpoint_in(tmp_path / "torn")
    (folder / "preprocessor_config.json").write_text(content)
    with pytest.raises(ModelError, match="torn: its image processor cannot be read"):
        KIND.model.load_processor(folder)
