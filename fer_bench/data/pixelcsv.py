"""Reads the csv in which Kaggle gave out FER2013, and others CK+: one line of 48x48 pixel values an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.data import layout
from fer_bench.errors import DataError

SIDE = 48


@dataclass(frozen=True)
class PixelLine:
    """One line: where it stands, its class number as text, its usage, and its image, decoded by `read`."""

    where: str
    emotion: str
    usage: str
    read: Callable[[], np.ndarray]


def lines(file: Path) -> Iterator[PixelLine]:
    """The lines of a csv with the columns emotion, pixels, Usage (in any order; names may carry spaces)."""
    for row in layout.rows(file, ("emotion", "pixels", "Usage")):
        emotion, pixels, usage = row.cells
        yield PixelLine(row.where, emotion, usage.strip(), _reader(pixels, row.where))


def _reader(text: str, where: str) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        try:
            values = np.array(text.split(), dtype=np.int64)
        except (ValueError, OverflowError):
            values = np.zeros(0, dtype=np.int64)
        if len(values) != SIDE * SIDE or values.min() < 0 or values.max() > 255:
            raise DataError(f"{where}: expected 2,304 pixel values from 0 to 255, found {len(values)} usable ones.")
        return values.astype(np.uint8).reshape(SIDE, SIDE)

    return read
