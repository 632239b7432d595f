"""Decodes image files and bytes with one clear error for what cannot be read. It must not know any data set."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from PIL import Image

from fer_bench.errors import DataError

Mode = Literal["L", "RGB"]
Box = tuple[float, float, float, float]

#: Files that count as images in folders, by their ending in lower case.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
_GRAY = ("1", "L", "LA")


@dataclass(frozen=True)
class Look:
    """What an image's header says: its size in pixels, and whether it holds gray values only."""

    height: int
    width: int
    gray: bool


def decode(content: object, where: str, mode: Mode, side: int | None = None, box: Box | None = None) -> np.ndarray:
    """uint8 pixels `(height, width)` for mode "L", `(height, width, 3)` for "RGB". Raises DataError naming `where`.

    `content`: the encoded bytes; anything else is an error.
    `where`: what names the image in messages.
    `mode`: gray or colour.
    `side`: brings the result to `(side, side)`: its largest central square, by bicubic interpolation with antialiasing.
    `box`: (left, top, right, bottom) in pixels, cut out first; black where it reaches beyond the image.
    """
    if not isinstance(content, bytes):
        raise DataError(f"{where} holds no image bytes but {type(content).__name__}; fetch the data again.")
    with _opened(io.BytesIO(content), where) as image:
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{where} cannot be read as 8-bit pixels (mode {image.mode}); convert it to 8 bits.")
        pixels = image.convert(mode)
        if box is not None:
            pixels = _cut(pixels, box, where)
        if side is not None:
            pixels = _squared(pixels, side)
        return np.asarray(pixels)


def read(path: Path, mode: Mode, side: int | None = None, box: Box | None = None) -> np.ndarray:
    """The decoded pixels of a file, as `decode`."""
    with _file(path) as stream:
        content = stream.read()
    return decode(content, str(path), mode, side, box)


def look(content: object, where: str) -> Look:
    """What the header of encoded bytes says, without decoding them. Raises DataError naming `where`."""
    return _look(io.BytesIO(content if isinstance(content, bytes) else b""), where)


def look_at(path: Path) -> Look:
    """What the header of a file says, as `look`."""
    with _file(path) as stream:
        return _look(stream, str(path))


def _look(stream: IO[bytes], where: str) -> Look:
    with _opened(stream, where) as image:
        return Look(image.height, image.width, image.mode in _GRAY)


@contextmanager
def _file(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as stream:
            yield stream
    except (OSError, ValueError) as error:  # ValueError: a path that can be none
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} cannot be read ({reason}); check the path and its permissions.") from error


@contextmanager
def _opened(stream: IO[bytes], where: str) -> Iterator[Image.Image]:
    try:
        with Image.open(stream) as image:
            yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever a damaged file makes them raise
        raise DataError(
            f"{where} cannot be read as an image ({error or type(error).__name__}); replace or remove it."
        ) from error


def _cut(image: Image.Image, box: Box, where: str) -> Image.Image:
    """The box, at most three times as wide and high as the image: a larger one is a mistake, and fills the memory."""
    left, top, right, bottom = (round(edge) for edge in box)
    fits = 0 < right - left <= 3 * image.width and 0 < bottom - top <= 3 * image.height
    if not fits or right <= 0 or bottom <= 0 or left >= image.width or top >= image.height:
        raise DataError(
            f"{where}: the face's box {left}, {top}, {right}, {bottom} does not fit the image of {image.width}x"
            f"{image.height}; correct or remove it."
        )
    return image.crop((left, top, right, bottom))


def _squared(image: Image.Image, side: int) -> Image.Image:
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.BICUBIC)
