"""The gate: which cells of a snapshot fell below those of a baseline. It compares and must not read or print.

Cells are matched by model name, attack with all its parameters and version, data digest, n and seed. The weights may
differ: a gate is there for new weights under an old name. See docs/design/gate.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np

from fer_bench.baselines import GuardedCell, Snapshot, Unmeasured, Verdicts, slot
from fer_bench.errors import UsageError
from fer_bench.regression import can_fail, exceeds, holm, mcnemar, smallest_detectable_drop
from fer_bench.types import Cell, ParamValue, format_eps

Status = Literal["fell", "differs", "held", "rose"]
CLEAN = "clean"


@dataclass(frozen=True)
class Rule:
    """When a cell fails: it fell by more than `tolerance`, and Holm's adjusted p is below `alpha`.

    `exact`: the verdicts must be equal besides. `allow_missing`: cells that cannot be compared do not fail, but for
    those whose 'MODEL READING' matches a pattern of `require`. Raises UsageError for numbers out of range.
    """

    tolerance: float = 0.01
    alpha: float = 0.01
    exact: bool = False
    allow_missing: bool = False
    require: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise UsageError(f"--tolerance {self.tolerance:g} cannot be used; it is a fraction from 0, below 1.")
        if not 0 < self.alpha < 1:
            raise UsageError(f"--alpha {self.alpha:g} cannot be used; it is a probability above 0 and below 1.")


@dataclass(frozen=True)
class Comparison:
    """One accuracy before and after. `fell` and `rose` count samples; the p values are Holm's, one-sided.

    `reading` is 'clean' or an attack at a budget, 'pgd-10@2/255'. `blind`: so few samples were right before that no
    fall could fail the gate. `new_weights`: the model's digest is another.
    """

    cell: Cell
    reading: str
    before: int
    after: int
    fell: int
    rose: int
    p_fell: float
    p_rose: float
    status: Status
    blind: bool
    new_weights: bool

    @property
    def name(self) -> str:
        """'MODEL READING', which patterns of --require are matched with."""
        return f"{self.cell.model} {self.reading}"

    @property
    def change(self) -> float:
        """After minus before, as a fraction."""
        return (self.after - self.before) / self.cell.n


@dataclass(frozen=True)
class NotComparable:
    """A reading of the baseline that nothing can be compared with, and why. `fails`: the gate fails for it."""

    cell: Cell
    reading: str
    reason: str
    fails: bool

    @property
    def name(self) -> str:
        """'MODEL READING'."""
        return f"{self.cell.model} {self.reading}"


@dataclass(frozen=True)
class Check:
    """What a check found, by rows of the baseline. `unguarded`: names of readings that only the results hold."""

    rule: Rule
    comparisons: tuple[Comparison, ...]
    not_comparable: tuple[NotComparable, ...]
    unguarded: tuple[str, ...]

    @property
    def failures(self) -> int:
        """How many rows fail the gate."""
        fallen = sum(comparison.status in ("fell", "differs") for comparison in self.comparisons)
        return fallen + sum(row.fails for row in self.not_comparable)

    @property
    def passed(self) -> bool:
        """True where nothing fails and something was compared."""
        return not self.failures and bool(self.comparisons)

    @property
    def detectable(self) -> dict[int, float | None]:
        """By n: the smallest true drop that this check catches (see regression.smallest_detectable_drop)."""
        count, rule = len(self.comparisons), self.rule
        sizes = sorted({comparison.cell.n for comparison in self.comparisons})
        return {n: smallest_detectable_drop(n, count, rule.tolerance, rule.alpha) for n in sizes}


@dataclass(frozen=True)
class _Pair:
    old: GuardedCell
    new: GuardedCell
    reading: str
    before: Verdicts
    after: Verdicts


def check(baseline: Snapshot, now: Snapshot, rule: Rule) -> Check:
    """Compares every cell of the baseline with what is there now.

    Raises UsageError for a pattern of `rule.require` that no cell of the baseline matches.
    """
    pairs: list[_Pair] = []
    lost: list[NotComparable] = []
    for old in baseline.cells:
        new = _counterpart(old, now)
        for reading, before, after in _readings(old, None if isinstance(new, str) else new):
            if isinstance(new, str) or after is None:
                reason = new if isinstance(new, str) else "it was not read at this budget"
                lost.append(NotComparable(old.cell, reading, reason, fails=True))
            else:
                pairs.append(_Pair(old, new, reading, before, after))
    _refuse_unmatched(rule, [f"{pair.old.cell.model} {pair.reading}" for pair in pairs] + [row.name for row in lost])
    pairs, lost = _clean_once(pairs, lost)
    known = {slot(old.cell) for old in baseline.cells}
    unguarded = (
        f"{new.cell.model} {new.name(threat)}"
        for new in now.cells
        if slot(new.cell) not in known
        for threat, _ in new.robust
    )
    return Check(
        rule=rule,
        comparisons=_compare(pairs, rule),
        not_comparable=tuple(
            NotComparable(row.cell, row.reading, row.reason, not rule.allow_missing or _required(row.name, rule))
            for row in lost
        ),
        unguarded=tuple(dict.fromkeys(unguarded)),
    )


def _readings(old: GuardedCell, new: GuardedCell | None) -> Iterator[tuple[str, Verdicts, Verdicts | None]]:
    yield CLEAN, old.clean, new.clean if new else None
    for threat, before in old.robust:
        yield old.name(threat), before, new.at(threat) if new else None


def _clean_once(pairs: list[_Pair], lost: list[NotComparable]) -> tuple[list[_Pair], list[NotComparable]]:
    """Every cell brings the clean verdicts of its model; they are one accuracy, compared once, or lost once."""
    seen: set[tuple[str, str]] = set()

    def first(cell: Cell, reading: str) -> bool:
        of = (cell.model, cell.data_digest)
        again = reading == CLEAN and of in seen
        if reading == CLEAN:
            seen.add(of)
        return not again

    kept = [pair for pair in pairs if first(pair.old.cell, pair.reading)]
    return kept, [row for row in lost if first(row.cell, row.reading)]


def _compare(pairs: list[_Pair], rule: Rule) -> tuple[Comparison, ...]:
    """Tests all pairs as one family."""
    outcomes = [(pair.before.array, pair.after.array) for pair in pairs]
    fell = np.array([int(np.sum(before & ~after)) for before, after in outcomes], dtype=np.int64)
    rose = np.array([int(np.sum(after & ~before)) for before, after in outcomes], dtype=np.int64)
    sizes = np.array([pair.old.cell.n for pair in pairs], dtype=np.int64)
    p_fell, p_rose = holm(mcnemar(fell, rose)), holm(mcnemar(rose, fell))
    down = exceeds(fell - rose, sizes, rule.tolerance) & (p_fell < rule.alpha)
    up = exceeds(rose - fell, sizes, rule.tolerance) & (p_rose < rule.alpha)
    found = []
    for i, pair in enumerate(pairs):
        status: Status = "fell" if down[i] else "rose" if up[i] else "held"
        if rule.exact and status != "fell" and not _equal(pair):
            status = "differs"
        before, after = pair.before.right, pair.after.right
        found.append(
            Comparison(
                cell=pair.old.cell,
                reading=pair.reading,
                before=before,
                after=after,
                fell=int(fell[i]),
                rose=int(rose[i]),
                p_fell=float(p_fell[i]),
                p_rose=float(p_rose[i]),
                status=status,
                blind=not can_fail(before, pair.old.cell.n, len(pairs), rule.tolerance, rule.alpha),
                new_weights=pair.old.cell.model_digest != pair.new.cell.model_digest,
            )
        )
    return tuple(found)


def _equal(pair: _Pair) -> bool:
    """Whether the verdicts are the same, predictions included where the reading is of an attack."""
    same_bits = pair.before == pair.after
    return same_bits and (pair.reading == CLEAN or pair.old.digest == pair.new.digest)


def _counterpart(old: GuardedCell, now: Snapshot) -> GuardedCell | str:
    """The cell to compare with, or why there is none."""
    found = now.by_slot.get(slot(old.cell), ())
    if len(found) > 1:
        weights = ", ".join(candidate.cell.model_digest[:8] for candidate in found)
        return f"the results hold it for several weights ({weights}); run each into a folder of its own"
    for candidate in found:
        if isinstance(candidate, Unmeasured):
            return candidate.reason
        return candidate if candidate.samples == old.samples else "the order of the samples is another"
    others = [cell for cell in now.by_slot if cell.model == old.cell.model]
    if not others:
        return "the results hold nothing of this model"
    near = sorted((_differences(old.cell, c) for c in others if c.attack.name == old.cell.attack.name), key=len)
    return "; ".join(near[0]) if near else "the attack was not run on this model"


def _differences(old: Cell, new: Cell) -> list[str]:
    """What is another, in words: 'eps 2/255, now 4/255', 'seed 0, now 1'."""
    words = []
    if old.data_digest != new.data_digest and old.n == new.n:
        words.append(f"data digest {old.data_digest[:8]}, now {new.data_digest[:8]}")
    settings = [("n", old.n, new.n), ("seed", old.seed, new.seed)]
    settings += [("attack version", old.attack.version, new.attack.version)]
    words += [f"{name} {was}, now {now}" for name, was, now in settings if was != now]
    if old.attack.norm != new.attack.norm:
        words.append(f"norm {old.attack.norm}, now {new.attack.norm}")
    before, after = dict(old.attack.params), dict(new.attack.params)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            words.append(f"{name} {_setting(old, name, before)}, now {_setting(new, name, after)}")
    return words


def _setting(cell: Cell, name: str, params: dict[str, ParamValue]) -> str:
    value = params.get(name, "not set")
    if name == "eps" and isinstance(value, float):
        return format_eps(value, cell.attack.norm)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _required(name: str, rule: Rule) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rule.require)


def _refuse_unmatched(rule: Rule, names: list[str]) -> None:
    for pattern in rule.require:
        if not any(fnmatchcase(name, pattern) for name in names):
            known = ", ".join(f"'{name}'" for name in dict.fromkeys(names))
            raise UsageError(
                f"--require '{pattern}' matches no cell of the baseline; give 'MODEL ATTACK@EPS' or 'MODEL clean', "
                f"with * where wanted. It holds: {known or 'nothing'}."
            )
