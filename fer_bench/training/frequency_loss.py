"""Spectra of feature maps: the focal frequency loss, and how far two sets of features are apart, band by band.

It must not know where the features come from. Equations are those of Jiang, Dai, Wu, Loy: "Focal Frequency Loss for
Image Reconstruction and Synthesis", ICCV 2021, applied here to feature maps instead of images.
"""

from __future__ import annotations

import torch

from fer_bench.faces.energy import bands as bands


def spectrum(features: torch.Tensor) -> torch.Tensor:
    """Orthonormal 2-D discrete Fourier transform of real maps `(n, channels, height, width)`, computed in float32.

    F(u, v) = 1 / sqrt(HW) sum_xy f(x, y) exp(-2 pi i (ux / W + vy / H)) (equation 1, orthonormal).
    Double precision stays double.
    """
    transformed: torch.Tensor = torch.fft.fft2(_single(features), norm="ortho")
    return transformed


def focal_frequency_loss(one: torch.Tensor, other: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """The focal frequency distance of two sets of maps `(n, channels, height, width)`: a scalar.

    d(u, v) = |F_one - F_other|^2 (equation 6); w(u, v) = (|F_one - F_other| / max_uv |F_one - F_other|)^alpha, with
    the maximum over each map's frequencies, no gradient through w (equation 7); the loss is the mean of w d over
    samples, channels and frequencies (equation 8). The frequencies on which the two differ most weigh most. Zero, with
    gradient zero, where the two are equal.

    The transform is linear, so that of the difference is enough; of real maps, half of it: the other half mirrors it.
    """
    maps = _single(one) - _single(other)
    half = torch.fft.rfft2(maps, norm="ortho")
    distance = half.real.square() + half.imag.square()
    with torch.no_grad():
        size = distance.sqrt()
        weight = (size / size.amax((-2, -1), keepdim=True).clamp_min(1e-12)).pow(alpha) * _mirrored(
            maps.shape[-1], maps
        )
    total: torch.Tensor = (weight * distance).sum()
    return total / maps.numel()


def relative_frequency_loss(clean: torch.Tensor, other: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """The focal frequency distance of maps from clean ones, in units of the variance of these: a scalar.

    focal_frequency_loss(clean, other) / V, V the mean over channels and places of the variance over the n > 1 clean
    maps `(n, channels, height, width)`, with gradient through both. What an attack moves, against what tells images
    apart: the same for a clean + b and a other + b, a != 0, so that a network cannot make it small by making its
    features small, or all alike. Zero where the two are equal.
    """
    variance = _single(clean).var(0, correction=0).mean()
    return focal_frequency_loss(clean, other, alpha) / variance.clamp_min(1e-12)


def _single(maps: torch.Tensor) -> torch.Tensor:
    """The maps in single precision, or in double where they are: half precision has no transform on processors."""
    return maps if maps.dtype == torch.float64 else maps.float()


def _mirrored(width: int, like: torch.Tensor) -> torch.Tensor:
    """How many frequencies each column of the half spectrum stands for: 2, but 1 for u = 0 and for u = width / 2."""
    times = like.new_full((width // 2 + 1,), 2.0)
    times[0] = 1.0
    if width % 2 == 0:
        times[-1] = 1.0
    return times


def spectral_distance(clean: torch.Tensor, attacked: torch.Tensor, count: int = 3) -> torch.Tensor:
    """How much of the clean features' energy an attack moves, per band: float64 `(count,)`.

    sum |F_clean - F_attacked|^2 in the band / sum |F_clean|^2 over all bands, both summed over samples, channels and
    frequencies: 0 where nothing moved. The entries add up to the relative squared distance of the features themselves
    (Parseval), so that nets whose features are of different sizes can be compared.
    """
    base, moved = spectrum(clean.double()), spectrum((clean - attacked).double())
    where = bands(clean.shape[-2], clean.shape[-1], count).to(clean.device).flatten()
    energy = moved.abs().square().sum((0, 1)).flatten()
    total = base.abs().square().sum().clamp_min(1e-300)
    return torch.zeros(count, dtype=torch.float64, device=clean.device).index_add_(0, where, energy) / total
