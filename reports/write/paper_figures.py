"""Draws a folder's figures for papers by matplotlib, to PDF, SVG or PNG. It computes no rate and needs no screen.

Models are told apart by marker, line and shade at once, so that a print in gray and a colour-blind reader lose nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from fer_bench.core.threat import Norm, format_eps
from fer_bench.errors import UsageError
from fer_bench.stats.rates import Rate
from reports.tables.boards import Board, Entry
from reports.view.format import visible

ENDINGS = (".pdf", ".svg", ".png")

#: Okabe and Ito's colours (2008), without yellow, in an order of alternating lightness; dark enough for white paper.
_COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_LINES = ("-", "--", "-.", ":")
_UNITS: dict[Norm, str] = {
    "Linf": "Linf budget, in 1/255 of the range of a pixel",
    "L2": "L2 budget, pixels in [0, 1]",
    "L1": "L1 budget, pixels in [0, 1]",
    "L0": "L0 budget, in changed pixels",
    "flow": "largest displacement, in pixels",
    "severity": "severity of the corruption, level 1 to 5",
}
#: Text stays text in the files, names are no formulas, and the same results make the same bytes.
_SETTINGS: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.markersize": 4,
    "lines.linewidth": 1,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "fer_bench",
    "text.parse_math": False,
    "text.usetex": False,
}
_WIDTH, _HEIGHT = 6.3, 3.6  # inches: the text of a page in one column
_MOST_TICKS = 9


@dataclass(frozen=True)
class Drawn:
    """A rate with its interval, all in per cent, and how far it reaches to both sides as matplotlib wants it."""

    value: float
    below: float
    above: float


def drawn(rate: Rate) -> Drawn:
    """A `rate` of 0 to 1 as it is drawn."""
    return Drawn(100 * rate.value, 100 * (rate.value - rate.low), 100 * (rate.high - rate.value))


def files(boards: Sequence[Board], curves: pd.DataFrame, ending: str) -> list[bytes]:
    """The files of all figures: one of many pages for '.pdf', else one a figure. `curves`: see `breakdowns.curves`.

    Raises UsageError where there is nothing that a figure could compare.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's own style must not move what a test has looked at
        matplotlib.rcParams.update(cast(Any, _SETTINGS))
        found = figures(boards, curves)
        if not found:
            raise UsageError(
                "there is nothing to draw: a figure needs a curve of two budgets, two attacks or two models; the "
                "numbers that there are: ferbench export --table leaderboard."
            )
        return [_pdf(found)] if ending == ".pdf" else [_picture(figure, ending) for figure in found]


def figures(boards: Sequence[Board], curves: pd.DataFrame) -> list[Figure]:
    """Security curves; then for each board the robust accuracies, and clean against worst-case accuracy."""
    models = dict.fromkeys(zip(curves["model"], curves["weights"], curves["seed"], strict=True))
    models |= dict.fromkeys(_model(entry) for board in boards for entry in board.entries)
    look = _looks(cast("Sequence[_Model]", sorted(models)))
    found = [*_curves(curves, look)]
    for board in boards:
        if sum(len(entry.scores) for entry in board.entries) > 1:
            found.append(_accuracies(board, look))
        if sum(str(board.ranked_by) in entry.worst for entry in board.entries) > 1:
            found.append(_clean_against_worst(board, look))
    return found


_Model = tuple[str, str, int]


@dataclass(frozen=True)
class _Look:
    """How a model is drawn in every figure, and what it is called."""

    name: str
    colour: str
    marker: str
    line: str


def _model(entry: Entry) -> _Model:
    return (*entry.model, entry.first.cell.seed)


def _looks(models: Sequence[_Model]) -> dict[_Model, _Look]:
    """Marker, line and colour repeat after 9, 4 and 7 models: 252 differ."""
    names = [name for name, _, _ in models]
    looks = {}
    for place, (name, weights, seed) in enumerate(models):
        label = visible(name) if names.count(name) == 1 else f"{visible(name)} ({weights[:8]}, seed {seed})"
        label = f" {label}" if label.startswith("_") else label  # matplotlib hides what begins so
        ways = (_COLOURS[place % len(_COLOURS)], _MARKERS[place % len(_MARKERS)], _LINES[place % len(_LINES)])
        looks[name, weights, seed] = _Look(label, *ways)
    return looks


