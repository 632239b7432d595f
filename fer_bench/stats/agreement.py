"""How well a regressor agrees with the truth: RMSE, MAE, PCC, CCC and SAGR, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """How well predictions of one dimension (valence or arousal) agree with the truth; None: undefined.

    Population moments (divided by n) throughout.
    """

    #: Root mean square error, in units of the dimension.
    rmse: float
    #: Mean absolute error, in units of the dimension.
    mae: float
    #: Pearson's correlation, in [-1, 1].
    pcc: float | None
    #: Lin's concordance correlation (Biometrics 1989), 2 cov / (var + var + (mean - mean)^2), in [-1, 1].
    ccc: float | None
    #: Sign agreement: the share on the true side of zero, among samples whose truth is not exactly zero.
    sagr: float | None


def agreement(truth: np.ndarray, predicted: np.ndarray) -> Agreement:
    """The agreement of `predicted` `(n,)` with `truth` `(n,)`. Raises ValueError for none or for unequal lengths."""
    true, seen = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if true.shape != seen.shape or true.ndim != 1 or not len(true):
        raise ValueError(f"agreement needs two equally long rows of numbers, got {true.shape} and {seen.shape}")
    error = seen - true
    covariance = float(np.mean((true - true.mean()) * (seen - seen.mean())))
    product = float(true.std() * seen.std())
    spread = float(true.var() + seen.var() + (true.mean() - seen.mean()) ** 2)
    sided = true != 0
    return Agreement(
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        pcc=covariance / product if product > 0 else None,
        ccc=2 * covariance / spread if spread > 0 else None,
        sagr=float(np.mean(np.sign(seen[sided]) == np.sign(true[sided]))) if sided.any() else None,
    )
