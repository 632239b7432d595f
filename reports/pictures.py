"""Images as PNG data URIs, which a page holds in itself. It must not know what they show, or who may see it."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

#: Longer side in pixels up to which a picture is kept as it is; a larger one is reduced to it.
SIDE = 112


def uri(pixels: np.ndarray) -> str:
    """`pixels` float `(1 or 3, height, width)` in [0, 1], clipped to it, as an 8-bit PNG: the same text each time."""
    rounded = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(rounded[..., 0] if rounded.shape[2] == 1 else rounded)
    if max(image.size) > SIDE:
        factor = SIDE / max(image.size)
        image = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def magnification(delta: np.ndarray) -> float:
    """The factor that brings a difference's largest value to half the range, rounded down to two digits; 1 for zero.

    Two digits, so that the number that is told is the number that was used.
    """
    largest = float(np.abs(delta).max())
    if not largest:
        return 1.0
    factor = 0.5 / largest
    unit = 10.0 ** (math.floor(math.log10(factor)) - 1)
    return float(f"{math.floor(factor / unit + 1e-9) * unit:.2g}")


def magnified(delta: np.ndarray, factor: float) -> np.ndarray:
    """A difference, magnified, around middle grey: pixels for `uri`."""
    return 0.5 + factor * delta
