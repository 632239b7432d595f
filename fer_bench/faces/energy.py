"""Where the energy of a perturbation lies: in which parts of the face, in which band of spatial frequencies.

Pure functions of tensors: it finds no face, and it must not know which attack made the perturbation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fer_bench.faces.regions import CORE, Region, region_mask

#: The parts of a face that energy is counted in; "rest" is what no other part covers.
PARTS = (*CORE, "rest")
#: The bands of `bands`, in their order.
BANDS = ("low", "middle", "high")


@dataclass(frozen=True)
class Energy:
    """The energy of some perturbations by part: each `share` is a mean over the perturbations, and they sum to 1.

    `areas`: the share of the pixels, or of the frequencies, that each part has; they sum to 1 too.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    areas: tuple[float, ...]

    @property
    def densities(self) -> tuple[float | None, ...]:
        """Share divided by area, so that no part wins by its size: 1 everywhere for energy that is spread evenly.

        None for a part without area.
        """
        return tuple(share / area if area else None for share, area in zip(self.shares, self.areas, strict=True))


def bands(height: int, width: int, count: int = len(BANDS)) -> torch.Tensor:
    """The band of every frequency of `torch.fft.fft2`: int64 `(height, width)`, 0 the lowest, `count` - 1 the highest.

    Bands have equal widths in radial frequency, as a fraction of the largest there is (a half cycle per pixel along
    both sides). The constant term is in band 0.
    """
    vertical = torch.fft.fftfreq(height).abs()[:, None]
    horizontal = torch.fft.fftfreq(width).abs()[None, :]
    radius = (vertical.square() + horizontal.square()).sqrt() / 0.5**0.5
    found: torch.Tensor = (radius * count).long().clamp_max(count - 1)
    return found


def by_band(delta: torch.Tensor) -> Energy:
    """The energy of perturbations `(n, channels, height, width)`, none of them zero, in the bands of `BANDS`.

    A share is the part of a perturbation's sum of squares that its frequencies in the band have (Parseval).
    """
    height, width = delta.shape[2:]
    spectrum = torch.fft.fft2(delta.double()).abs().square().sum(1).flatten(1)
    member = torch.nn.functional.one_hot(bands(height, width).flatten(), len(BANDS)).to(spectrum)
    return _energy(BANDS, spectrum, member.expand(len(delta), -1, -1))


def by_region(delta: torch.Tensor, points: torch.Tensor) -> Energy:
    """The energy of perturbations `(n, channels, height, width)`, none of them zero, in the `PARTS` of their faces.

    `points` `(n, 68, 2)`: the landmarks. A share is the part of a perturbation's sum of squares, over channels and
    pixels, in the region. A pixel in two regions, as between brow and eye, counts half to each.
    """
    height, width = delta.shape[2:]
    inside = torch.cat([region_mask(points, Region((part,)), height, width) for part in CORE], 1).flatten(2).double()
    several = inside.sum(1, keepdim=True)
    member = torch.cat([inside / several.clamp_min(1), 1 - several.clamp_max(1)], 1).transpose(1, 2)
    return _energy(PARTS, delta.double().square().sum(1).flatten(1), member)


def _energy(names: tuple[str, ...], squares: torch.Tensor, member: torch.Tensor) -> Energy:
    """Shares of `squares` `(n, places)`; `member` `(n, places, parts)`: how much of each place is a part's."""
    shares = torch.einsum("np,npk->nk", squares / squares.sum(1, keepdim=True), member)
    return Energy(names, tuple(shares.mean(0).tolist()), tuple(member.mean((0, 1)).tolist()))
