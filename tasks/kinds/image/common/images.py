"""What an encoded image is worth: whether it can be used, what of it must be mended, and whether two of them
show the same.

A *plain* picture is upright, 8 bits deep, grey (L) or RGB, without transparency. What is so already is kept
byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from tasks.core.errors import UnusableRowError

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000", "QOI")
"""Of photographs and drawings. None that runs another program (EPS, PDF, WMF), none without a mark at its
beginning (TGA, PCX)."""
MOST_PIXELS = 64_000_000
MOST_STRETCHED = 20
"""How many times longer than the other a side may be."""
ORIENTATION = 0x0112
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
CONVERTED = {
    "CMYK": "CMYK images to RGB",
    "P": "images with a palette to RGB or grey",
    "1": "black-and-white images to grey",
}
HIGHEST_16_BIT = 65_535
SIDE = 16
THUMBNAIL = 3 * SIDE * SIDE


def usable(data: bytes, longest: int, shortest: int, mended: Counter[str]) -> bytes:
    """The same bytes if the picture is plain and no side is above `longest` pixels, else a PNG of it that is
    so; counts what was mended.

    Raises:
        UnusableRowError: no image, damaged, with too many pixels or bits, drawn out, or a side is below
            `shortest` pixels.
    """
    picture, moving = _decoded(data)
    _check_shape(picture, shortest)
    mends = ["first frame of moving images taken"] if moving else []
    plain = _plain(picture, mends)
    if max(plain.size) > longest:
        plain = _scaled(plain, longest)
        mends.append("images scaled down")
    mended.update(mends)
    return _png(plain) if mends else data


def opened(data: bytes) -> Image.Image:
    """Plain, of any size.

    Raises:
        UnusableRowError: no image, damaged, or with too many pixels or bits.
    """
    picture, _ = _decoded(data)
    return _plain(picture, [])


def fingerprint(data: bytes) -> str:
    """Equal for the same picture in two formats that lose nothing."""
    picture = opened(data).convert("RGB")
    width, height = picture.size
    return hashlib.sha256(f"{width}x{height}:".encode() + picture.tobytes()).hexdigest()


def thumbnail(data: bytes) -> np.ndarray:
    """(THUMBNAIL + 6,) uint8.

    The picture made small, then the darkest and the brightest value of each colour in the large one.
    """
    picture = opened(data).convert("RGB")
    small = np.asarray(picture.resize((SIDE, SIDE), Resampling.BILINEAR), dtype=np.uint8)
    extremes = [value for band in picture.split() for value in band.getextrema()]
    return np.concatenate([small.ravel(), np.asarray(extremes, dtype=np.uint8)])


# -- decoding --


def _decoded(data: bytes) -> tuple[Image.Image, bool]:
    """The first frame, and whether others follow.

    (In an MPO, which cameras write, that is a preview or a picture for the other eye.)
    """
    if not data:
        raise UnusableRowError("no image: the file is empty")
    # What PIL warns of is either refused here or does not matter.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_pixels(picture)
            _check_sums(data)
            moving = picture.format != "MPO" and getattr(picture, "is_animated", False)
            picture.load()
        except UnidentifiedImageError:
            raise UnusableRowError(
                f"unreadable image: begins with {data[:12]!r}; {', '.join(FORMATS)} can be read"
            ) from None
        except Image.DecompressionBombError:
            raise UnusableRowError(f"too many pixels: at most {MOST_PIXELS:,} are allowed") from None
        except UnusableRowError:
            raise
        # Decoders meet bytes of any kind here, and raise nearly anything.
        except Exception as error:
            raise UnusableRowError(f"damaged image: {str(error) or type(error).__name__}") from None
    return picture, moving


def _check_pixels(picture: Image.Image) -> None:
    """By the header, before anything is decoded."""
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise UnusableRowError(
            f"too many pixels: {width:,} × {height:,}; at most {MOST_PIXELS:,} are allowed"
        )


def _check_sums(data: bytes) -> None:
    """A PNG has checksums, which decoding does not look at.

    An image that was verified cannot be decoded any more.
    """
    Image.open(io.BytesIO(data), formats=FORMATS).verify()


def _check_shape(picture: Image.Image, shortest: int) -> None:
    width, height = picture.size
    if min(width, height) < shortest:
        raise UnusableRowError(
            f"image too small: {width} × {height} pixels; at least {shortest} on each side are needed"
        )
    if max(width, height) > MOST_STRETCHED * min(width, height):
        raise UnusableRowError(
            f"image drawn out: {width} × {height} pixels; sides of at most {MOST_STRETCHED} to 1 are allowed"
        )


# -- mending --


def _plain(picture: Image.Image, mends: list[str]) -> Image.Image:
    turn = UPRIGHT.get(_orientation(picture))
    if turn is not None:
        mends.append("images turned upright (EXIF)")
        picture = picture.transpose(turn)
    if picture.mode.startswith("I"):
        mends.append("16-bit images to 8 bit")
        return _eight_bit(picture)
    if picture.has_transparency_data:
        mends.append("transparency laid on white")
        return _on_white(picture)
    if picture.mode in ("L", "RGB"):
        return picture
    mends.append(CONVERTED.get(picture.mode, "images of other colour spaces to RGB"))
    return _converted(picture)


def _orientation(picture: Image.Image) -> int:
    try:
        found = picture.getexif().get(ORIENTATION, 1)
    except Exception:
        # EXIF is written by cameras and mended by programs of any quality; the picture is sound without it.
        return 1
    return found if isinstance(found, int) else 1


def _eight_bit(picture: Image.Image) -> Image.Image:
    """The whole range of 16 bits to that of 8, the same for every picture."""
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > HIGHEST_16_BIT:
        raise UnusableRowError(
            f"too many bits: values from {values.min()} to {values.max()}; 0 to {HIGHEST_16_BIT} are allowed"
        )
    return Image.fromarray(
        ((values.astype(np.uint32) * 255 + HIGHEST_16_BIT // 2) // HIGHEST_16_BIT).astype(np.uint8)
    )


def _on_white(picture: Image.Image) -> Image.Image:
    grey = picture.mode in ("1", "L", "LA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("L" if grey else "RGB")


def _converted(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise UnusableRowError(
            "too many bits: the pixels are numbers with a fraction; 8 or 16 bits are allowed"
        )
    if picture.mode == "1":
        return picture.convert("L")
    try:
        bands = picture.convert("RGB").split()
        return bands[0] if len({band.tobytes() for band in bands}) == 1 else Image.merge("RGB", bands)
    except ValueError as error:
        raise UnusableRowError(f"unknown colour space: {picture.mode} ({error})") from None


def _scaled(picture: Image.Image, longest: int) -> Image.Image:
    share = longest / max(picture.size)
    width, height = (max(1, round(side * share)) for side in picture.size)
    return picture.resize((width, height), Resampling.LANCZOS)


def _png(picture: Image.Image) -> bytes:
    """Without what the original said of itself: it was true of another picture."""
    bare = picture.copy()
    bare.info = {}
    file = io.BytesIO()
    bare.save(file, "PNG")
    return file.getvalue()
