"""The 18 corruptions of RAF-DB-C at five levels, as functions of 8-bit images. It runs no model and holds no card.

Greco et al., "Benchmarking deep networks for facial emotion recognition in the wild", Multimedia Tools and
Applications 82 (2023), doi:10.1007/s11042-022-12790-7; the strengths of the levels are those of the authors' published
code (MiviaLab/emotion-robustness), which follows Hendrycks and Dietterich, ICLR 2019, arXiv:1903.12261. The functions
are our own; docs/attacks/corruptions.md says where they differ.

Every function takes an image `(height, width, 1 or 3)` of float64 in [0, 1], the level's strength and a generator, and
returns an image of the same shape, not yet clipped.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

#: Side in pixels at which the blurs' strengths are given; they grow with the image.
_SIDE = 48

_Step = Callable[[np.ndarray, tuple[float, ...], np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """One kind: its steps in order, each with its strength at the five levels."""

    title: str
    steps: tuple[tuple[_Step, tuple[tuple[float, ...], ...]], ...]


def corrupt(name: str, image: np.ndarray, level: int, generator: np.random.Generator) -> np.ndarray:
    """`image`, uint8 `(height, width, 1 or 3)`, with the corruption `name` at `level` 1 to 5: uint8, same shape.

    The result depends on the image, the name, the level and the generator's state, and on nothing else.
    """
    pixels = image.astype(np.float64) / 255
    for step, strengths in CORRUPTIONS[name].steps:
        pixels = step(pixels, strengths[level - 1], generator).clip(0, 1)
    return np.rint(pixels * 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------- blurs


def _gaussian_blur(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    (sigma,) = strength
    return _smooth(x, sigma)


def _smooth(x: np.ndarray, sigma: float, mode: str = "nearest", radius: int | None = None) -> np.ndarray:
    """Gaussian blur over the first two axes."""
    blurred: np.ndarray = ndimage.gaussian_filter(x, sigma, axes=(0, 1), mode=mode, radius=radius)
    return blurred


def _defocus_blur(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Convolution with a disc whose rim is smoothed; edges are mirrored."""
    radius, rim = (value / _SIDE * min(x.shape[:2]) for value in strength)
    soft = 1 if radius <= 8 else 2
    half = int(np.ceil(radius)) + soft
    across = np.arange(-half, half + 1)
    disc = (across[:, None] ** 2 + across[None, :] ** 2 <= radius**2).astype(np.float64)
    kernel = _smooth(disc / disc.sum(), rim, "constant", soft)
    blurred: np.ndarray = ndimage.convolve(x, kernel[..., None], mode="mirror")
    return blurred


