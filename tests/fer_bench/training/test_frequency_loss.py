"""The frequency loss and the spectral distance, against closed forms and derivatives by finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import seeded

from fer_bench.training.frequency_loss import (
    bands,
    focal_frequency_loss,
    relative_frequency_loss,
    spectral_distance,
    spectrum,
)


def sinusoid(side: int, cycles: int, amplitude: float) -> torch.Tensor:
    x = torch.arange(side, dtype=torch.float64)
    return (amplitude * torch.cos(2 * math.pi * cycles * x / side)).expand(1, 1, side, side)


@pytest.mark.parametrize("amplitude", [0.5, 2.0])
def test_a_single_sinusoid(amplitude: float) -> None:
    """cos over N columns has two coefficients of size A N / 2 (orthonormal): d = A^2 N^2 / 4 at each, w = 1 at both."""
    side = 8
    loss = focal_frequency_loss(sinusoid(side, 2, amplitude), torch.zeros(1, 1, side, side, dtype=torch.float64))
    assert float(loss) == pytest.approx(2 * (amplitude * side / 2) ** 2 / side**2)


def test_the_weaker_of_two_sinusoids_weighs_less() -> None:
    """Amplitudes 1 and 1/2: weights 1 and 1/2, so the loss is d (1 + 1/2 * 1/4) of the stronger one's."""
    side = 8
    both = sinusoid(side, 1, 1.0) + sinusoid(side, 3, 0.5)
    zero = torch.zeros_like(both)
    strong = focal_frequency_loss(sinusoid(side, 1, 1.0), zero)
    assert float(focal_frequency_loss(both, zero)) == pytest.approx(float(strong) * (1 + 0.5 * 0.25))


def test_without_focus_it_is_the_mean_squared_difference() -> None:
    """alpha 0 gives every frequency weight 1: Parseval."""
    one, other = seeded((2, 3, 5, 6), 0), seeded((2, 3, 5, 6), 1)
    loss = focal_frequency_loss(one, other, alpha=0.0)
    assert float(loss) == pytest.approx(float((one - other).square().mean()))


def test_the_weights_have_no_gradient() -> None:
    """The gradient is that of sum w d with w fixed: 2 w (F - G) back through the transform, divided by the count."""
    one, other = seeded((1, 1, 4, 4), 0).requires_grad_(), seeded((1, 1, 4, 4), 1)
    (found,) = torch.autograd.grad(focal_frequency_loss(one, other), one)
    difference = spectrum(one.detach() - other)
    weighted = difference * difference.abs() / difference.abs().max()
    expected = 2 * torch.fft.ifft2(weighted, norm="ortho").real / 16
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("width", [1, 4, 5, 6])
def test_half_of_the_spectrum_is_enough(width: int) -> None:
    """The loss by its equations, over all frequencies of both maps' own transforms; even and odd widths."""
    one, other = seeded((2, 3, 5, width), 0), seeded((2, 3, 5, width), 1)
    size = (spectrum(one) - spectrum(other)).abs()
    weights = size / size.amax((-2, -1), keepdim=True)
    torch.testing.assert_close(focal_frequency_loss(one, other), (weights * size.square()).mean())


def test_gradients_by_finite_differences() -> None:
    """Of the loss without focus: with it the weights move too, of which the gradient is to know nothing."""
    one = seeded((2, 2, 4, 5), 0).requires_grad_()
    other = seeded((2, 2, 4, 5), 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: focal_frequency_loss(a, b, alpha=0.0), (one, other))


def test_equal_maps_have_loss_and_gradient_zero() -> None:
    one = torch.ones(1, 2, 6, 6, requires_grad=True)
    loss = focal_frequency_loss(one, torch.ones(1, 2, 6, 6))
    (found,) = torch.autograd.grad(loss, one)
    assert float(loss.detach()) == 0
    assert bool((found == 0).all())


def test_the_relative_loss_is_in_units_of_the_variance_over_images() -> None:
    """Two clean maps, 3 and -1 everywhere but in one place, 1 and 1: variance 4 in 15 of 16 places. Moved by 0.5."""
    clean = torch.full((2, 1, 4, 4), 3.0, dtype=torch.float64)
    clean[1] = -1.0
    clean[:, 0, 2, 1] = 1.0
    moved = clean + 0.5
    plain = focal_frequency_loss(clean, moved)
    assert float(plain) == pytest.approx((0.5 * 4) ** 2 / 16)
    assert float(relative_frequency_loss(clean, moved)) == pytest.approx(float(plain) / (4 * 15 / 16))


@given(scale=st.floats(0.01, 100) | st.floats(-100, -0.01), shift=st.floats(-10, 10))
def test_small_features_or_shifted_ones_do_not_make_the_relative_loss_small(scale: float, shift: float) -> None:
    clean, moved = seeded((3, 2, 4, 5), 0), seeded((3, 2, 4, 5), 1)
    found = relative_frequency_loss(scale * clean + shift, scale * moved + shift)
    torch.testing.assert_close(found, relative_frequency_loss(clean, moved))


def test_gradients_of_the_relative_loss_reach_what_it_is_relative_to() -> None:
    """At alpha 0 no weight is held fixed, so that the derivatives by finite differences are the whole gradient."""
    clean, moved = seeded((3, 1, 3, 4), 0).requires_grad_(), seeded((3, 1, 3, 4), 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: relative_frequency_loss(a, b, alpha=0.0), (clean, moved))


def test_bands_are_rings() -> None:
    found = bands(6, 6, 3)
    assert found[0, 0] == 0
    assert found[3, 3] == 2, "half a cycle per pixel along both sides is the highest frequency there is"
    assert torch.equal(found, found.T)
    assert torch.equal(found[1:], found[1:].flip(0)), "a frequency and its negative are in one band"


def test_a_moved_sinusoid_is_in_its_band() -> None:
    """Clean energy 1 at the lowest band; an attack adds a quarter of it at the highest frequency of the rows."""
    side = 8
    clean = sinusoid(side, 1, 1.0)
    attacked = clean + 0.5 * torch.cos(torch.pi * torch.arange(side, dtype=torch.float64)) / math.sqrt(2)
    distance = spectral_distance(clean, attacked, 2)
    assert distance.tolist() == pytest.approx([0, 0.25], abs=1e-12)


def test_bands_add_up_to_the_distance_of_the_features() -> None:
    clean, attacked = seeded((3, 4, 6, 6), 0), seeded((3, 4, 6, 6), 1)
    whole = (clean - attacked).square().sum() / clean.square().sum()
    assert float(spectral_distance(clean, attacked).sum()) == pytest.approx(float(whole))
