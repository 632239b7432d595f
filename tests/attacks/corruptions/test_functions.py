"""The corruptions of RAF-DB-C: each kind in closed form where it has one, and what all of them promise."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from attacks.corruptions.functions import CORRUPTIONS, corrupt

LEVELS = (1, 2, 3, 4, 5)

RANDOM = {"motion-blur", "gaussian-noise", "shot-noise", "spatter", "mix-noise-dark", "mix-motion-dark"}
BLURS = ("gaussian-blur", "defocus-blur", "zoom-blur", "motion-blur")


def scene(height: int = 48, width: int = 48, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Patches, a bright disc and fine texture, with pixels of exactly 0 and 255."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    coarse = generator.uniform(0.15, 0.85, (8, 8, channels))[y * 8 // height, x * 8 // width]
    disc = ((y - height / 2) ** 2 + (x - width / 2) ** 2 < (min(height, width) / 5) ** 2)[..., None] * 0.4
    pixels = np.rint((coarse + disc + generator.normal(0, 0.05, coarse.shape)).clip(0, 1) * 255).astype(np.uint8)
    pixels[0, :4], pixels[1, :4] = 0, 255
    return pixels


def made(name: str, image: np.ndarray, level: int, seed: int = 1) -> np.ndarray:
    return corrupt(name, image, level, np.random.default_rng(seed))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_there_are_eighteen_kinds_at_five_levels():
    assert len(CORRUPTIONS) == 18
    assert all(len(strengths) == len(LEVELS) for kind in CORRUPTIONS.values() for _, strengths in kind.steps)


@pytest.mark.parametrize("shape", [(48, 48, 1), (48, 48, 3), (20, 33, 1), (33, 20, 3), (16, 16, 1)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_kind_serves_every_shape_and_depends_on_nothing_but_its_generator(name, shape):
    image = scene(*shape)
    before = image.copy()
    for level in LEVELS:
        changed = made(name, image, level)
        assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
        np.random.seed(level)  # the global generator must not matter
        assert np.array_equal(made(name, image, level), changed)
    assert np.array_equal(image, before)
    assert distance(made(name, image, 5), image) > 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_level_five_is_further_from_the_image_than_level_one(name, channels):
    images = [scene(channels=channels, seed=seed) for seed in range(3)]
    one, five = (np.mean([distance(made(name, x, level, 7), x) for x in images]) for level in (1, 5))
    assert five > one * 1.2


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_only_the_random_kinds_change_with_the_generator(name):
    image = scene()
    differ = [not np.array_equal(made(name, image, level, 1), made(name, image, level, 2)) for level in LEVELS]
    assert any(differ) == (name in RANDOM)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_gray_picture_in_three_channels_becomes_what_it_becomes_in_one(name):
    """But for noise, which is drawn per channel, and for the colours of water and mud and of JPEG."""
    if name in ("gaussian-noise", "shot-noise", "mix-noise-dark", "spatter", "jpeg"):
        return
    gray = scene()
    colour = made(name, np.repeat(gray, 3, 2), 3)
    assert np.abs(colour.astype(int) - made(name, gray, 3)).max() <= 1


# ------------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("name", [*BLURS, "contrast-plus", "contrast-minus", "pixelate"])
def test_a_flat_picture_is_left_alone(name):
    """A kernel that does not sum to 1, or an edge filled with black, would show."""
    flat = np.full((21, 34, 1), 103, np.uint8)
    for level in LEVELS:
        assert np.array_equal(made(name, flat, level), flat)


@pytest.mark.parametrize("level", LEVELS)
def test_a_blurred_point_spreads_as_far_as_its_kernel_says(level):
    """The second moment of a Gaussian is sigma squared, that of a disc of radius r is r squared over 4 in each axis."""
    point = np.zeros((41, 41, 1), np.uint8)
    y = np.arange(41) - 20.0
    sigma = (1, 1.8, 2.6, 3.4, 4)[level - 1]
    kernel = np.exp(-(y**2) / 2 / sigma**2)
    kernel /= kernel.sum()
    point[20, 20] = 255
    expected = np.rint(255 * kernel[:, None] * kernel[None, :])
    assert np.abs(made("gaussian-blur", point, level)[..., 0] - expected).max() <= 1
    edge = np.zeros((96, 96, 1), np.uint8)
    edge[:, 48:] = 255
    blurred = made("defocus-blur", edge, level)[48, :, 0] / 255
    radius = (1.5, 2, 2, 2.5, 3)[level - 1] * 2
    assert np.all(np.diff(blurred) >= 0)
    reach = np.flatnonzero((blurred > 0.01) & (blurred < 0.99))
    assert abs(len(reach) - 2 * radius) <= 2.5


def test_noise_has_the_moments_of_its_level():
    gray = np.full((100, 100, 1), 128, np.uint8)
    for level, scale, photons in zip(LEVELS, (0.08, 0.12, 0.18, 0.24, 0.30), (60, 29, 15, 8, 5), strict=True):
        if level < 3:  # beyond, clipping to [0, 255] shortens the tails
            noisy = made("gaussian-noise", gray, level) / 255
            assert abs(noisy.mean() - 128 / 255) < 4 * scale / 100 + 0.002
            assert abs(noisy.std() / scale - 1) < 0.04
        counted = made("shot-noise", np.full((100, 100, 1), 64, np.uint8), level) / 255
        assert abs(counted.var() / (64 / 255 / photons) - 1) < 0.1
        assert set(np.unique(np.rint(counted * photons))) <= set(range(photons + 1))


@pytest.mark.parametrize("level", LEVELS)
def test_light_in_closed_form(level):
    image = scene()
    value, mean = image / 255, (image / 255).mean()
    more, less = (1.5, 1.9, 2.6, 3.3, 5)[level - 1], (0.4, 0.33, 0.24, 0.16, 0.1)[level - 1]
    by = level / 10
    for name, expected in (
        ("contrast-plus", (value - mean) * more + mean),
        ("contrast-minus", (value - mean) * less + mean),
        ("brightness-plus", value + by),
        ("brightness-minus", value - by),
    ):
        assert np.abs(made(name, image, level) - expected.clip(0, 1) * 255).max() <= 0.5 + 1e-9


def test_brightness_keeps_hue_and_saturation():
    """Independent: Python's own colorsys."""
    import colorsys

    image = scene(6, 6, 3)
    changed = made("brightness-minus", image, 2) / 255
    for before, after in zip(image.reshape(-1, 3) / 255, changed.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb(hue, saturation, max(value - 0.2, 0))
        assert np.abs(np.array(expected) - after).max() <= 0.5 / 255 + 1e-9


def test_coarse_pixels_are_means_of_blocks():
    image = scene(48, 32)
    coarse = made("pixelate", image, 5)[..., 0]
    blocks = image[..., 0].reshape(12, 4, 8, 4).mean((1, 3)).repeat(4, 0).repeat(4, 1)
    assert np.abs(coarse - blocks).max() <= 1


def test_jpeg_is_a_jpeg_of_the_stated_quality():
    image = scene(40, 24, 3)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=10)
    assert np.array_equal(made("jpeg", image, 4), np.asarray(Image.open(stream)))


