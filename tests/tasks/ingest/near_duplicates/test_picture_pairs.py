"""Near duplicates among pictures: copies are found, other pictures are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tasks.ingest.near_duplicates.picture_pairs import groups
from tasks.kinds.image.common import images
from tests.pictures import encoded, picture

GREY = picture().convert("L")


def near(pictures: Sequence[bytes], threshold: float) -> list[int]:
    return groups([images.thumbnail(data) for data in pictures], threshold)


@pytest.mark.parametrize(
    "copied",
    [
        lambda image: encoded(image, "JPEG", quality=60),
        lambda image: encoded(image.resize((90, 60), Image.Resampling.BICUBIC)),
        lambda image: encoded(image.resize((45, 30), Image.Resampling.BICUBIC)),
        lambda image: encoded(ImageEnhance.Brightness(image).enhance(0.9)),
    ],
)
def test_copies_are_twins_and_other_pictures_are_not(copied: Callable[[Image.Image], bytes]) -> None:
    different = [picture(seed) for seed in range(1, 6)]
    row = [*map(encoded, different), copied(different[3])]
    assert near(row, 0.995) == [0, 1, 2, 3, 4, 3]
    assert near(row[::-1], 0.995) == [0, 1, 0, 3, 4, 5]
    assert near([*row, row[2]], 1) == [0, 1, 2, 3, 4, 5, 6]


def test_the_same_shape_in_another_colour_is_no_twin() -> None:
    red, green = (
        Image.merge("RGB", [GREY if band == bright else Image.new("L", GREY.size, 40) for band in range(3)])
        for bright in (0, 1)
    )
    assert near([encoded(red), encoded(green)], 0.9) == [0, 1]


def test_one_detail_makes_a_picture_no_twin() -> None:
    spotted = picture(1, 160, 160)
    clean = encoded(spotted)
    spotted.paste((0, 0, 0), (80, 80, 95, 95))
    small = np.stack([images.thumbnail(data)[: images.THUMBNAIL] for data in (clean, encoded(spotted))])
    assert np.corrcoef(small.astype(float))[0, 1] > 0.98
    assert near([clean, encoded(spotted)], 0.98) == [0, 1]


def test_noise_all_over_makes_a_picture_no_twin() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(20, 230, images.THUMBNAIL + 6, dtype=np.uint8)
    noisy = clean + rng.integers(-18, 19, len(clean), dtype=np.int8).astype(np.uint8)
    found = np.corrcoef(np.stack([clean, noisy])[:, : images.THUMBNAIL].astype(float))[0, 1]
    assert 0.95 < found < 0.995
    assert groups([clean, noisy], found - 1e-9) == [0, 0]
    assert groups([clean, noisy], found + 1e-9) == [0, 1]


def test_flat_pictures_are_twins_only_if_equally_bright() -> None:
    flat = [Image.new("L", (40, 40), grey) for grey in (0, 0, 7, 255)]
    starry = Image.new("L", (400, 400), 0)
    starry.putpixel((200, 200), 9)
    assert near([*map(encoded, flat), encoded(starry), encoded(flat[2], "BMP")], 0.5) == [0, 0, 2, 3, 4, 2]


def test_twins_do_not_depend_on_the_blocks_or_on_other_pictures() -> None:
    rng = np.random.default_rng(0)
    many = [rng.integers(0, 256, images.THUMBNAIL + 6, dtype=np.uint8) for _ in range(600)]
    many[599] = np.minimum(many[3], 250)
    many[300] = many[20] // 2
    found = groups(many, 0.995)
    assert (found[599], found[300]) == (3, 20)
    assert [index for index in range(600) if found[index] != index] == [300, 599]
    assert groups([many[3], many[599]], 0.995) == [0, 0]
    assert groups([], 0.995) == []
