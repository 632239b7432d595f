"""Decodes image files and bytes with one clear error for what cannot be read. It must not know any data set."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from fer_bench.errors import DataError

Mode = Literal["L", "RGB"]


def decode(content: object, where: str, mode: Mode) -> np.ndarray:
    """uint8 pixels `(height, width)` for mode "L", `(height, width, 3)` for "RGB". Raises DataError naming `where`."""
    if not isinstance(content, bytes):
        raise DataError(f"{where} holds no image bytes but {type(content).__name__}; fetch the data again.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image.convert(mode))
    except Exception as error:  # Pillow's parsers raise whatever a damaged file makes them raise
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
