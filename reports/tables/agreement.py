"""Cells of valence-arousal regressors to tables: agreement with the truth, clean and attacked. It renders nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from fer_bench.core.model_card import VALENCE_AROUSAL
from fer_bench.stats import bootstrap, rates
from fer_bench.stats.agreement import Agreement, agreement
from fer_bench.stats.rates import Rate
from fer_bench.store.results import StoredCell
from reports.tables.frames import Frames
from reports.tables.rates import finished, robust

MEASURES = ("rmse", "mae", "pcc", "ccc", "sagr")
_RESAMPLES = 1000


@dataclass(frozen=True)
class Measured:
    """The agreement of one dimension, and 95 % intervals of its CCC and RMSE (percentiles of 1,000 resamples).

    A resample in which nothing varies counts as a CCC of 0, as in the gate.
    """

    agreement: Agreement
    ccc: tuple[float, float] | None
    rmse: tuple[float, float]


@dataclass(frozen=True)
class Regression:
    """One finished cell of a regressor. `clean` and `attacked` by dimension; `attacked` is None with a tolerance.

    `within`: with a tolerance the share of samples whose loss the attack could not push above it; else None.
    """

    cell: StoredCell
    clean: dict[str, Measured]
    attacked: dict[str, Measured] | None
    within: Rate | None


def regressions(frames: Frames) -> list[Regression]:
    """Every finished cell of a regressor, in order."""
    entries = []
    for cell in finished(frames):
        if not cell.cell.attack.loss or cell.id not in frames.by_cell:
            continue
        verdicts, bounded = frames.by_cell[cell.id], cell.cell.attack.tolerance is not None
        within = robust(verdicts, cell.cell.attack.threat)
        entries.append(
            Regression(
                cell,
                clean=_by_dimension(verdicts, "clean"),
                attacked=None if bounded else _by_dimension(verdicts, "attacked"),
                within=rates.wilson(int(within.sum()), len(within)) if bounded else None,
            )
        )
    return entries


def _by_dimension(verdicts: pd.DataFrame, when: str) -> dict[str, Measured]:
    return {name: measure(verdicts[name].to_numpy(), verdicts[f"{when}_{name}"].to_numpy()) for name in VALENCE_AROUSAL}


def measure(truth: np.ndarray, predicted: np.ndarray) -> Measured:
    """The agreement of `predicted` with `truth`, both `(n,)`, with intervals from resampled samples (seed 0)."""
    agreed, weights = agreement(truth, predicted), _weights(len(truth))
    return Measured(
        agreed,
        None if agreed.ccc is None else _interval(bootstrap.concordance(weights, truth, predicted)),
        _interval(bootstrap.root_mean_square(weights, truth, predicted)),
    )


@lru_cache(maxsize=1)
def _weights(n: int) -> np.ndarray:
    """How often each of `n` samples is in each resample, `(resamples, n)`, rows summing to 1."""
    draws = np.random.default_rng(0).integers(0, n, (_RESAMPLES, n))
    return np.stack([np.bincount(rows, minlength=n) for rows in draws]) / n


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def va_frame(entries: Sequence[Regression]) -> pd.DataFrame:
    """One row a finished cell of a regressor.

    Columns: model, data, n, seed, attack, threat, loss, tolerance, within_tolerance, then clean_ and attacked_ rmse,
    mae, pcc, ccc, sagr of valence and arousal. NaN: not measured or undefined.
    """
    rows = []
    for entry in entries:
        cell, spec = entry.cell.cell, entry.cell.cell.attack
        row: list[object] = [cell.model, cell.data, cell.n, cell.seed, entry.cell.context.attack_label]
        row += [str(spec.threat), spec.loss, spec.tolerance, None if entry.within is None else entry.within.value]
        for measured in (entry.clean, entry.attacked):
            row += [
                getattr(measured[name].agreement, measure) if measured else None
                for name in VALENCE_AROUSAL
                for measure in MEASURES
            ]
        rows.append(row)
    columns = ["model", "data", "n", "seed", "attack", "threat", "loss", "tolerance", "within_tolerance"]
    columns += [f"{when}_{m}_{name}" for when in ("clean", "attacked") for name in VALENCE_AROUSAL for m in MEASURES]
    frame: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    frame[columns[7:]] = frame[columns[7:]].astype(float)
    return frame


def va_rows(
    entries: Sequence[Regression], decimal: Callable[[float | None], str]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A header, and for each cell a row of text: CCC and RMSE of both dimensions, clean -> attacked."""
    header = ("model", "attack", "threat", "raises", "CCC V", "CCC A", "RMSE V", "RMSE A", "tolerated")
    rows = []
    for entry in entries:
        cell, spec = entry.cell.cell, entry.cell.cell.attack
        row = [cell.model, entry.cell.context.attack_label, str(spec.threat), spec.loss]
        for name in ("ccc", "rmse"):
            for dimension in VALENCE_AROUSAL:
                before = decimal(getattr(entry.clean[dimension].agreement, name))
                after = decimal(getattr(entry.attacked[dimension].agreement, name)) if entry.attacked else ""
                row.append(f"{before}->{after}" if after else before)
        share = "" if entry.within is None else f"{100 * entry.within.value:.1f} %"
        rows.append((*row, share))
    return header, rows
