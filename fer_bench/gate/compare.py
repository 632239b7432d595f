"""The gate: which cells of a snapshot fell below those of a baseline. It compares and must not read or print.

Cells are matched by model name, attack with all its parameters and version, data digest, n and seed. The weights may
differ: a gate is there for new weights under an old name. See docs/design/gate.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from fer_bench.core.attack_spec import ParamValue
from fer_bench.core.cell import Cell
from fer_bench.core.threat import format_eps
from fer_bench.errors import UsageError
from fer_bench.gate.check import Check, NotComparable, Rule
from fer_bench.gate.hypotheses import Pair, judge
from fer_bench.gate.snapshot import Entry, GuardedCell, Snapshot, Unmeasured, slot


@dataclass(frozen=True)
class _Lost:
    old: GuardedCell
    entry: Entry
    reason: str

    @property
    def name(self) -> str:
        return f"{self.old.cell.model} {self.entry.name}"


def check(baseline: Snapshot, now: Snapshot, rule: Rule) -> Check:
    """Compares every cell of the baseline with what is there now.

    Raises UsageError for a pattern of `rule.require` that no cell of the baseline matches.
    """
    pairs: list[Pair] = []
    lost: list[_Lost] = []
    for old in baseline.cells:
        new = _counterpart(old, now)
        there = {} if isinstance(new, str) else {entry.place: entry for entry in new.entries}
        for entry in old.entries:
            if isinstance(new, str) or entry.place not in there:
                reason = new if isinstance(new, str) else "it was not read at this budget"
                lost.append(_Lost(old, entry, reason))
            else:
                pairs.append(Pair(old, new, entry, there[entry.place]))
    _refuse_unmatched(rule, [f"{pair.old.cell.model} {pair.before.name}" for pair in pairs] + [r.name for r in lost])
    pairs, lost = _clean_once(pairs, lost)
    comparisons, shifts = judge(pairs, rule)
    known = {slot(old.cell) for old in baseline.cells}
    unguarded = (
        f"{new.cell.model} {entry.name}"
        for new in now.cells
        if slot(new.cell) not in known
        for entry in new.entries
        if entry.threat is not None
    )
    return Check(
        rule=rule,
        comparisons=comparisons,
        shifts=shifts,
        not_comparable=tuple(
            NotComparable(
                cell=row.old.cell,
                reading=row.entry.name,
                measure=row.entry.measure,
                reason=row.reason,
                fails=not rule.allow_missing or _required(row.name, rule),
            )
            for row in lost
        ),
        unguarded=tuple(dict.fromkeys(unguarded)),
    )


def _clean_once(pairs: list[Pair], lost: list[_Lost]) -> tuple[list[Pair], list[_Lost]]:
    """Every cell brings what its model says without attack; that is compared once, or lost once.

    What a regressor says within a tolerance is named by it, and its agreement is another measure.
    """
    seen: set[tuple[str, str, str, str]] = set()

    def first(cell: Cell, entry: Entry) -> bool:
        if entry.threat is not None:
            return True
        of = (cell.model, cell.data_digest, entry.name, entry.measure)
        again = of in seen
        seen.add(of)
        return not again

    kept = [pair for pair in pairs if first(pair.old.cell, pair.before)]
    return kept, [row for row in lost if first(row.old.cell, row.entry)]


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
    before, after = dict(old.attack.key_params()), dict(new.attack.key_params())
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
