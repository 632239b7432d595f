"""Has a valence-arousal model got worse? A paired bootstrap on CCC and RMSE: pure functions with a fixed seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm as normal
from scipy.stats import t as student

#: Resamples where nothing needs more, and the most that are ever drawn.
DRAWS, MOST = 10_000, 1_000_000
_CHUNK = 500

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """A measure before and after, with the interval of the difference and both one-sided p-values.

    A p-value is the share of resamples on the other side; one is added to both counts, so that it is never 0 (Davison
    and Hinkley, 1997, eq. 4.11); see `expanded`. None is below 2^-n: so often would n samples that change by chance all
    change to the same side, however alike their resamples are.
    """

    #: The measure of the predictions before.
    before: float
    #: The measure of the predictions after.
    after: float
    #: Lower end of the 95 % percentile interval of after minus before.
    low: float
    #: Its upper end.
    high: float
    #: The share of resamples in which it got no worse.
    p_worse: float
    #: The share of resamples in which it got no better.
    p_better: float


@dataclass(frozen=True)
class Changes:
    """What became of one dimension (valence or arousal): a fall of the CCC is worse, and so is a rise of the RMSE."""

    ccc: Change
    rmse: Change


def concordance(weights: Values, truth: Values, prediction: Values) -> Values:
    """Lin's concordance correlation coefficient (Biometrics 1989), population moments; 0 where nothing varies.

    `weights` `(draws, n)` sum to 1 a row; `truth` and `prediction` `(n,)` or `(n, columns)`; the result `(draws, ...)`.
    """
    mean_truth, mean_prediction = weights @ truth, weights @ prediction
    covariance = weights @ (truth * prediction) - mean_truth * mean_prediction
    spread = weights @ truth**2 - mean_truth**2 + weights @ prediction**2 - mean_prediction**2
    total = spread + (mean_truth - mean_prediction) ** 2
    # Cancellation leaves about 1e-16 where there is no variance: that is no variance, not a ratio of rounding errors.
    return np.divide(2 * covariance, total, out=np.zeros_like(total), where=total > 1e-15)


def root_mean_square(weights: Values, truth: Values, prediction: Values) -> Values:
    """Root mean square error; shapes as in `concordance`."""
    return np.sqrt(weights @ (truth - prediction) ** 2)


def draws_for(comparisons: int, alpha: float) -> int:
    """How many resamples let a clear change pass Holm's hardest level, alpha / comparisons, five times over."""
    return min(MOST, max(DRAWS, math.ceil(5 * comparisons / alpha)))


def smallest_p(n: int, draws: int) -> float:
    """The smallest p value that n samples and so many resamples can give."""
    return max(float(expanded(np.array(1 / (draws + 1)), n)), 0.5**n)


def expanded(p: Values, n: int) -> Values:
    """Percentile p values made larger for n samples, as Student's t is wider than the normal law.

    Resamples vary less than samples do, by (n - 1) / n, and their spread is an estimate itself (the expanded percentile
    interval of Hesterberg, Am. Statist. 2015).
    """
    if n < 2:
        return np.ones_like(p)
    wider: Values = student.sf(normal.isf(p) * math.sqrt((n - 1) / n), n - 1)
    return wider


def changes(truth: Values, before: Values, after: Values, seed: int = 0, draws: int = DRAWS) -> list[Changes]:
    """What changed from one set of predictions to another, by column.

    `truth`: `(n, columns)`.
    `before`, `after`: predictions of the same samples, shaped as `truth`.
    `seed`: of the resamples.
    `draws`: number of resamples.

    Samples are drawn with replacement, the same for all columns and for both predictions: what both share cancels.
    Raises ValueError for shapes that differ or no sample.
    """
    if truth.ndim != 2 or not truth.size or not truth.shape == before.shape == after.shape:
        raise ValueError(
            f"paired predictions are as many as truths and not none; got {truth.shape}, {before.shape}, {after.shape}"
        )
    n, columns = truth.shape
    generator = np.random.default_rng(seed)
    drawn = np.empty((2, draws, columns))
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        rows = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(rows.ravel(), minlength=size * n).reshape(size, n) / n
        for part, measure in zip(drawn, (concordance, root_mean_square), strict=True):
            part[start : start + size] = measure(weights, truth, after) - measure(weights, truth, before)
    whole = np.full((1, n), 1 / n)
    found = []
    for measure, moved, worse in ((concordance, drawn[0], -1), (root_mean_square, drawn[1], 1)):
        was, now = measure(whole, truth, before)[0], measure(whole, truth, after)[0]
        low, high = np.quantile(moved, [0.025, 0.975], axis=0)
        p_worse, p_better = _p(worse * moved, n), _p(-worse * moved, n)
        found.append([Change(*map(float, row)) for row in zip(was, now, low, high, p_worse, p_better, strict=True)])
    return [Changes(ccc, rmse) for ccc, rmse in zip(*found, strict=True)]


def _p(moved: Values, n: int) -> Values:
    """One-sided p values of `moved` `(draws, columns)`: in how many resamples it did not go up."""
    draws = len(moved)
    share: Values = (1 + np.sum(moved <= 0, axis=0)) / (draws + 1)
    return np.maximum(expanded(share, n), 0.5**n)
