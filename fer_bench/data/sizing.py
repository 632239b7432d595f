"""Decides in what form images of unknown sizes enter one set, from their headers alone. It must not decode any."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fer_bench.data.images import Look, Mode
from fer_bench.errors import DataError

#: What images of mixed sizes are brought to; pixels.
SIDE = 112


@dataclass(frozen=True)
class Form:
    """How each image of a set is read: gray or RGB, as it is (`side` None) or as a square of `side` pixels."""

    mode: Mode
    side: int | None
    note: str


def common_form(looks: Iterable[Callable[[], Look]]) -> Form:
    """The form for a set of images: gray where all are, their own size where they share one, else SIDE x SIDE.

    An image whose header cannot be read has no say; reading it will be the error that names it.
    """
    sizes: set[tuple[int, int]] = set()
    gray = True
    for header in looks:
        try:
            found = header()
        except DataError:
            continue
        sizes.add((found.height, found.width))
        gray = gray and found.gray
    mode: Mode = "L" if gray and sizes else "RGB"
    if len(sizes) <= 1:
        return Form(mode, None, "images in their own size")
    heights, widths = sorted(size[0] for size in sizes), sorted(size[1] for size in sizes)
    return Form(
        mode,
        SIDE,
        f"images of {len(sizes)} sizes (heights {heights[0]} to {heights[-1]}, widths {widths[0]} to {widths[-1]}), "
        f"each brought to {SIDE}x{SIDE} (largest central square, bicubic); digests are of the resized pixels",
    )
