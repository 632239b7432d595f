"""From verdicts on the same images to the ranks that a model may have. It must not know what was measured.

Significance is not transitive, so models are not put into groups of ties: each has its own range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from fer_bench.regression import holm, mcnemar

#: Chance that any model is placed above an equal one.
ALPHA = 0.05


@dataclass(frozen=True)
class Span:
    """The ranks from `best` to `worst` that are left to a model: `above` tested better than it, `below` worse."""

    best: int
    worst: int
    above: int
    below: int


def spans(left: Sequence[pd.Series | None]) -> tuple[Span | None, ...]:
    """The span of each model; `left`: by sample (index) whether it withstood, None where that was not measured.

    Exact McNemar tests on the samples that two models share, two-sided (twice the smaller tail), with Holm's
    correction over all pairs, at ALPHA.
    """
    known = [place for place, own in enumerate(left) if own is not None]
    pairs = list(combinations(known, 2))
    only_first, only_second = [], []
    for a, b in pairs:
        both = pd.concat([left[a], left[b]], axis=1, join="inner").to_numpy(bool)
        only_first.append(int((both[:, 0] & ~both[:, 1]).sum()))
        only_second.append(int((~both[:, 0] & both[:, 1]).sum()))
    larger = [max(counts) for counts in zip(only_first, only_second, strict=True)]
    smaller = [min(counts) for counts in zip(only_first, only_second, strict=True)]
    adjusted = holm([min(1.0, 2 * p) for p in mcnemar(larger, smaller)])
    above, below = dict.fromkeys(known, 0), dict.fromkeys(known, 0)
    for (a, b), one, other, p in zip(pairs, only_first, only_second, adjusted, strict=True):
        if p < ALPHA:
            better, worse = (a, b) if one > other else (b, a)
            above[worse] += 1
            below[better] += 1
    return tuple(
        Span(1 + above[place], len(known) - below[place], above[place], below[place]) if place in above else None
        for place in range(len(left))
    )
