"""All pairs of a check tested as one family: McNemar on verdicts, the bootstrap on predictions, Holm over both.

It must not know how the pairs were found. See docs/design/gate.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from fer_bench.core.model_card import VALENCE_AROUSAL
from fer_bench.gate.check import Comparison, Rule, Shift, ShiftStatus, Status
from fer_bench.gate.snapshot import Entry, GuardedCell, Predicted, Verdicts
from fer_bench.stats import bootstrap
from fer_bench.stats.bootstrap import Change, Changes
from fer_bench.stats.paired import can_fail, exceeds, holm, mcnemar

S = TypeVar("S", Status, ShiftStatus)


@dataclass(frozen=True)
class Pair:
    """Two cells of one slot, and what each says of the same thing."""

    old: GuardedCell
    new: GuardedCell
    before: Entry
    after: Entry

    @property
    def new_weights(self) -> bool:
        """True where the model's digest is another."""
        return self.old.cell.model_digest != self.new.cell.model_digest


@dataclass(frozen=True)
class _Counted:
    pair: Pair
    before: Verdicts
    after: Verdicts


@dataclass(frozen=True)
class _Changed:
    pair: Pair
    #: 'CCC' or 'RMSE' with its dimension.
    measure: str
    change: Change
    #: How much worse, in units of the measure.
    worse: float
    #: Every prediction is what it was.
    equal: bool


def judge(pairs: Sequence[Pair], rule: Rule) -> tuple[tuple[Comparison, ...], tuple[Shift, ...]]:
    """Tests everything as one family; the rows in the order of `pairs`."""
    counted, predicted = [], []
    for pair in pairs:
        before, after = pair.before.outcome, pair.after.outcome
        if isinstance(before, Verdicts) and isinstance(after, Verdicts):
            counted.append(_Counted(pair, before, after))
        elif isinstance(before, Predicted) and isinstance(after, Predicted):
            predicted.append((pair, before, after))
    size = len(counted) + 2 * len(VALENCE_AROUSAL) * len(predicted)
    draws = bootstrap.draws_for(max(size, 1), rule.alpha)
    changed = [row for pair, before, after in predicted for row in _changed(pair, before, after, draws)]
    outcomes = [(one.before.array, one.after.array) for one in counted]
    fell = np.array([int(np.sum(before & ~after)) for before, after in outcomes], dtype=np.int64)
    rose = np.array([int(np.sum(after & ~before)) for before, after in outcomes], dtype=np.int64)
    p_fell = holm([*mcnemar(fell, rose), *(row.change.p_worse for row in changed)])
    p_rose = holm([*mcnemar(rose, fell), *(row.change.p_better for row in changed)])
    comparisons = tuple(
        _comparison(one, int(fell[i]), int(rose[i]), float(p_fell[i]), float(p_rose[i]), size, rule)
        for i, one in enumerate(counted)
    )
    shifts = tuple(
        _shift(row, float(p_fell[i]), float(p_rose[i]), size, draws, rule)
        for i, row in enumerate(changed, start=len(counted))
    )
    return comparisons, shifts


def _comparison(
    one: _Counted, fell: int, rose: int, p_fell: float, p_rose: float, family: int, rule: Rule
) -> Comparison:
    """The row of one share.

    one: the verdicts before and after.
    fell, rose: how many samples.
    p_fell, p_rose: adjusted.
    family: how many tests it was adjusted for.
    rule: when it fails.
    """
    pair, n = one.pair, one.before.n
    return Comparison(
        cell=pair.old.cell,
        reading=pair.before.name,
        measure=pair.before.measure,
        before=one.before.right,
        after=one.after.right,
        fell=fell,
        rose=rose,
        p_fell=p_fell,
        p_rose=p_rose,
        status=_status(
            ("fell", "rose"),
            down=p_fell < rule.alpha and bool(exceeds(np.asarray(fell - rose), n, rule.tolerance)),
            up=p_rose < rule.alpha and bool(exceeds(np.asarray(rose - fell), n, rule.tolerance)),
            unequal=rule.exact and not _equal(one),
        ),
        blind=not can_fail(one.before.right, n, family, rule.tolerance, rule.alpha),
        new_weights=pair.new_weights,
    )


def _status(words: tuple[S, S], *, down: bool, up: bool, unequal: bool) -> S:
    """What a change is called, `words` for down and up: a fall before all else, then whether it had to be equal."""
    if down:
        return words[0]
    if unequal:
        return "differs"
    return words[1] if up else "held"


def _equal(one: _Counted) -> bool:
    """Whether the verdicts are the same, predictions included where the reading is of an attack."""
    without_attack = one.pair.before.threat is None
    return one.before == one.after and (without_attack or one.pair.old.digest == one.pair.new.digest)


def _changed(pair: Pair, before: Predicted, after: Predicted, draws: int) -> Iterator[_Changed]:
    """CCC and RMSE of both dimensions, from the same resamples. The truths are equal where the data digests are."""
    equal = before.values == after.values
    dimensions = bootstrap.changes(before.truth.array, before.values.array, after.values.array, draws=draws)
    for name, found in zip(VALENCE_AROUSAL, dimensions, strict=True):
        yield from _measures(pair, name, found, equal)


def _measures(pair: Pair, dimension: str, found: Changes, equal: bool) -> Iterator[_Changed]:
    yield _Changed(pair, f"CCC {dimension}", found.ccc, found.ccc.before - found.ccc.after, equal)
    yield _Changed(pair, f"RMSE {dimension}", found.rmse, found.rmse.after - found.rmse.before, equal)


def _shift(row: _Changed, p_worse: float, p_better: float, family: int, draws: int, rule: Rule) -> Shift:
    """The row of one agreement.

    row: what changed, and by how much.
    p_worse, p_better: adjusted.
    family: how many tests they were adjusted for.
    draws: of the bootstrap.
    rule: when it fails.
    """
    cell = row.pair.old.cell
    return Shift(
        cell=cell,
        reading=row.pair.before.name,
        measure=row.measure,
        before=row.change.before,
        after=row.change.after,
        low=row.change.low,
        high=row.change.high,
        p_worse=p_worse,
        p_better=p_better,
        status=_status(
            ("worse", "better"),
            down=p_worse < rule.alpha and row.worse > rule.tolerance + 1e-9,
            up=p_better < rule.alpha and -row.worse > rule.tolerance + 1e-9,
            unequal=rule.exact and not row.equal,
        ),
        blind=family * bootstrap.smallest_p(cell.n, draws) >= rule.alpha,
        new_weights=row.pair.new_weights,
    )
