"""Has a model got worse? Exact tests on paired verdicts, and what they can see: pure functions of counts.

It must not know where the counts come from or how a result looks. See docs/design/gate.md for the rule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

#: What the power of the gate is stated for: verdicts that change by chance (each way), and the share of true drops
#: that must be caught.
NOISE = 0.02
POWER = 0.95

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def mcnemar(fell: Counts | Sequence[int], rose: Counts | Sequence[int]) -> Floats:
    """One-sided exact McNemar p values: P(X >= fell) for X ~ Binomial(fell + rose, 1/2), `(cells,)`.

    `fell`: samples robust before and not now; `rose`: the other way round. Samples that did not change say nothing
    about a change (McNemar, Psychometrika 1947; the exact form conditions on fell + rose).
    """
    down, up = np.asarray(fell, dtype=np.int64), np.asarray(rose, dtype=np.int64)
    tail: Floats = binom.sf(down - 1, down + up, 0.5)
    return np.minimum(tail, 1.0)


def holm(p: Floats | Sequence[float]) -> Floats:
    """Holm's adjusted p values (Scand. J. Statist. 1979): below alpha with a family-wise error of at most alpha."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def exceeds(drop: Counts, n: Counts | int, tolerance: float) -> NDArray[np.bool_]:
    """Whether a drop of `drop` samples in `n` is more than `tolerance` (a fraction); exactly the tolerance is not."""
    return np.asarray(drop > tolerance * np.asarray(n) + 1e-9)


def power(n: int, drop: float, comparisons: int, tolerance: float, alpha: float, noise: float = NOISE) -> float:
    """Probability that a true drop in one of `comparisons` cells fails the gate: exact, by summation.

    `n`: samples of the cell.
    `drop`: the true drop, a fraction of them.
    `comparisons`: cells in the family that Holm's correction is over.
    `tolerance`: the drop that is let through, a fraction.
    `alpha`: chance that a check of honest re-runs fails.
    `noise`: chance that a sample changes to either side although nothing changed.

    Every sample falls with probability `noise + drop` and rises with `noise`, independently. The cell must pass
    Holm's hardest level, alpha / comparisons, as it must where no other cell changes.
    """
    falls, rises = noise + drop, noise
    if not 0 < falls + rises <= 1:
        raise ValueError(f"power needs 0 < 2 noise + drop <= 1, got noise {noise} and drop {drop}")
    level = alpha / comparisons
    changed = np.arange(n + 1)
    # The smallest number of falls among `changed` samples that is significant, and one more than it where the
    # level is met exactly: the gate asks for less than alpha.
    needed = binom.isf(level, changed, 0.5).astype(np.int64) + 1
    needed += binom.sf(needed - 1, changed, 0.5) >= level
    enough = np.floor((changed + tolerance * n + 1e-9) / 2).astype(np.int64) + 1
    caught = binom.sf(np.maximum(needed, enough) - 1, changed, falls / (falls + rises))
    total = float(np.sum(binom.pmf(changed, n, falls + rises) * caught))
    return min(total, math.nextafter(1.0, 0.0))  # a sum of probabilities may round onto 1, which it never reaches


@lru_cache(maxsize=256)
def smallest_detectable_drop(n: int, comparisons: int, tolerance: float, alpha: float) -> float | None:
    """The smallest true drop, in steps of 0.001, that fails the gate with probability POWER at NOISE.

    None where no drop does: n is too small.
    """
    low, high = 0, round(1000 * (1 - 2 * NOISE))
    if power(n, high / 1000, comparisons, tolerance, alpha) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if power(n, middle / 1000, comparisons, tolerance, alpha) >= POWER:
            high = middle
        else:
            low = middle
    return high / 1000


def can_fail(right: int, n: int, comparisons: int, tolerance: float, alpha: float) -> bool:
    """Whether a cell could fail at all: if all of its robust samples fell and none rose.

    `right`: robust samples.
    `n`: samples of the cell.
    `comparisons`, `tolerance`, `alpha`: as of `power`.
    """
    return bool(0.5**right * comparisons < alpha and exceeds(np.asarray(right), n, tolerance))
