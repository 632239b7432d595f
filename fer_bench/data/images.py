"""Decodes image files and bytes with one clear error for what cannot be read. It must not know any data set."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer_bench.errors import DataError

Mode = Literal["L", "RGB"]


def decode(content: bytes, where: str, mode: Mode) -> np.ndarray:
    """uint8 pixels `(height, width)` for mode "L", `(height, width, 3)` for "RGB". Raises DataError naming `where`."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert(mode))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{where} cannot be read as an image ({error or type(error).__name__}); replace or remove it."
        ) from error


def read(path: Path, mode: Mode) -> np.ndarray:
    """The decoded pixels of a file, as `decode`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path and its permissions.") from error
    return decode(content, str(path), mode)
