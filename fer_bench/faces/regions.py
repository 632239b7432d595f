"""Which pixels belong to the brows, eyes, nose, mouth or a patch of a face, given its 68 landmarks. It finds no face.

Lengths are in units of the distance between the centres of the two eyes, so that a region covers the same part of a
face at every resolution. Points are numbered as in the iBUG 68-point scheme (Sagonas et al., ICCV workshops 2013):
0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from fer_bench.errors import UsageError

BROWS, RIGHT_EYE, LEFT_EYE = slice(17, 27), slice(36, 42), slice(42, 48)
NOSE_TIP, OUTER_LIPS = 30, slice(48, 60)

_OUTSIDE = "outside-"


@dataclass(frozen=True)
class Region:
    """The union of `parts`, or all of the image but them. `str` writes it in one canonical way."""

    parts: tuple[str, ...]
    outside: bool = False

    def __str__(self) -> str:
        name = "core" if self.parts == CORE else "+".join(self.parts)
        return f"{_OUTSIDE}{name}" if self.outside else name


@dataclass(frozen=True)
class Frame:
    """The coordinates of each face: origin between the eyes, `right` and `down` unit vectors along the eyes and across.

    `middle`, `right`, `down`: `(n, 2)`, x then y in pixels; `unit`: `(n,)`, the distance between the eyes' centres.
    """

    middle: torch.Tensor
    right: torch.Tensor
    down: torch.Tensor
    unit: torch.Tensor

    def place(self, points: torch.Tensor) -> torch.Tensor:
        """Points `(n, k, 2)` in pixels, in these coordinates and units."""
        offset = (points - self.middle[:, None]) / self.unit[:, None, None]
        return torch.stack([(offset * axis[:, None]).sum(2) for axis in (self.right, self.down)], 2)

    def box(self, half_width: float, top: torch.Tensor, bottom: torch.Tensor) -> torch.Tensor:
        """Corners `(n, 4, 2)` in pixels of the upright box from `top` to `bottom`, each `(n,)` in units."""
        sides = torch.full_like(top, half_width)
        corners = ((-sides, top), (sides, top), (sides, bottom), (-sides, bottom))
        return torch.stack(
            [
                self.middle + self.unit[:, None] * (across[:, None] * self.right + along[:, None] * self.down)
                for across, along in corners
            ],
            1,
        )


def frame(points: torch.Tensor) -> Frame:
    """The frame of each face of `points` `(n, 68, 2)`."""
    one, other = points[:, RIGHT_EYE].mean(1), points[:, LEFT_EYE].mean(1)
    unit = (other - one).norm(dim=1).clamp_min(1e-6)
    right = (other - one) / unit[:, None]
    return Frame((one + other) / 2, right, torch.stack([-right[:, 1], right[:, 0]], 1), unit)


def _outlines(*indices: tuple[int, ...]) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    return lambda points: [points[:, list(outline)] for outline in indices]


def _glasses(points: torch.Tensor) -> list[torch.Tensor]:
    faces = frame(points)
    edge = torch.full_like(faces.unit, 0.3)
    return [faces.box(0.95, -edge, edge)]


def _forehead(points: torch.Tensor) -> list[torch.Tensor]:
    faces = frame(points)
    brows = faces.place(points[:, BROWS])[..., 1].amin(1)
    return [faces.box(0.8, brows - 0.6, brows - 0.1)]


@dataclass(frozen=True)
class _Part:
    """One named part: its polygons, each `(n, corners, 2)`, and how far around them it reaches."""

    polygons: Callable[[torch.Tensor], list[torch.Tensor]]
    margin: float


_PARTS: Mapping[str, _Part] = {
    "brows": _Part(_outlines((17, 18, 19, 20, 21), (22, 23, 24, 25, 26)), 0.10),
    "eyes": _Part(_outlines(tuple(range(36, 42)), tuple(range(42, 48))), 0.12),
    "nose": _Part(_outlines((27, 35, 34, 33, 32, 31)), 0.08),
    "mouth": _Part(_outlines(tuple(range(48, 60))), 0.08),
    "glasses": _Part(_glasses, 0.0),
    "forehead": _Part(_forehead, 0.0),
}
#: What the group name "core" stands for.
CORE = ("brows", "eyes", "nose", "mouth")


def parse_region(text: str) -> Region:
    """Reads 'eyes', 'eyes+mouth', 'core', 'outside-core', 'glasses'. Raises UsageError naming the known parts."""
    outside = text.startswith(_OUTSIDE)
    words = [word.strip() for word in text.removeprefix(_OUTSIDE).split("+")]
    chosen = {part for word in words for part in (CORE if word == "core" else (word,))}
    if not chosen <= set(_PARTS):
        raise UsageError(
            f"region={text} cannot be used; it is made of core, {', '.join(_PARTS)}, joined by '+', "
            f"or {_OUTSIDE} before them, as in eyes+mouth or {_OUTSIDE}core."
        )
    return Region(tuple(part for part in _PARTS if part in chosen), outside)


def region_mask(points: torch.Tensor, region: Region, height: int, width: int) -> torch.Tensor:
    """Which pixels of each image lie in `region`: bool `(n, 1, height, width)`.

    `points` `(n, 68, 2)`: x then y in pixels, (0, 0) the centre of the first pixel. A pixel belongs to a part when its
    centre lies in one of the part's polygons or within the part's margin of it. A part may lie outside the image: a
    forehead that was cropped away has no pixels.
    """
    y = torch.arange(height, device=points.device, dtype=points.dtype)
    x = torch.arange(width, device=points.device, dtype=points.dtype)
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).reshape(-1, 2)
    unit = frame(points).unit
    mask = torch.zeros(len(points), len(pixels), dtype=torch.bool, device=points.device)
    for name in region.parts:
        part = _PARTS[name]
        for polygon in part.polygons(points):
            mask |= _within(pixels, polygon, part.margin * unit)
    return (mask ^ region.outside).reshape(-1, 1, height, width)


def _within(pixels: torch.Tensor, polygon: torch.Tensor, margin: torch.Tensor) -> torch.Tensor:
    """Which `pixels` `(p, 2)` lie in a closed polygon `(n, k, 2)` or within `margin` `(n,)` of its edges: `(n, p)`."""
    shape = (len(polygon), len(pixels))
    odd = torch.zeros(shape, dtype=torch.bool, device=pixels.device)
    nearest = torch.full(shape, torch.inf, dtype=pixels.dtype, device=pixels.device)
    for a, b in zip(polygon.unbind(1), polygon.roll(-1, 1).unbind(1), strict=True):
        edge = (b - a)[:, None]
        offset = pixels[None] - a[:, None]
        along = (offset * edge).sum(2) / edge.square().sum(2).clamp_min(1e-12)
        nearest = torch.minimum(nearest, (offset - along.clamp(0, 1)[..., None] * edge).norm(dim=2))
        # Even-odd rule: a ray to the right crosses the edge where the edge spans the pixel's height beyond its x.
        spans = (a[:, None, 1] > pixels[None, :, 1]) != (b[:, None, 1] > pixels[None, :, 1])
        height = torch.where(edge[..., 1] == 0, torch.ones_like(edge[..., 1]), edge[..., 1])
        odd ^= spans & (offset[..., 0] < offset[..., 1] / height * edge[..., 0])
    return odd | (nearest <= margin[:, None])