def test_motion_smears_along_one_line():
    """A point becomes a one-sided Gaussian of 2 x 6 + 1 pixels (radius 20, a third of it), at most 45 degrees steep."""
    point = np.zeros((48, 48, 1), np.uint8)
    point[24, 24] = 255
    smeared = made("motion-blur", point, 5)[..., 0]
    y, x = np.nonzero(smeared)
    assert 9 <= len(x) <= 13
    assert abs(int(smeared.sum()) - 255) <= 7
    assert np.abs(y - 24).max() <= np.abs(x - 24).max()
    assert (x <= 24).all()
    weights = np.exp(-(np.arange(13) ** 2) / (2 * 5.0**2))
    assert smeared.max() == round(255 * weights[0] / weights.sum())


def test_a_mixture_is_its_parts_in_order():
    image = scene(channels=3)
    parts = {
        "mix-bright": (("brightness-plus", 2), ("contrast-minus", 2)),
        "mix-dark": (("brightness-minus", 2), ("contrast-minus", 2)),
        "mix-noise-dark": (("gaussian-noise", 2), ("brightness-minus", 2), ("contrast-minus", 2)),
        "mix-motion-dark": (("motion-blur", 4), ("brightness-minus", 2), ("contrast-minus", 2)),
        "mix-pixel-dark": (("pixelate", 3), ("brightness-minus", 2), ("contrast-minus", 2)),
    }
    for name, steps in parts.items():
        generator, expected = np.random.default_rng(1), image
        for part, level in steps:
            expected = corrupt(part, expected, level, generator)
        assert np.abs(made(name, image, 3).astype(int) - expected).max() <= 2, name