def _zoom_blur(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Mean of the image and of itself enlarged about its centre, by every factor up to the last."""
    last, step = strength
    factors = np.arange(1, last, step)
    height, width = x.shape[:2]
    y, across = np.mgrid[:height, :width].astype(np.float64)
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    total = x.copy()
    for factor in factors:
        where = [(y - centre_y) / factor + centre_y, (across - centre_x) / factor + centre_x]
        for channel in range(x.shape[2]):
            total[..., channel] += ndimage.map_coordinates(x[..., channel], where, order=1, mode="nearest")
    mean: np.ndarray = total / (len(factors) + 1)
    return mean


def _motion_blur(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """One-sided Gaussian along a line within 45 degrees of the horizontal, taken at whole pixels, edges repeated.

    ImageMagick's motion blur, which the authors call with a third of radius and sigma, rounded down.
    """
    radius, sigma = (max(value / _SIDE * min(x.shape[:2]) // 3, 1) for value in strength)
    angle = np.deg2rad(generator.uniform(-45, 45))
    distance = np.arange(2 * int(radius) + 1)
    weights = np.exp(-(distance**2) / (2 * sigma**2))
    height, width = x.shape[:2]
    blurred = np.zeros_like(x)
    for far, weight in zip(distance, weights / weights.sum(), strict=True):
        down = np.ceil(far * np.sin(angle) - 0.5).astype(int)
        right = np.ceil(far * np.cos(angle) - 0.5).astype(int)
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        blurred += weight * x[rows][:, columns]
    return blurred


# ------------------------------------------------------------------------------------------------------------- noise


def _gaussian_noise(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    return x + generator.normal(scale=strength[0], size=x.shape)


def _shot_noise(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Photons counted: Poisson, `strength` of them for a white pixel."""
    counted: np.ndarray = generator.poisson(x * strength[0]) / strength[0]
    return counted


# --------------------------------------------------------------------------------------------- light, dirt and codecs


def _contrast(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Away from (above 1) or towards (below 1) each channel's mean."""
    mean = x.mean((0, 1), keepdims=True)
    stretched: np.ndarray = (x - mean) * strength[0] + mean
    return stretched


def _brightness(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Adds to the value of hue, saturation and value; for a gray image that is the pixel itself."""
    value = x.max(2, keepdims=True)
    brighter = (value + strength[0]).clip(0, 1)
    scale = brighter / np.where(value > 0, value, 1)
    changed: np.ndarray = np.where(value > 0, x * scale, brighter)
    return changed


#: Water adds pale turquoise, mud covers with brown: RGB.
_WATER = np.array([175, 238, 238]) / 255
_MUD = np.array([63, 42, 20]) / 255


def _spatter(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    """Drops on the lens where smoothed noise exceeds a threshold: water (levels 1 to 3) or mud (4 and 5)."""
    mean, scale, sigma, threshold, amount, mud = strength
    noise = _smooth(generator.normal(mean, scale, x.shape[:2]), sigma)
    drops = noise > threshold
    splashed: np.ndarray
    if mud:
        cover = _smooth(drops.astype(np.float64), amount)
        cover = np.where(cover < 0.8, 0, cover)[..., None]
        splashed = x * (1 - cover) + cover * _tint(_MUD, x)
    else:
        thickness = np.where(drops, noise, 0) * _relief(drops)
        shine = amount * thickness / max(thickness.max(), 1e-12)
        splashed = x + shine[..., None] * _tint(_WATER, x)
    return splashed


def _relief(drops: np.ndarray) -> np.ndarray:
    """Height of a drop's surface, lit from the upper left, in [0, 1]: from the distance to the drops' outlines."""
    outline = drops ^ ndimage.binary_erosion(drops)
    if not outline.any():
        return np.zeros(drops.shape)
    distance = np.minimum(ndimage.distance_transform_edt(~outline), 20)
    level = ndimage.uniform_filter(distance, 3)
    ranks = np.searchsorted(np.sort(level.ravel()), level, side="right") / level.size
    lit = ndimage.correlate(ranks, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]), mode="mirror").clip(0, 1)
    smoothed: np.ndarray = ndimage.uniform_filter(lit, 3)
    return smoothed


def _tint(colour: np.ndarray, x: np.ndarray) -> np.ndarray:
    """An RGB colour in the channels of `x`: for a gray image its luma."""
    tint: np.ndarray = colour if x.shape[2] == 3 else colour @ np.array([[0.299], [0.587], [0.114]])
    return tint


def _pixelate(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    height, width = x.shape[:2]
    small = (max(1, int(width * strength[0])), max(1, int(height * strength[0])))
    picture = _picture(x).resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BOX)
    return _pixels(picture, x)


def _jpeg(x: np.ndarray, strength: tuple[float, ...], generator: np.random.Generator) -> np.ndarray:
    stream = io.BytesIO()
    _picture(x).save(stream, "JPEG", quality=int(strength[0]))
    with Image.open(stream) as picture:
        return _pixels(picture, x)


def _picture(x: np.ndarray) -> Image.Image:
    pixels = np.rint(x * 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _pixels(picture: Image.Image, like: np.ndarray) -> np.ndarray:
    return np.asarray(picture, dtype=np.float64).reshape(like.shape) / 255


# ------------------------------------------------------------------------------------------------------- the 18 kinds


def _levels(*values: float) -> tuple[tuple[float, ...], ...]:
    return tuple((value,) for value in values)


_PLUS = _levels(0.1, 0.2, 0.3, 0.4, 0.5)
_MINUS = _levels(-0.1, -0.2, -0.3, -0.4, -0.5)
_FADE = _levels(0.4, 0.33, 0.24, 0.16, 0.1)
_NOISE = _levels(0.08, 0.12, 0.18, 0.24, 0.30)
_MOTION = ((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0))
_PIXELATE = _levels(0.6, 0.5, 0.41, 0.3, 0.25)


def _mixture(title: str, *parts: tuple[_Step, tuple[tuple[float, ...], ...], Sequence[int]]) -> Corruption:
    """A kind of several steps; each part names the level of its own at each level of the mixture."""
    return Corruption(
        title, tuple((step, tuple(strengths[at - 1] for at in levels)) for step, strengths, levels in parts)
    )


CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian-blur": Corruption("Gaussian blur", ((_gaussian_blur, _levels(1, 1.8, 2.6, 3.4, 4)),)),
    "defocus-blur": Corruption(
        "Blur of a lens out of focus", ((_defocus_blur, ((1.5, 0.1), (2, 0.2), (2, 0.3), (2.5, 0.4), (3, 0.4))),)
    ),
    "zoom-blur": Corruption(
        "Blur of a zooming camera",
        ((_zoom_blur, ((1.11, 0.01), (1.18, 0.01), (1.26, 0.02), (1.32, 0.02), (1.40, 0.03))),),
    ),
    "motion-blur": Corruption("Blur of a moving camera", ((_motion_blur, _MOTION),)),
    "gaussian-noise": Corruption("Gaussian noise", ((_gaussian_noise, _NOISE),)),
    "shot-noise": Corruption("Photon noise", ((_shot_noise, _levels(60, 29, 15, 8, 5)),)),
    "contrast-plus": Corruption("More contrast", ((_contrast, _levels(1.5, 1.9, 2.6, 3.3, 5)),)),
    "contrast-minus": Corruption("Less contrast", ((_contrast, _FADE),)),
    "brightness-plus": Corruption("Brighter", ((_brightness, _PLUS),)),
    "brightness-minus": Corruption("Darker", ((_brightness, _MINUS),)),
    "spatter": Corruption(
        "Water or mud on the lens",
        (
            (
                _spatter,
                (
                    (0.65, 0.3, 4, 0.69, 0.6, 0),
                    (0.65, 0.3, 3, 0.68, 0.6, 0),
                    (0.65, 0.3, 2, 0.68, 0.5, 0),
                    (0.65, 0.3, 1, 0.65, 1.5, 1),
                    (0.67, 0.4, 1, 0.65, 1.5, 1),
                ),
            ),
        ),
    ),
    "pixelate": Corruption("Coarse pixels", ((_pixelate, _PIXELATE),)),
    "jpeg": Corruption("JPEG compression", ((_jpeg, _levels(25, 18, 15, 10, 7)),)),
    "mix-bright": _mixture(
        "Brighter, less contrast", (_brightness, _PLUS, (1, 2, 2, 2, 3)), (_contrast, _FADE, (1, 1, 2, 3, 4))
    ),
    "mix-dark": _mixture(
        "Darker, less contrast", (_brightness, _MINUS, (1, 2, 2, 2, 3)), (_contrast, _FADE, (1, 1, 2, 3, 4))
    ),
    "mix-noise-dark": _mixture(
        "Gaussian noise, darker, less contrast",
        (_gaussian_noise, _NOISE, (1, 2, 2, 3, 3)),
        (_brightness, _MINUS, (1, 2, 2, 2, 2)),
        (_contrast, _FADE, (1, 1, 2, 3, 4)),
    ),
    "mix-motion-dark": _mixture(
        "Motion blur, darker, less contrast",
        (_motion_blur, _MOTION, (2, 3, 4, 5, 5)),
        (_brightness, _MINUS, (1, 1, 2, 2, 2)),
        (_contrast, _FADE, (1, 1, 2, 1, 3)),
    ),
    "mix-pixel-dark": _mixture(
        "Coarse pixels, darker, less contrast",
        (_pixelate, _PIXELATE, (1, 2, 3, 4, 4)),
        (_brightness, _MINUS, (1, 2, 2, 2, 3)),
        (_contrast, _FADE, (1, 1, 2, 1, 3)),
    ),
}
