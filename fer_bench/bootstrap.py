"""Has a valence-arousal model got worse? A paired bootstrap on CCC and RMSE: pure functions with a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
_CHUNK = 500

Values = NDArray[np.float64]
#: A measure of many resamples at once: weights `(draws, n)` summing to 1 a row, truth and prediction `(n,)`.
Measure = Callable[[Values, Values, Values], Values]


@dataclass(frozen=True)
class Fall:
    """How far a measure got worse. `value` is positive for worse; `low` to `high` is its 95 % percentile interval.

    `p`: one-sided, the share of resamples in which it got no worse (Davison and Hinkley, 1997, eq. 4.11: one is
    added to both counts, so that p is never 0).
    """

    value: float
    low: float
    high: float
    p: float


def concordance(weights: Values, truth: Values, prediction: Values) -> Values:
    """Lin's concordance correlation coefficient (Biometrics 1989), population moments; 0 where nothing varies."""
    mean_truth, mean_prediction = weights @ truth, weights @ prediction
    covariance = weights @ (truth * prediction) - mean_truth * mean_prediction
    spread = weights @ truth**2 - mean_truth**2 + weights @ prediction**2 - mean_prediction**2
    total = spread + (mean_truth - mean_prediction) ** 2
    # Cancellation leaves about 1e-16 where there is no variance: that is no variance, not a ratio of rounding errors.
    return np.divide(2 * covariance, total, out=np.zeros_like(total), where=total > 1e-15)


def root_mean_square(weights: Values, truth: Values, prediction: Values) -> Values:
    """Root mean square error."""
    return np.sqrt(weights @ (truth - prediction) ** 2)


def fall_in_ccc(truth: Values, before: Values, after: Values, seed: int = 0, draws: int = DRAWS) -> Fall:
    """How far the CCC fell from the predictions `before` to those `after`, all `(n,)` for the same samples."""
    return _fall(concordance, -1.0, truth, before, after, seed, draws)


def rise_in_rmse(truth: Values, before: Values, after: Values, seed: int = 0, draws: int = DRAWS) -> Fall:
    """How far the RMSE rose from the predictions `before` to those `after`, all `(n,)` for the same samples."""
    return _fall(root_mean_square, 1.0, truth, before, after, seed, draws)


def _fall(measure: Measure, worse: float, truth: Values, before: Values, after: Values, seed: int, draws: int) -> Fall:
    """Samples are drawn with replacement, the same for both predictions: what both share cancels."""
    n = len(truth)
    if not n or len(before) != n or len(after) != n:
        raise ValueError(f"paired predictions are as many as truths and not none; got {n}, {len(before)}, {len(after)}")

    def change(weights: Values) -> Values:
        return worse * (measure(weights, truth, after) - measure(weights, truth, before))

    generator = np.random.default_rng(seed)
    changes = []
    for start in range(0, draws, _CHUNK):
        counts = generator.multinomial(n, np.full(n, 1 / n), size=min(_CHUNK, draws - start))
        changes.append(change(counts / n))
    drawn = np.concatenate(changes)
    low, high = np.quantile(drawn, [0.025, 0.975])
    p = (1 + int(np.sum(drawn <= 0))) / (draws + 1)
    return Fall(float(change(np.full((1, n), 1 / n))[0]), float(low), float(high), p)
