"""Energy by part of the face and by band: closed forms on made perturbations, and Parseval by another way."""

from __future__ import annotations

import math

import pytest
import torch
from toys import seeded

from fer_bench.faces.energy import BANDS, PARTS, bands, by_band, by_region
from fer_bench.faces.landmarks import mean_face
from fer_bench.faces.regions import Region, region_mask

SIDE = 48


def face(n: int = 1) -> torch.Tensor:
    return mean_face(SIDE, SIDE)[None].expand(n, -1, -1).clone()


def only(points: torch.Tensor, part: str) -> torch.Tensor:
    """1 on the pixels of a part that are in no other part."""
    own = region_mask(points, Region((part,)), SIDE, SIDE)
    others = region_mask(points, Region(tuple(p for p in PARTS[:-1] if p != part)), SIDE, SIDE)
    return (own & ~others).double()


@pytest.mark.parametrize("part", PARTS[:-1])
def test_what_touches_one_part_only_has_all_its_energy_there(part):
    points = face()
    place = only(points, part)
    delta = place * seeded((1, 3, SIDE, SIDE), 1, -1, 1)
    found = by_region(delta, points)
    assert dict(zip(PARTS, found.shares, strict=True)) == pytest.approx({p: float(p == part) for p in PARTS})
    area = float(region_mask(points, Region((part,)), SIDE, SIDE).double().mean())
    index = PARTS.index(part)
    assert found.areas[index] == pytest.approx(area, rel=0.1)  # but for pixels that it shares with a neighbour
    assert found.densities[index] == pytest.approx(1 / found.areas[index])


def test_energy_outside_the_core_is_the_rest():
    points = face()
    outside = region_mask(points, Region(("brows", "eyes", "nose", "mouth"), outside=True), SIDE, SIDE).double()
    assert by_region(outside, points).shares == pytest.approx((0, 0, 0, 0, 1))


def test_even_energy_has_density_one_everywhere_and_sums_to_one():
    found = by_region(torch.full((2, 1, SIDE, SIDE), -0.01), face(2))
    assert found.densities == pytest.approx((1,) * len(PARTS))
    assert sum(found.shares) == pytest.approx(1)
    assert sum(found.areas) == pytest.approx(1)


def test_a_pixel_of_two_parts_counts_half_to_each():
    points = face()
    points[:, 17:22] = points[:, 36:41]  # a brow upon an eye
    both = region_mask(points, Region(("brows",)), SIDE, SIDE) & region_mask(points, Region(("eyes",)), SIDE, SIDE)
    row, column = both[0, 0].nonzero()[0].tolist()
    delta = torch.zeros(1, 1, SIDE, SIDE)
    delta[0, 0, row, column] = 0.3
    assert by_region(delta, points).shares == pytest.approx((0.5, 0.5, 0, 0, 0))


def test_each_perturbation_weighs_the_same_whatever_its_size():
    points = face(2)
    delta = torch.cat([100 * only(points[:1], "mouth"), 0.01 * only(points[:1], "nose")])
    assert by_region(delta, points).shares == pytest.approx((0, 0, 0.5, 0.5, 0))


def test_a_part_that_was_cropped_away_has_no_density():
    points = face()
    points[:, 48:] += 1000
    found = by_region(torch.ones(1, 1, SIDE, SIDE), points)
    assert found.densities[PARTS.index("mouth")] is None


@pytest.mark.parametrize(
    ("down", "right", "band"),
    [
        (0, 0, "low"),
        (1, 0, "low"),
        (0, 3, "low"),
        (4, 6, "middle"),
        (0, 11, "middle"),
        (8, 12, "high"),
        (7, 10, "high"),
    ],
)
def test_a_cosine_has_all_its_energy_in_its_band(down, right, band):
    """On 16x24: radius = hypot(down / 16, right / 24) / (1 / sqrt 2); thirds of it are the bands."""
    y, x = torch.arange(16).double()[:, None], torch.arange(24).double()[None, :]
    wave = torch.cos(2 * math.pi * (down * y / 16 + right * x / 24))
    found = by_band(0.02 * wave.expand(2, 3, 16, 24))
    assert dict(zip(BANDS, found.shares, strict=True)) == pytest.approx({b: float(b == band) for b in BANDS})


def test_shares_of_bands_are_the_energies_of_the_filtered_parts():
    """Parseval: what a band has is the sum of squares, in pixels, of the perturbation filtered to it."""
    delta = seeded((3, 2, 15, 22), 4, -1, 1)
    found = by_band(delta)
    spectrum, where = torch.fft.fft2(delta), bands(15, 22)
    for number in range(len(BANDS)):
        part = torch.fft.ifft2(spectrum * (where == number)).real
        share = part.square().sum((1, 2, 3)) / delta.square().sum((1, 2, 3))
        assert found.shares[number] == pytest.approx(float(share.mean()))
    assert sum(found.shares) == pytest.approx(1)
    assert found.areas == pytest.approx([float((where == number).double().mean()) for number in range(len(BANDS))])
