"""Cells of regressors to rows of strings: agreement with the truth before and under attack. It computes no number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fer_bench.core.model_card import VALENCE_AROUSAL
from reports.tables.agreement import Measured, Regression
from reports.view.format import decimal, interval, percent, visible
from reports.view.rows import Number


@dataclass(frozen=True)
class RegressorRow:
    """One finished cell of a regressor."""

    #: Name of the model.
    model: str
    #: Data set, subset and seed.
    data: str
    #: Label of the attack.
    attack: str
    #: Norm and budget.
    threat: str
    #: The loss that the attack raises.
    raises: str
    #: CCC of valence before and under attack, of arousal, then RMSE.
    numbers: tuple[Number, ...]
    #: With a tolerance the share of images, in per cent, whose loss stayed within it.
    tolerated: Number


def regressor_rows(found: Sequence[Regression]) -> tuple[RegressorRow, ...]:
    """The cells as text; what was not measured is 'n/a'."""
    return tuple(_row(entry) for entry in found)


def _row(entry: Regression) -> RegressorRow:
    cell, attack = entry.cell, entry.cell.cell.attack
    numbers = [
        _number(None if when is None else when[dimension], name)
        for name in ("ccc", "rmse")
        for dimension in VALENCE_AROUSAL
        for when in (entry.clean, entry.attacked)
    ]
    rate = entry.within
    return RegressorRow(
        visible(cell.cell.model),
        f"{visible(cell.cell.data)}, n = {cell.cell.n:,}, seed {cell.cell.seed}",
        visible(cell.context.attack_label),
        str(attack.threat),
        visible(attack.loss),
        tuple(numbers),
        Number(percent(None)) if rate is None else Number(percent(rate.value), interval(rate), repr(rate.value)),
    )


def _number(measured: Measured | None, name: str) -> Number:
    value = None if measured is None else getattr(measured.agreement, name)
    if measured is None or value is None:
        return Number(decimal(None))
    ends = measured.ccc if name == "ccc" else measured.rmse
    return Number(decimal(value), "" if ends is None else f"{decimal(ends[0])} to {decimal(ends[1])}", repr(value))
