"""Charts as inline SVG: lines, points, arrows. It must not know what the numbers mean, and adds no number to them.

The same numbers give the same text. Colours come from the page's style sheet, so that a chart follows light and dark;
shape, dash and name tell what colour alone would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from reports.view.format import crop

#: How many colours and dashes the style sheet has (.s0 ...); more lines repeat them, and are told apart by name.
STYLES = 8
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 360, 52, 14, 44
_NAME = 26
_BESIDE = 205
_ROW = 13.0


@dataclass(frozen=True)
class Dot:
    """A point of a chart, its words on hover, and the exact number that it shows."""

    x: float
    y: float
    words: str
    exact: str = ""


@dataclass(frozen=True)
class Line:
    """A named row of points, by rising x. `style`: its colour, dash and mark, the same wherever it is drawn."""

    name: str
    dots: tuple[Dot, ...]
    style: int = 0


@dataclass(frozen=True)
class Axis:
    """An axis of a chart."""

    #: What it measures, with its unit.
    title: str
    #: The value at its beginning.
    low: float
    #: The value at its end.
    high: float
    #: Place and words of each.
    ticks: tuple[tuple[float, str], ...]
    #: Straightens an uneven scale; it must rise.
    bend: Callable[[float], float] = field(default=lambda value: value)

    def share(self, value: float) -> float:
        """Where a value stands between the ends, 0 to 1."""
        low, high = self.bend(self.low), self.bend(self.high)
        return (self.bend(value) - low) / (high - low)


def round_ticks(high: float) -> tuple[tuple[float, str], ...]:
    """Ticks from 0 to at most `high` (above 0) at 1, 2 or 5 times a power of ten, four to nine of them beside 0."""
    power = 10.0 ** math.floor(math.log10(high))
    step = next(part * power for part in (0.1, 0.2, 0.5, 1) if high / (part * power) < 10)
    return tuple((step * count, f"{step * count:.6g}") for count in range(math.floor(high / step * (1 + 1e-9)) + 1))


PERCENT = Axis("robust accuracy, %", 0, 100, tuple((float(tick), str(tick)) for tick in range(0, 101, 20)))


def lines(x: Axis, y: Axis, drawn: Sequence[Line], label: str, joined: bool = True) -> Markup:
    """A chart of named lines with a mark at each point, the names beside their last.

    `x`: the axis below.
    `y`: the axis at the left.
    `drawn`: the lines, with one point or more each.
    `label`: what the chart is, for a screen reader.
    `joined`: False for marks alone.
    """
    right = _WIDTH - _BESIDE
    place = _placed(x, y, right)
    parts = [_axes(x, y, right)]
    ends = []
    for line in drawn:
        points = [place(dot) for dot in line.dots]
        path = Markup('<polyline points="{}"/>').format(" ".join(f"{a:.1f},{b:.1f}" for a, b in points))
        marks = Markup("").join(_mark(line.style, *at, dot) for at, dot in zip(points, line.dots, strict=True))
        parts.append(Markup('<g class="s{}">{}{}</g>').format(line.style % STYLES, path if joined else "", marks))
        ends.append((points[-1][1], points[-1][0], line.name, f" n{line.style % STYLES}"))
    parts += _names(ends, right)
    height = max(_HEIGHT, _TOP + _ROW * (len(drawn) + 1) + 4)
    return _drawing(parts, label, height)


def scatter(x: Axis, y: Axis, dots: Sequence[tuple[str, Dot, bool]], label: str) -> Markup:
    """A chart of named points; those marked True are filled, and joined to a front by a dashed line."""
    right = _WIDTH - _BESIDE
    place = _placed(x, y, right)
    front = sorted((place(dot) for _, dot, marked in dots if marked), reverse=True)
    parts = [_axes(x, y, right)]
    if len(front) > 1:
        parts.append(
            Markup('<polyline class="front" points="{}"/>').format(" ".join(f"{a:.1f},{b:.1f}" for a, b in front))
        )
    ends = []
    for name, dot, marked in dots:
        a, b = place(dot)
        parts.append(
            Markup('<g class="{}"><circle cx="{:.1f}" cy="{:.1f}" r="5"{}><title>{}</title></circle></g>').format(
                "marked" if marked else "open", a, b, _exact(dot), dot.words
            )
        )
        ends.append((b, a, f"{name} (front)" if marked else name, ""))
    parts += _names(ends, right)
    return _drawing(parts, label, max(_HEIGHT, _TOP + _ROW * (len(dots) + 1) + 4))


def circumplex(moves: Sequence[tuple[Dot, Dot]], label: str) -> Markup:
    """Arrows on the valence-arousal square [-1, 1]: each from a ring to an arrow head."""
    side, edge = 320.0, 40.0

    def place(dot: Dot) -> tuple[float, float]:
        return edge + side * (min(max(dot.x, -1), 1) + 1) / 2, edge + side * (1 - min(max(dot.y, -1), 1)) / 2

    centre, half = edge + side / 2, side / 2
    parts = [
        Markup('<rect class="frame" x="{0:g}" y="{0:g}" width="{1:g}" height="{1:g}"/>').format(edge, side),
        Markup('<circle class="grid" cx="{0:g}" cy="{0:g}" r="{1:g}"/>').format(centre, half),
        Markup('<path class="grid" d="M{0:g} {1:g}V{2:g}M{1:g} {0:g}H{2:g}"/>').format(centre, edge, edge + side),
        _text(centre, edge + side + 28, "valence, -1 to 1", "middle"),
        _text(centre, edge - 12, "arousal, -1 to 1", "middle"),
    ]
    for before, after in moves:
        (a, b), (c, d) = place(before), place(after)
        parts.append(
            Markup(
                '<g class="move"><circle cx="{:.1f}" cy="{:.1f}" r="2.5"/>'
                '<path d="M{:.1f} {:.1f}L{:.1f} {:.1f}{}"/>{}</g>'
            ).format(a, b, a, b, c, d, _head(a, b, c, d), Markup("<title>{}</title>").format(after.words))
        )
    return _drawing(parts, label, side + 2 * edge, side + 2 * edge, "field")


def _head(a: float, b: float, c: float, d: float) -> str:
    """The two strokes of an arrow head at (c, d); nothing where the arrow has no length."""
    length = math.hypot(c - a, d - b)
    if length < 0.5:
        return ""
    back, across = min(6.0, length / 2) / length, 3.0 / length
    x, y = c - (c - a) * back, d - (d - b) * back
    dx, dy = -(d - b) * across, (c - a) * across
    return f"M{x + dx:.1f} {y + dy:.1f}L{c:.1f} {d:.1f}L{x - dx:.1f} {y - dy:.1f}"


def _placed(x: Axis, y: Axis, right: float) -> Callable[[Dot], tuple[float, float]]:
    bottom = _HEIGHT - _BOTTOM
    return lambda dot: (
        _LEFT + (right - _LEFT) * x.share(dot.x),
        bottom - (bottom - _TOP) * y.share(dot.y),
    )


def _axes(x: Axis, y: Axis, right: float) -> Markup:
    bottom = _HEIGHT - _BOTTOM
    parts = []
    last = -math.inf
    for value, words in x.ticks:
        at = _LEFT + (right - _LEFT) * x.share(value)
        parts.append(Markup('<path class="grid" d="M{0:.1f} {1}V{2}"/>').format(at, _TOP, bottom))
        if at - last >= 7 * len(words) + 6:  # words that would touch are left out; their line stays
            parts.append(_text(at, bottom + 16, words, "middle"))
            last = at
    for value, words in y.ticks:
        at = bottom - (bottom - _TOP) * y.share(value)
        parts.append(Markup('<path class="grid" d="M{1} {0:.1f}H{2:g}"/>').format(at, _LEFT, right))
        parts.append(_text(_LEFT - 6, at + 4, words, "end"))
    parts.append(_text((_LEFT + right) / 2, bottom + 36, x.title, "middle"))
    parts.append(
        Markup('<text class="axis" text-anchor="middle" transform="translate(14 {:g}) rotate(-90)">{}</text>').format(
            (bottom + _TOP) / 2, y.title
        )
    )
    return Markup("").join(parts)


def _mark(style: int, x: float, y: float, dot: Dot) -> Markup:
    """A circle, square, diamond or triangle, so that lines differ without colour."""
    shape = (
        "M{0:.1f} {1:.1f}m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
        "M{0:.1f} {1:.1f}m-3-3h6v6h-6z",
        "M{0:.1f} {1:.1f}m0-4.5l4.5 4.5l-4.5 4.5l-4.5-4.5z",
        "M{0:.1f} {1:.1f}m0-4.5l4 7h-8z",
    )[(style + style // STYLES) % 4].format(x, y)
    return Markup('<path class="mark-of" d="{}"{}><title>{}</title></path>').format(shape, _exact(dot), dot.words)


def _exact(dot: Dot) -> Markup:
    return Markup(' data-value="{}"').format(dot.exact) if dot.exact else Markup("")


def _names(ends: Sequence[tuple[float, float, str, str]], right: float) -> list[Markup]:
    """The names (y, x, name, class) beside the drawing, near their ends, none upon another."""
    ordered = sorted(ends)
    ceiling = max(_HEIGHT - _BOTTOM - 4, _TOP + _ROW * (len(ordered) - 1))
    places: list[float] = []
    for y, *_ in reversed(ordered):
        places.insert(0, min(y, ceiling))
        ceiling = places[0] - _ROW
    floor = float(_TOP)
    parts = []
    for (y, x, name, style), place in zip(ordered, places, strict=True):
        at = max(place, floor)
        floor = at + _ROW
        parts.append(Markup('<path class="lead" d="M{:.1f} {:.1f}L{:g} {:.1f}"/>').format(x + 6, y, right + 10, at))
        parts.append(
            Markup('<text class="name-of{}" x="{:g}" y="{:.1f}">{}<title>{}</title></text>').format(
                style, right + 13, at + 4, crop(name, _NAME), name
            )
        )
    return parts


def _text(x: float, y: float, words: str, anchor: str) -> Markup:
    return Markup('<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, words)


def _drawing(parts: Sequence[Markup], label: str, height: float, width: float = _WIDTH, kind: str = "chart") -> Markup:
    """The whole drawing.

    `parts`: what is in it, the lowest first.
    `label`: what it is, for a screen reader.
    `height`: of the drawing, in its own units.
    `width`: likewise.
    `kind`: its class in the style sheet.
    """
    return Markup('<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {:g} {:g}" width="{:g}">{}</svg>').format(
        kind, label, width, height, width, Markup("").join(parts)
    )
