"""From verdicts on the same images to the ranks that a model may have. It must not know what was measured.

Significance is not transitive, so models are not put into groups of ties: each has its own range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from fer_bench.stats.paired import holm, mcnemar

#: Chance that any model is placed above an equal one.
ALPHA = 0.05


@dataclass(frozen=True)
class Duel:
    """Two models on the images that both were asked about."""

    #: Place of the one model.
    first: int
    #: Place of the other.
    second: int
    #: Images that both were asked about.
    images: int
    #: Images that both withstood.
    both: int
    #: Images that the first alone withstood.
    only_first: int
    #: Images that the second alone withstood.
    only_second: int
    #: Of the exact two-sided McNemar test, Holm-corrected over all pairs that were compared with it.
    p: float


@dataclass(frozen=True)
class Span:
    """The ranks from `best` to `worst` that are left to a model: `above` tested better than it, `below` worse."""

    best: int
    worst: int
    above: int
    below: int


def duels(left: Sequence[pd.Series | None]) -> tuple[Duel, ...]:
    """Every pair of models that were measured; `left`: by sample (index) whether it withstood, None if not measured.

    Exact McNemar tests on the samples that two models share, two-sided (twice the smaller tail), with Holm's
    correction over all pairs.
    """
    known = [(place, own) for place, own in enumerate(left) if own is not None]
    counted = []
    for (a, one), (b, other) in combinations(known, 2):
        first, second = pd.concat([one, other], axis=1, join="inner").to_numpy(bool).T
        alike, only_first, only_second = (first & second).sum(), (first & ~second).sum(), (~first & second).sum()
        counted.append((a, b, len(first), int(alike), int(only_first), int(only_second)))
    tails = mcnemar([max(pair[-2:]) for pair in counted], [min(pair[-2:]) for pair in counted])
    adjusted = holm([min(1.0, 2 * p) for p in tails])
    return tuple(Duel(*pair, float(p)) for pair, p in zip(counted, adjusted, strict=True))


def spans(left: Sequence[pd.Series | None]) -> tuple[Span | None, ...]:
    """The span of each model by the `duels` that are decided at ALPHA; None where it was not measured."""
    known = [place for place, own in enumerate(left) if own is not None]
    above, below = dict.fromkeys(known, 0), dict.fromkeys(known, 0)
    for duel in duels(left):
        if duel.p < ALPHA:
            first_won = duel.only_first > duel.only_second
            better, worse = (duel.first, duel.second) if first_won else (duel.second, duel.first)
            above[worse] += 1
            below[better] += 1
    return tuple(
        Span(1 + above[place], len(known) - below[place], above[place], below[place]) if place in above else None
        for place in range(len(left))
    )
