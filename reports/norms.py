"""Smallest perturbations to their distribution: the size within which a share of images fell. It renders nothing."""

from __future__ import annotations

import math
from bisect import bisect_right

import pandas as pd

from reports.boards import Board
from reports.display import decimal, percent, visible
from reports.figures import Figure, styles
from reports.frames import Frames
from reports.svg import Axis, Dot, Line, lines, round_ticks

#: Points drawn of one distribution besides its start: each twentieth of the images that were right before.
_POINTS = 20


def smallest(verdicts: pd.DataFrame) -> list[float]:
    """The sizes of the smallest perturbations of the images that were right before, rising; inf: never fell."""
    right = verdicts[verdicts["right"]]
    sizes: list[float] = right["norm"].where(right["fooled"].astype(bool), math.inf).sort_values().tolist()
    return sizes


def within(sizes: list[float], share: float) -> float | None:
    """The size within which at least `share` of the images fell; inf where too few fell, None without images."""
    # A share such as 11 twentieths of 100 images is a hair above 11 in floating point.
    return sizes[max(0, math.ceil(share * len(sizes) - 1e-9) - 1)] if sizes else None


def distributions(frames: Frames, board: Board, names: tuple[str, ...]) -> tuple[Figure, ...]:
    """One figure a minimum-norm attack of the board, one line a row, called `names`: what stands at which size."""
    found: dict[tuple[str, str], list[Line]] = {}
    style = styles(frames)
    for name, entry in zip(names, board.entries, strict=True):
        for attack, own in entry.minimum_norms.items():
            sizes = smallest(frames.by_cell[own.cell])
            if sizes and math.isfinite(sizes[0]):
                of = entry.first.cell
                line = Line(name, _standing(name, sizes), style[of.model, of.model_digest, of.seed])
                found.setdefault((attack, own.norm), []).append(line)
    return tuple(_figure(board, attack, norm, drawn) for (attack, norm), drawn in found.items())


def _standing(name: str, sizes: list[float]) -> tuple[Dot, ...]:
    """By size the per cent of the images that stand when all within it have fallen."""
    dots = [Dot(0.0, 100.0, f"{name}: all stand", "0.0")]
    for point in range(1, _POINTS + 1):
        size = within(sizes, point / _POINTS)
        if size is None or math.isinf(size):
            break
        left = 1 - bisect_right(sizes, size) / len(sizes)
        words = f"{name}, within {decimal(size)}: {percent(left)} % stand"
        if size > dots[-1].x:
            dots.append(Dot(size, 100 * left, words, repr(size)))
    return tuple(dots)


def _figure(board: Board, attack: str, norm: str, drawn: list[Line]) -> Figure:
    last = max(dot.x for line in drawn for dot in line.dots)
    unit = f"{norm}, pixels in [0, 1]" if norm in ("Linf", "L2", "L1") else norm
    x = Axis(f"size of the perturbation ({unit})", 0.0, last, round_ticks(last))
    y = Axis("still right, % of those right before", 0, 100, tuple((float(t), str(t)) for t in range(0, 101, 20)))
    title = f"{visible(attack)} on {visible(board.data)}, n = {board.n:,}"
    return Figure(title, "", lines(x, y, drawn, f"Images that stand against the size: {title}; {len(drawn)} models"))
