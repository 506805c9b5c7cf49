"""Images as they are met in the wild: what is kept, mended, refused, and taken for equal."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tasks.core.errors import UnusableRowError
from tasks.kinds.image.common import images
from tests.pictures import encoded, picture

EXIF_TURNED = 6


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[images.ORIENTATION] = orientation
    return made


def mend(data: bytes, longest: int = 100, shortest: int = 8) -> tuple[bytes, dict[str, int]]:
    counts: Counter[str] = Counter()
    return images.usable(data, longest, shortest, counts), dict(counts)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


RGB = picture()
GREY = RGB.convert("L")
EVERY_GREY = Image.fromarray(np.arange(2_400).reshape(40, 60).astype(np.uint8))


# -- kept --


@pytest.mark.parametrize(
    "data",
    [
        encoded(RGB),
        encoded(GREY),
        encoded(RGB, "JPEG"),
        encoded(GREY, "JPEG"),
        encoded(RGB, "BMP"),
        encoded(EVERY_GREY, "GIF"),
        encoded(RGB, "TIFF"),
        encoded(RGB, "WEBP", lossless=True),
        encoded(RGB, "PPM"),
        encoded(RGB, "JPEG", exif=exif(1)),
        encoded(RGB, "JPEG", exif=b"Exif\0\0no EXIF at all"),
        encoded(RGB, "MPO", save_all=True, append_images=[RGB]),
    ],
)
def test_a_plain_picture_is_kept_byte_for_byte(data: bytes) -> None:
    assert mend(data) == (data, {})


# -- mended --


def rgba() -> Image.Image:
    made = RGB.convert("RGBA")
    made.putalpha(Image.new("L", RGB.size, 0))
    return made


def clear_palette() -> Image.Image:
    made = Image.new("P", (60, 40), 1)
    made.putpalette([0, 0, 0, 9, 9, 9])
    made.info["transparency"] = 1
    return made


def deep(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint16))


RAMP = np.linspace(0, 65_535, 2_400).reshape(40, 60)
WHITE = np.full((40, 60, 3), 255)


@pytest.mark.parametrize(
    ("data", "told", "mode", "expected"),
    [
        (
            encoded(RGB, exif=exif(EXIF_TURNED)),
            "images turned upright (EXIF)",
            "RGB",
            pixels(RGB.rotate(-90, expand=True)),
        ),
        (encoded(RGB, exif=exif(2)), "images turned upright (EXIF)", "RGB", pixels(RGB)[:, ::-1]),
        (
            encoded(deep(RAMP)),
            "16-bit images to 8 bit",
            "L",
            np.repeat(np.round(RAMP.astype(np.uint16) / 257)[..., None], 3, 2),
        ),
        (
            encoded(deep(RAMP), "TIFF"),
            "16-bit images to 8 bit",
            "L",
            np.repeat(np.round(RAMP.astype(np.uint16) / 257)[..., None], 3, 2),
        ),
        (encoded(rgba()), "transparency laid on white", "RGB", WHITE),
        (encoded(rgba().convert("LA")), "transparency laid on white", "L", WHITE),
        (encoded(clear_palette()), "transparency laid on white", "RGB", WHITE),
        (encoded(RGB.convert("RGBA")), "transparency laid on white", "RGB", pixels(RGB)),
        (encoded(RGB.quantize(8)), "images with a palette to RGB or grey", "RGB", pixels(RGB.quantize(8))),
        (encoded(GREY, "GIF"), "images with a palette to RGB or grey", "L", pixels(GREY)),
        (encoded(GREY.convert("1")), "black-and-white images to grey", "L", pixels(GREY.convert("1"))),
        (encoded(RGB.convert("CMYK"), "TIFF"), "CMYK images to RGB", "RGB", pixels(RGB)),
        (
            encoded(EVERY_GREY, "GIF", save_all=True, append_images=[EVERY_GREY.rotate(90)]),
            "first frame of moving images taken",
            "L",
            pixels(EVERY_GREY),
        ),
    ],
)
def test_what_is_not_plain_is_mended_and_counted(
    data: bytes, told: str, mode: str, expected: np.ndarray
) -> None:
    made, counts = mend(data)
    assert counts == {told: 1}
    again = Image.open(io.BytesIO(made))
    assert (again.format, again.mode) == ("PNG", mode)
    assert np.array_equal(pixels(again), expected)
    assert np.array_equal(pixels(images.opened(data)), expected)
    assert mend(made) == (made, {})


def test_a_large_picture_is_scaled_down_in_proportion() -> None:
    made, counts = mend(encoded(RGB), longest=30)
    assert Image.open(io.BytesIO(made)).size == (30, 20)
    assert counts == {"images scaled down": 1}


def test_mends_add_up_and_only_for_pictures_that_are_kept() -> None:
    counts = Counter({"images scaled down": 3})
    images.usable(encoded(RGB.convert("CMYK"), "JPEG", exif=exif(3)), 30, 8, counts)
    assert counts == {"images scaled down": 4, "images turned upright (EXIF)": 1, "CMYK images to RGB": 1}
    with pytest.raises(UnusableRowError):
        images.usable(encoded(deep(RAMP)), 100, 50, counts)
    assert counts.total() == 6


def test_a_profile_of_other_colours_does_not_stay_with_mended_pixels() -> None:
    made, _ = mend(encoded(RGB.convert("CMYK"), "TIFF", icc_profile=b"profile of CMYK"))
    assert "icc_profile" not in Image.open(io.BytesIO(made)).info


# -- refused --


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def promising(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no image: the file is empty"),
        (b"<!DOCTYPE html><html>", "unreadable image: begins with b'<!DOCTYPE ht'; PNG, JPEG, "),
        (encoded(RGB, "ICO"), "unreadable image: begins with "),
        (encoded(RGB)[: len(encoded(RGB)) // 2], "damaged image: "),
        (flipped(encoded(RGB), 1000), "damaged image: "),
        (promising(12_000, 8_000), "too many pixels: 12,000 × 8,000; at most 64,000,000 are allowed"),
        (promising(60_000, 60_000), "too many pixels: at most 64,000,000 are allowed"),
        (promising(100, 100), "damaged image: "),
        (
            encoded(picture(width=60, height=7)),
            "image too small: 60 × 7 pixels; at least 8 on each side are needed",
        ),
        (
            encoded(picture(width=210, height=10)),
            "image drawn out: 210 × 10 pixels; sides of at most 20 to 1 are allowed",
        ),
        (
            encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
            "too many bits: the pixels are numbers with a fraction",
        ),
        (
            encoded(Image.fromarray(RAMP.astype(np.int32) * 2), "TIFF"),
            "too many bits: values from 0 to 131070",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableRowError) as caught:
        mend(data)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_what_is_cut_off_is_never_filled_up(form: str) -> None:
    """The last few bytes of some formats say nothing."""
    data = encoded(GREY if form == "GIF" else RGB, form)
    whole = images.fingerprint(data)
    outcomes = Counter(outcome(data[:size]) for size in range(0, len(data) - 1, max(1, len(data) // 40)))
    assert set(outcomes) <= {"refused", whole}
    assert outcomes["refused"] > 30


def test_no_wrong_bit_of_a_png_changes_a_pixel() -> None:
    data = encoded(RGB)
    assert {outcome(flipped(data, at)) for at in range(0, len(data), 3)} <= {"refused", outcome(data)}


def outcome(data: bytes) -> str:
    try:
        return images.fingerprint(data)
    except UnusableRowError:
        return "refused"


# -- the same --


def test_fingerprints_are_of_what_is_seen() -> None:
    same = [
        encoded(RGB),
        encoded(RGB, "BMP"),
        encoded(RGB, "WEBP", lossless=True),
        encoded(RGB.convert("RGBA")),
    ]
    assert len(set(map(images.fingerprint, same))) == 1
    other = [
        encoded(RGB, "JPEG"),
        encoded(RGB.resize((40, 60))),
        encoded(Image.fromarray(np.asarray(RGB).reshape(60, 40, 3))),
    ]
    assert len(set(map(images.fingerprint, [*same, *other]))) == 4


@pytest.mark.parametrize("name", ["AVIF", "JPEG2000", "QOI", "DIB"])
def test_picture_of_a_rarer_format_is_kept_byte_for_byte(name: str) -> None:
    data = encoded(RGB, name)
    assert mend(data) == (data, {})


def test_first_frame_of_a_moving_avif_is_taken_and_counted() -> None:
    file = io.BytesIO()
    RGB.save(file, "AVIF", save_all=True, append_images=[GREY.convert("RGB")])
    made, counts = mend(file.getvalue())
    assert counts == {"first frame of moving images taken": 1}
    assert np.abs(pixels(images.opened(made)) - pixels(RGB)).mean() < 8


@pytest.mark.parametrize(
    "data",
    [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60 40\n", b"%PDF-1.7\n", b"\xd7\xcd\xc6\x9a" + bytes(60)],
)
def test_format_that_runs_another_program_is_not_decoded(data: bytes) -> None:
    with pytest.raises(UnusableRowError, match="unreadable image"):
        mend(data)