def _curves(curves: pd.DataFrame, look: dict[_Model, _Look]) -> Iterator[Figure]:
    """One figure an attack, norm and data set that was read at two budgets or more; one line a model."""
    for (data, n, attack, norm), own in curves.groupby(["data", "n", "attack", "norm"], sort=False):
        if own.loc[own["eps"] > 0, "eps"].nunique() < 2:
            continue
        figure, axes = _figure(f"{visible(str(attack))} on {visible(str(data))}, n = {n:,}")
        scale = 255.0 if norm == "Linf" else 1.0
        for model, line in own.groupby(["model", "weights", "seed"], sort=False):
            rates = [Rate(*row) for row in line[["robust_accuracy", "low", "high"]].itertuples(index=False)]
            _dots(axes, look[cast(_Model, model)], list(line["eps"] * scale), rates, joined=True)
        budgets = sorted(own["eps"].unique())
        shown = budgets[:: -(-len(budgets) // _MOST_TICKS)]
        words = [format_eps(eps, cast(Norm, norm)).removesuffix("/255") for eps in shown]
        axes.set_xscale("function", functions=(_root, _square))
        axes.set_xticks([eps * scale for eps in shown], words)
        axes.set_xlim(-0.001 * budgets[-1] * scale, 1.06 * budgets[-1] * scale)
        axes.set_xlabel(f"{_UNITS[cast(Norm, norm)]} (square-root scale)")
        axes.set_ylabel("robust accuracy (%), 95 % interval")
        axes.set_ylim(-2, 102)
        yield _keyed(figure, axes)


def _accuracies(board: Board, look: dict[_Model, _Look]) -> Figure:
    """Robust accuracy of every model under every attack at every budget, the attacks below each other."""
    readings = list(dict.fromkeys(name for entry in board.entries for name in entry.scores))
    entries = [entry for entry in board.entries if entry.scores]
    height = max(_HEIGHT, 1.2 + len(readings) * (0.15 + 0.09 * len(entries)))
    figure, axes = _figure(f"robust accuracy on {visible(board.data)}, n = {board.n:,}", height)
    for place, entry in enumerate(entries):
        offset = 0.7 * ((place + 0.5) / len(entries) - 0.5)
        rows = [readings.index(name) + offset for name in entry.scores]
        rates = [score.robust.rate for score in entry.scores.values()]
        _dots(axes, look[_model(entry)], rows, rates, across=True)
    for edge in range(1, len(readings)):
        axes.axhline(edge - 0.5, color="0.8", linewidth=0.5, zorder=0)
    axes.set_yticks(range(len(readings)), [visible(name) for name in readings])
    axes.set_ylim(len(readings) - 0.5, -0.5)
    axes.set_xlabel("robust accuracy (%), with 95 % interval")
    axes.set_xlim(-2, 102)
    return _keyed(figure, axes)


def _clean_against_worst(board: Board, look: dict[_Model, _Look]) -> Figure:
    """One dot a model: its accuracy without attack, and under the worst of all attacks at the board's budget."""
    figure, axes = _figure(f"{visible(board.data)}, n = {board.n:,}")
    for entry in board.entries:
        worst = entry.worst.get(str(board.ranked_by))
        if worst is not None:
            kind = look[_model(entry)]
            clean = drawn(entry.clean.rate)
            _dots(axes, kind, [clean.value], [worst.rate])
            reach = ([clean.below], [clean.above])
            axes.errorbar(
                [clean.value], [100 * worst.rate.value], xerr=reach, fmt="none", ecolor=kind.colour, elinewidth=0.7
            )
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.axline((0, 0), slope=1, color="0.7", linewidth=0.7, zorder=0)  # where no attack succeeds
    axes.set_xlim(max(left, -2), min(right, 102))
    axes.set_ylim(max(bottom, -2), min(top, 102))
    axes.set_xlabel("accuracy without attack (%), with 95 % interval")
    axes.set_ylabel(f"worst case at {board.ranked_by} (%), 95 % interval")
    return _keyed(figure, axes)


def _dots(
    axes: Axes, look: _Look, places: Sequence[float], rates: Sequence[Rate], joined: bool = False, across: bool = False
) -> None:
    """Rates with their intervals at `places` of the other axis: upwards, or `across`; `joined` by a line."""
    dots = [drawn(rate) for rate in rates]
    values, reach = [dot.value for dot in dots], ([dot.below for dot in dots], [dot.above for dot in dots])
    way: dict[str, Any] = (
        {"x": values, "y": places, "xerr": reach} if across else {"x": places, "y": values, "yerr": reach}
    )
    axes.errorbar(
        **way,
        label=look.name,
        color=look.colour,
        marker=look.marker,
        markerfacecolor="white",
        linestyle=look.line if joined else "none",
        elinewidth=0.7,
        capsize=1.5,
    )


def _figure(title: str, height: float = _HEIGHT) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title)
    axes.grid(axis="both", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    return figure, axes


def _keyed(figure: Figure, axes: Axes) -> Figure:
    """With the key of models below, where it hides nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _root(values: np.ndarray) -> np.ndarray:
    """The square root, on both sides of 0: the margin left of 0 is on the other."""
    signed: np.ndarray = np.sign(values) * np.sqrt(np.abs(values))
    return signed


def _square(values: np.ndarray) -> np.ndarray:
    signed: np.ndarray = np.sign(values) * np.square(values)
    return signed


def _pdf(found: Sequence[Figure]) -> bytes:
    stream = io.BytesIO()
    with PdfPages(stream, metadata={"Creator": "fer_bench", "CreationDate": None}) as pages:
        for figure in found:
            pages.savefig(figure)
    return stream.getvalue()


def _picture(figure: Figure, ending: str) -> bytes:
    stream = io.BytesIO()
    if ending == ".svg":
        figure.savefig(stream, format="svg", metadata={"Date": None})
    else:
        figure.savefig(stream, format="png", dpi=300)
    return stream.getvalue()
