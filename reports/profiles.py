"""A model's own section: by class, confusion before and after, sizes of smallest perturbations. It renders nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fer_bench import metrics
from fer_bench.store import StoredCell
from reports.boards import Board, Entry, Score
from reports.breakdowns import UNKNOWN
from reports.display import decimal, visible
from reports.frames import Frames
from reports.matrices import Matrix, Square, square
from reports.rates import robust

#: Shares of the images that were right before, at which the sizes of smallest perturbations are told.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Expression:
    """A class of the data: its images, right without attack, and robust under the strongest attack."""

    name: str
    images: int
    clean: Square
    robust: Square


@dataclass(frozen=True)
class Profile:
    """What one row of a board is like in detail, under `attack`: the attack that leaves least at the board's threat.

    `hardest`, `easiest`: the expressions of lowest and highest robust accuracy. `norms`: by minimum-norm attack the
    size within which each share of QUANTILES fell.
    """

    name: str
    data: str
    attack: str
    expressions: tuple[Expression, ...]
    hardest: str
    easiest: str
    before: Matrix
    after: Matrix
    norms: tuple[tuple[str, tuple[str, ...]], ...]


def profiles(frames: Frames, board: Board, names: Sequence[str]) -> tuple[Profile, ...]:
    """The profile of each row of the board, called `names`, that was attacked at the threat the board is ranked by."""
    found = []
    for name, entry in zip(names, board.entries, strict=True):
        at = [score for score in entry.scores.values() if score.reading.threat == board.ranked_by]
        if at:
            strongest = min(at, key=lambda score: score.robust.rate.value)
            found.append(_profile(frames, board, name, entry, strongest))
    return tuple(found)


def _profile(frames: Frames, board: Board, name: str, entry: Entry, score: Score) -> Profile:
    cell, own = frames.stored[score.reading.cell], frames.by_cell[score.reading.cell]
    left = robust(own, score.reading.threat)
    classes = cell.context.data_classes
    expressions, rates = [], {}
    for truth, rows in own.groupby("truth"):
        title, right, held = visible(classes[int(str(truth))]), int(rows["right"].sum()), int(left[rows.index].sum())
        rate = metrics.wilson(held, len(rows))
        rates[title] = rate.value
        expressions.append(Expression(title, len(rows), square(metrics.wilson(right, len(rows))), square(rate)))
    fell = own["right"] & ~left
    attacked = own["attacked_prediction"].where(fell, own["clean_prediction"])
    return Profile(
        name=name,
        data=f"{visible(board.data)}, n = {board.n:,}",
        attack=visible(score.reading.name),
        expressions=tuple(expressions),
        hardest=_all_at(rates, min(rates.values())),
        easiest=_all_at(rates, max(rates.values())),
        before=_confusion("without attack", own["truth"], own["clean_prediction"], cell),
        after=_confusion(f"under {visible(score.reading.name)}", own["truth"], attacked, cell),
        norms=tuple(
            (f"{visible(attack)} ({found.norm})", _sizes(frames.by_cell[found.cell]))
            for attack, found in entry.minimum_norms.items()
        ),
    )


def _all_at(rates: dict[str, float], value: float) -> str:
    return ", ".join(name for name, rate in rates.items() if rate == value)


def _confusion(title: str, truth: pd.Series, predicted: pd.Series, cell: StoredCell) -> Matrix:
    """Rows: true class; columns: prediction; per cent of the row, and the count on hover."""
    counts = pd.crosstab(truth, predicted.astype(int))
    model = cell.context.model_classes
    predictions = [int(str(i)) for i in counts.columns]
    columns = tuple(visible(model[i]) if 0 <= i < len(model) else UNKNOWN for i in predictions)
    rows = tuple(
        (
            visible(cell.context.data_classes[int(str(place))]),
            tuple(
                square(metrics.wilson(int(images), int(line.sum())), f"{images} of {line.sum()} images")
                for images in line
            ),
        )
        for place, line in counts.iterrows()
    )
    return Matrix(title, "true class, prediction", columns, rows)


def _sizes(own: pd.DataFrame) -> tuple[str, ...]:
    """The sizes within which each share of the images that were right fell; infinite where too few fell."""
    right = own[own["right"]]
    sizes = right["norm"].where(right["fooled"].astype(bool), float("inf")).sort_values().tolist()
    if not sizes:
        return tuple(decimal(None) for _ in QUANTILES)
    return tuple(decimal(sizes[max(0, -int(-share * len(sizes) // 1) - 1)]) for share in QUANTILES)
