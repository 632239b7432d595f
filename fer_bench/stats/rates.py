"""Verdicts to rates and intervals: pure functions of counts. It must not know where the counts come from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: 97.5 % quantile of the standard normal distribution.
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A rate with its 95 % interval, all fractions in [0, 1]."""

    value: float
    low: float
    high: float


def wilson(successes: float, n: float, z: float = Z95) -> Rate:
    """Wilson's score interval (Wilson, JASA 1927, eq. 4; Brown, Cai, DasGupta, Statist. Sci. 2001).

    `n` may be an effective sample size and need not be whole. Raises ValueError for n <= 0 or successes outside
    [0, n].
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"wilson needs 0 <= successes <= n and n > 0, got {successes} of {n}")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Rate(share, low, high)


def macro(right: Sequence[int], totals: Sequence[int]) -> Rate | None:
    """Macro (balanced) accuracy: the mean of the classes' recalls, over classes that occur; None where none does.

    The interval is Wilson's at the effective sample size k^2 / sum(1 / n_c), the size at which a single rate would
    vary as the mean of k independent recalls of equal rate does. It is an approximation, and says so here.
    """
    recalls = [r / n for r, n in zip(right, totals, strict=True) if n]
    if not recalls:
        return None
    effective = len(recalls) ** 2 / sum(1 / n for n in totals if n)
    value = sum(recalls) / len(recalls)
    return wilson(value * effective, effective)


def median(values: Sequence[float]) -> float | None:
    """The median; None of nothing. Infinite values (samples that never fell) are allowed."""
    return statistics.median(values) if values else None
