"""Results to figures: security curves, clean against robust, regressors on the circumplex. It computes no rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pandas as pd
from markupsafe import Markup

from fer_bench.core.threat import Norm, ThreatModel, format_eps
from reports.tables.agreement import Regression
from reports.tables.boards import Board
from reports.tables.breakdowns import curves
from reports.tables.frames import Frames
from reports.tables.results import Results
from reports.view.format import decimal, percent, visible
from reports.view.svg import PERCENT, Axis, Dot, Line, circumplex, lines, round_ticks, scatter

#: Arrows drawn of one cell, the first of its images in order of their digests.
ARROWS = 60


@dataclass(frozen=True)
class Figure:
    """A drawing, what it is about, and what a reader must know to read it."""

    title: str
    caption: str
    drawing: Markup


def security_curves(results: Results) -> tuple[Figure, ...]:
    """One figure an attack, norm and data set that was read at two budgets or more; one line a model."""
    table, style = curves(results), styles(results.frames)
    found = []
    for (data, n, attack, norm), own in table.groupby(["data", "n", "attack", "norm"], sort=False):
        if own.loc[own["eps"] > 0, "eps"].nunique() < 2:
            continue
        drawn = []
        for (model, weights, seed), line in own.groupby(["model", "weights", "seed"], sort=False):
            several = own.loc[own["model"] == model, ["weights", "seed"]].nunique().max() > 1
            name = f"{model} ({str(weights)[:8]}, seed {seed})" if several else str(model)
            dots = tuple(_point(visible(name), row) for _, row in line.iterrows())
            drawn.append(Line(visible(name), dots, style[str(model), str(weights), int(str(seed))]))
        budgets = sorted(own["eps"].unique())
        ticks = tuple((eps, format_eps(eps, cast(Norm, norm)) if eps else "0") for eps in budgets)
        axis = Axis(f"budget ({norm}), spaced by its square root", 0.0, budgets[-1], ticks, math.sqrt)
        title = f"{visible(str(attack))} on {visible(str(data))}, n = {n:,}"
        label = f"Robust accuracy against budget: {title}; {len(drawn)} models"
        found.append(Figure(title, "", lines(axis, PERCENT, drawn, label)))
    return tuple(found)


def styles(frames: Frames) -> dict[tuple[str, str, int], int]:
    """The style of each model (name, digest, seed), so that it looks the same in every figure."""
    cells = [stored.cell for stored in frames.stored.values()]
    known = sorted({(cell.model, cell.model_digest, cell.seed) for cell in cells})
    return {model: place for place, model in enumerate(known)}


def _point(name: str, row: pd.Series) -> Dot:
    at = str(ThreatModel(row["norm"], row["eps"])) if row["eps"] else "no attack"
    words = f"{name}, {at}: {percent(row['robust_accuracy'])} % ({percent(row['low'])} to {percent(row['high'])})"
    return Dot(row["eps"], 100 * row["robust_accuracy"], words, repr(float(row["robust_accuracy"])))


def trade_off(board: Board, names: tuple[str, ...]) -> Figure | None:
    """Clean against worst-case robust accuracy of a board's rows, called `names`, with the Pareto front marked.

    None where fewer than two models have both.
    """
    threat = str(board.ranked_by)
    known = [
        (name, entry.clean.rate.value, entry.worst[threat].rate.value)
        for name, entry in zip(names, board.entries, strict=True)
        if threat in entry.worst
    ]
    if len(known) < 2:
        return None
    dots = []
    for name, clean, left in known:
        beaten = any(c >= clean and r >= left and (c, r) != (clean, left) for _, c, r in known)
        words = f"{name}: clean {percent(clean)} %, worst case {percent(left)} %"
        dots.append((name, Dot(100 * clean, 100 * left, words, repr(left)), not beaten))
    x = Axis("accuracy without attack, %", 0, 100, PERCENT.ticks)
    y = Axis(f"worst case at {threat}, %", 0, 100, PERCENT.ticks)
    title = f"Clean against robust: {visible(board.data)}, n = {board.n:,}"
    caption = "Filled: no other model is at least as good in both and better in one (the Pareto front)."
    return Figure(title, caption, scatter(x, y, dots, f"{title}; {len(dots)} models"))


def circumplexes(frames: Frames, regressed: Sequence[Regression]) -> tuple[Figure, ...]:
    """One figure a finished cell of a regressor, those of `regressed`, whose attacked predictions are known."""
    found = []
    for entry in regressed:
        if entry.attacked is None:
            continue
        own = frames.by_cell[entry.cell.id].head(ARROWS)
        values = own[["clean_valence", "clean_arousal", "attacked_valence", "attacked_arousal"]].to_numpy(float)
        moves = [(Dot(a, b, ""), Dot(c, d, _moved(a, b, c, d))) for a, b, c, d in values.tolist()]
        cell = entry.cell
        title = visible(f"{cell.cell.model}: {cell.context.attack_label} {cell.cell.attack.threat}")
        caption = f"From the prediction without attack (ring) to the attacked one (arrow), {len(moves)} images."
        found.append(Figure(title, caption, circumplex(moves, f"Valence and arousal, {title}")))
    return tuple(found)


def _moved(a: float, b: float, c: float, d: float) -> str:
    return f"({decimal(a)}, {decimal(b)}) to ({decimal(c)}, {decimal(d)})"


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
