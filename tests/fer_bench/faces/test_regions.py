"""Regions of a face: what people may write, and which pixels they are, on faces made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fer_bench.errors import UsageError
from fer_bench.faces.landmarks import mean_face
from fer_bench.faces.regions import Region, frame, parse_region, region_mask

PARTS = ("brows", "eyes", "nose", "mouth", "glasses", "forehead")


def square_eyes(unit: float = 20.0) -> torch.Tensor:
    """Points of a face on 48x40 pixels whose eyes are squares of side 4 around (10, 15) and (10 + unit, 15)."""
    face = mean_face(40, 48).double()
    for start, x in ((36, 10.0), (42, 10.0 + unit)):
        left, right = [(x - 2, y) for y in (13.0, 15.0, 17.0)], [(x + 2, y) for y in (17.0, 15.0, 13.0)]
        face[start : start + 6] = torch.tensor([*left, *right])
    return face[None]


def turned(points: torch.Tensor, degrees: float, about: tuple[float, float]) -> torch.Tensor:
    angle = math.radians(degrees)
    rotation = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]).to(points)
    centre = torch.tensor(about).to(points)
    return (points - centre) @ rotation + centre


@pytest.mark.parametrize(
    ("text", "region", "canonical"),
    [
        ("eyes", Region(("eyes",)), "eyes"),
        ("mouth+eyes", Region(("eyes", "mouth")), "eyes+mouth"),
        ("eyes + mouth", Region(("eyes", "mouth")), "eyes+mouth"),
        ("core", Region(("brows", "eyes", "nose", "mouth")), "core"),
        ("nose+brows+mouth+eyes", Region(("brows", "eyes", "nose", "mouth")), "core"),
        ("core+glasses", Region(("brows", "eyes", "nose", "mouth", "glasses")), "brows+eyes+nose+mouth+glasses"),
        ("outside-core", Region(("brows", "eyes", "nose", "mouth"), True), "outside-core"),
        ("outside-mouth+eyes", Region(("eyes", "mouth"), True), "outside-eyes+mouth"),
        ("glasses", Region(("glasses",)), "glasses"),
    ],
)
def test_a_region_is_read_and_written_in_one_way(text, region, canonical):
    assert parse_region(text) == region
    assert str(region) == canonical
    assert parse_region(canonical) == region


@pytest.mark.parametrize("text", ["", "ears", "eyes+", "eyes+ears", "outside-", "outside-outside-eyes", "Eyes"])
def test_an_unknown_region_is_refused_in_one_line_that_names_the_known(text):
    with pytest.raises(UsageError) as error:
        parse_region(text)
    said = str(error.value)
    assert f"region={text}" in said
    assert "\n" not in said
    assert all(part in said for part in (*PARTS, "core", "outside-"))


def test_the_pixels_of_an_eye_are_those_in_its_outline_or_within_its_margin():
    """Squares of side 4 and a margin of 0.12 x 20 = 2.4 pixels: 9 x 9 pixels, less those beyond the round corners."""
    mask = region_mask(square_eyes(), parse_region("eyes"), 40, 48)[0, 0]
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    expected = torch.zeros(40, 48, dtype=torch.bool)
    for centre in (10, 30):
        beyond = torch.stack([(x - centre).abs() - 2, (y - 15).abs() - 2]).clamp_min(0)
        expected |= beyond.square().sum(0) <= 2.4**2
    assert int(expected.sum()) > 120
    assert torch.equal(mask, expected)


def test_the_patches_are_bands_in_units_of_the_distance_of_the_eyes():
    face = square_eyes(21.0)
    face[0, 17:27, 1] = 8.7
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    band = ((x - 20.5).abs() < 0.95 * 21) & ((y - 15).abs() < 0.3 * 21)
    assert torch.equal(region_mask(face, parse_region("glasses"), 40, 48)[0, 0], band)
    # The forehead ends a tenth above the brows and leaves the image at the top.
    above = ((x - 20.5).abs() < 0.8 * 21) & (y < 8.7 - 2.1)
    assert torch.equal(region_mask(face, parse_region("forehead"), 40, 48)[0, 0], above)


def test_regions_together_are_the_union_and_outside_is_the_rest():
    face = torch.stack([mean_face(40, 48), mean_face(40, 48) + 1.5])
    single = {part: region_mask(face, parse_region(part), 40, 48) for part in PARTS}
    assert single["eyes"].shape == (2, 1, 40, 48)
    both = region_mask(face, parse_region("eyes+mouth"), 40, 48)
    assert torch.equal(both, single["eyes"] | single["mouth"])
    core = single["brows"] | single["eyes"] | single["nose"] | single["mouth"]
    assert torch.equal(region_mask(face, parse_region("core"), 40, 48), core)
    assert torch.equal(region_mask(face, parse_region("outside-core"), 40, 48), ~core)
    assert not bool((single["eyes"] & single["mouth"]).any())
    assert all(5 < int(mask[0].sum()) < 700 for mask in single.values())


@pytest.mark.parametrize("part", PARTS)
def test_a_face_turned_by_a_quarter_has_its_mask_turned_with_it(part):
    """Exact: pixel centres go to pixel centres. A mask that took the image's axes for the face's would differ."""
    face = mean_face(48, 48).double()[None]
    mask = region_mask(face, parse_region(part), 48, 48)
    quarter = region_mask(turned(face, 90, (23.5, 23.5)), parse_region(part), 48, 48)
    differing = (torch.rot90(mask, -1, (2, 3)) != quarter).sum()
    assert int(mask.sum()) > 20
    assert int(differing) == 0


def test_a_mask_scales_with_the_image():
    """Enlarged three times, a region covers the same share of the image, up to the raster."""
    for part in PARTS:
        small = region_mask(mean_face(48, 48)[None], parse_region(part), 48, 48).float().mean()
        large = region_mask(mean_face(144, 144)[None], parse_region(part), 144, 144).float().mean()
        assert float((small - large).abs()) < 0.15 * float(large)


def test_the_frame_of_a_face():
    axes = frame(square_eyes())
    assert torch.allclose(axes.middle, torch.tensor([[20.0, 15.0]]).double())
    assert torch.allclose(axes.unit, torch.tensor([20.0]).double())
    assert torch.allclose(axes.right, torch.tensor([[1.0, 0.0]]).double())
    assert torch.allclose(axes.down, torch.tensor([[0.0, 1.0]]).double())
