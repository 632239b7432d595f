"""A model's own section: by class, confusion before and after, sizes of smallest perturbations. It renders nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fer_bench.stats.rates import wilson
from fer_bench.store.results import StoredCell
from reports.tables.boards import Board, Entry, Score
from reports.tables.breakdowns import UNKNOWN
from reports.tables.frames import Frames
from reports.tables.rates import attacked_predictions, robust
from reports.view.figures import smallest, within
from reports.view.format import anchor, decimal, visible
from reports.view.matrices import Kill, Matrix, Square, square

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
    """What one row of a board is like in detail, under the attack that leaves least at the board's threat."""

    #: Its place on the page.
    anchor: str
    #: The place of its model's card.
    card: str
    #: What the row is called.
    name: str
    #: Data set and subset.
    data: str
    #: The attack, with its budget.
    attack: str
    #: By class of the data.
    expressions: tuple[Expression, ...]
    #: The expressions of lowest robust accuracy.
    hardest: str
    #: Those of highest.
    easiest: str
    #: Confusion without attack.
    before: Matrix
    #: Confusion under it.
    after: Matrix
    #: By minimum-norm attack the size within which each share of QUANTILES fell.
    norms: tuple[tuple[str, tuple[str, ...]], ...]
    #: What each attack broke where several had the same budget.
    kills: tuple[Kill, ...]


def profiles(frames: Frames, board: Board, names: Sequence[str], kills: Sequence[Kill]) -> tuple[Profile, ...]:
    """The profile of each row of the board, called `names`, that was attacked at the threat the board is ranked by.

    `kills` are those of the whole board.
    """
    found = []
    for name, entry in zip(names, board.entries, strict=True):
        at = [score for score in entry.scores.values() if score.reading.threat == board.ranked_by]
        if at:
            strongest = min(at, key=lambda score: score.robust.rate.value)
            own = tuple(kill for kill in kills if kill.model == name)
            found.append(_profile(frames, board, name, entry, strongest, own))
    return tuple(found)


def _profile(frames: Frames, board: Board, name: str, entry: Entry, score: Score, kills: tuple[Kill, ...]) -> Profile:
    """The profile of one row.

    `frames`: what holds its verdicts.
    `board`: the board that it is on.
    `name`: what it is called.
    `entry`: what was measured of it.
    `score`: that of its strongest attack.
    `kills`: its own, of all of the board's.
    """
    cell, own = frames.stored[score.reading.cell], frames.by_cell[score.reading.cell]
    left = robust(own, score.reading.threat)
    classes = cell.context.data_classes
    expressions, rates = [], {}
    for truth, rows in own.groupby("truth"):
        title, right, held = visible(classes[int(str(truth))]), int(rows["right"].sum()), int(left[rows.index].sum())
        rate = wilson(held, len(rows))
        rates[title] = rate.value
        expressions.append(Expression(title, len(rows), square(wilson(right, len(rows))), square(rate)))
    attacked = attacked_predictions(own, score.reading.threat)
    return Profile(
        anchor=anchor("profile", *entry.identity),
        card=anchor("card", *entry.model),
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
        kills=kills,
    )


def _all_at(rates: dict[str, float], value: float) -> str:
    return ", ".join(name for name, rate in rates.items() if rate == value)


def _confusion(title: str, truth: pd.Series, predicted: pd.Series, cell: StoredCell) -> Matrix:
    """Rows: true class; columns: prediction, those of the rows first, so that what is right stands on the diagonal.

    In per cent of the row; the count on hover.
    """
    counts = pd.crosstab(truth, predicted.astype(int))
    model, data = cell.context.model_classes, cell.context.data_classes
    shared = [model.index(data[int(str(place))]) for place in counts.index if data[int(str(place))] in model]
    counts = counts.reindex(columns=[*dict.fromkeys([*shared, *counts.columns])], fill_value=0)
    predictions = [int(str(i)) for i in counts.columns]
    columns = tuple(visible(model[i]) if 0 <= i < len(model) else UNKNOWN for i in predictions)
    rows = tuple(
        (
            visible(data[int(str(place))]),
            tuple(square(wilson(int(images), int(line.sum())), f"{images} of {line.sum()} images") for images in line),
        )
        for place, line in counts.iterrows()
    )
    return Matrix(title, "true class, prediction", columns, rows)


def _sizes(own: pd.DataFrame) -> tuple[str, ...]:
    """The sizes within which each share of the images that were right fell; infinite where too few fell."""
    sizes = smallest(own)
    return tuple(decimal(within(sizes, share)) for share in QUANTILES)
