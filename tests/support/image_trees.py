"""Small image trees on disk and what a test expects to read from them; it must test nothing itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import seeded

from fer_bench.core.evalset import EvalSet
from fer_bench.data import collect, open_data
from fer_bench.errors import DataError

#: Valence and arousal of an image, or None.
Values = tuple[float, float] | None


def colours(n: int, height: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """`n` different RGB images, uint8 `(height, width, 3)`."""
    return list((seeded((n, height, width, 3), seed, 0, 256)).numpy().astype(np.uint8))


def save(path: Path, pixels: np.ndarray) -> Path:
    """Writes an image in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def decoded(path: Path, mode: str = "RGB") -> np.ndarray:
    """The pixels of a file by Pillow alone."""
    with Image.open(path) as image:
        return np.asarray(image.convert(mode))


def words(data: EvalSet) -> dict[str, str]:
    """Each image's digest and the word of its label; 'none' where it has no expression."""
    names = [data.classes[label] if label >= 0 else "none" for label in data.labels.tolist()]
    return dict(zip(data.ids, names, strict=True))


def expected(files: dict[Path, str], mode: str = "RGB") -> dict[str, str]:
    """What `words` must give for files that are taken as they are."""
    return {collect.pixel_digest(decoded(path, mode)): word for path, word in files.items()}


def values_of(data: EvalSet) -> list[tuple[float, float]]:
    """The values, sorted and rounded to 6 digits."""
    assert data.values is not None
    return sorted((round(v, 6), round(a, 6)) for v, a in data.values.tolist())


def said(text: str) -> str:
    """What opening `text` says in its one line."""
    with pytest.raises(DataError) as error:
        open_data(text)
    message = str(error.value)
    assert "\n" not in message
    return message
