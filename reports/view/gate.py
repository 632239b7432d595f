"""The rows and sentences that a check or a comparison is told in, as strings. It judges nothing and writes no form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fer_bench.gate.check import Check, Comparison, Shift
from fer_bench.stats.paired import NOISE, POWER
from reports.view.format import decimal, percent, visible

NAMES_SHOWN = 10
NOTHING = "Nothing could be compared, which is no pass."

Rows = tuple[Sequence[str], list[Sequence[str]]]


@dataclass(frozen=True)
class Titles:
    """What the two sides are called, and in how many directions a change counts."""

    before: str = "baseline"
    after: str = "now"
    sides: int = 1

    @property
    def p(self) -> str:
        """What a p value is."""
        return "p (Holm)" if self.sides == 1 else "p (two-sided, Holm)"


CHECK, COMPARE = Titles(), Titles("A", "B", sides=2)


def tables(check: Check, titles: Titles) -> list[Rows]:
    """Header and rows of the tables that a check has: shares, agreements, what could not be compared."""
    found = [_shares(check, titles), _agreements(check, titles), _lost(check)]
    return [(header, rows) for header, rows in found if rows]


def _shares(check: Check, titles: Titles) -> Rows:
    counts = ("n", titles.before, titles.after, "points", "fell", "rose", titles.p, "")
    rows: list[Sequence[str]] = [
        (
            *_what(row),
            f"{row.cell.n:,}",
            percent(row.before / row.cell.n),
            percent(row.after / row.cell.n),
            points(row.change),
            f"{row.fell:,}",
            f"{row.rose:,}",
            decimal(_p(row, titles)),
            _status(row),
        )
        for row in check.comparisons
    ]
    return (*_WHAT, *counts), rows


def _agreements(check: Check, titles: Titles) -> Rows:
    numbers = ("n", titles.before, titles.after, "change", "95 % interval", titles.p, "")
    rows: list[Sequence[str]] = [
        (
            *_what(row),
            f"{row.cell.n:,}",
            decimal(row.before),
            decimal(row.after),
            signed(row.change),
            f"{signed(row.low)} to {signed(row.high)}",
            decimal(_p(row, titles)),
            _status(row),
        )
        for row in check.shifts
    ]
    return (*_WHAT, *numbers), rows


def _lost(check: Check) -> Rows:
    rows: list[Sequence[str]] = [
        (
            visible(row.cell.model),
            visible(row.reading),
            visible(row.measure),
            visible(" ".join(row.reason.split())),
            "FAILS" if row.fails else "allowed",
        )
        for row in check.not_comparable
    ]
    return ("not comparable", "reading", "measure", "reason", ""), rows


_WHAT = ("model", "reading", "measure", "data")


def _what(row: Comparison | Shift) -> tuple[str, ...]:
    seed = f", seed {row.cell.seed}" if row.cell.seed else ""
    return visible(row.cell.model), visible(row.reading), visible(row.measure), visible(row.cell.data) + seed


def _status(row: Comparison | Shift) -> str:
    return row.status.upper() if row.failed else row.status


def points(change: float) -> str:
    """A change of a rate in percentage points with its sign: '-5.2', '+0.1', '-<0.1', '0'."""
    if change == 0:
        return "0"
    text = f"{abs(100 * change):.1f}"
    return f"{'+' if change > 0 else '-'}{'<0.1' if text == '0.0' else text}"


def signed(change: float) -> str:
    """A change of CCC or RMSE with its sign: '-0.052', '+<0.001', '0'."""
    if change == 0:
        return "0"
    text = f"{abs(change):.3f}"
    return f"{'+' if change > 0 else '-'}{'<0.001' if text == '0.000' else text}"


def headline(check: Check, titles: Titles) -> str:
    """What came of it, in a sentence."""
    counts = [f"{len(check.comparisons)} accuracies"] if check.comparisons or not check.shifts else []
    counts += [f"{len(check.shifts)} agreements"] if check.shifts else []
    statuses = [row.status for row in check.compared]
    words = [f"{' and '.join(counts)} compared"]
    words += [
        f"{statuses.count(status)} {status}" for status in ("fell", "rose") if check.comparisons or not check.shifts
    ]
    words += [f"{statuses.count(status)} {status}" for status in ("worse", "better") if check.shifts]
    if check.rule.exact:
        words.append(f"{statuses.count('differs')} differ")
    words.append(f"{len(check.not_comparable)} not comparable")
    if titles is COMPARE:
        return f"From A to B: {', '.join(words)}."
    return f"The gate {'passes' if check.passed else 'FAILS'}: {', '.join(words)}."


def sentences(check: Check, titles: Titles) -> list[str]:
    """The headline, then what a reader must know besides."""
    told = [headline(check, titles)]
    if titles is CHECK and not check.compared:
        told.append(NOTHING)
    told += [sentence(row, titles) for row in check.compared if row.failed]
    told += [sentence(row, titles) for row in check.compared if row.improved]
    told += [_detectable(n, drop, check, titles) for n, drop in check.detectable.items()]
    blind = [row.name for row in check.comparisons if row.blind]
    if blind:
        told.append(f"Too few images were right before for any fall to show: {_listed(blind)}.")
    few = [row.name for row in check.shifts if row.blind]
    if few:
        told.append(f"Too few images, or too small an alpha, for any change to show: {_listed(few)}.")
    renewed = [row.cell.model for row in check.compared if row.new_weights]
    if renewed:
        told.append(f"New weights: {_listed(renewed)}.")
    if check.unguarded:
        where = "Not in the baseline, so not guarded" if titles is CHECK else "Only in B"
        told.append(f"{where}: {_listed(check.unguarded)}.")
    if titles is CHECK and any(row.improved for row in check.compared):
        told.append("Something rose: a new baseline would guard it at its new height.")
    return told


def _listed(names: Sequence[str]) -> str:
    """Names in order, each once, and how many more there are."""
    unique = [visible(name) for name in dict.fromkeys(names)]
    more = f" and {len(unique) - NAMES_SHOWN} more" if len(unique) > NAMES_SHOWN else ""
    return ", ".join(unique[:NAMES_SHOWN]) + more


def sentence(row: Comparison | Shift, titles: Titles = CHECK) -> str:
    """What became of one number, in a sentence."""
    name, p = visible(f"{row.name}, {row.measure},"), decimal(_p(row, titles))
    if isinstance(row, Shift):
        now = f"{decimal(row.before)} to {decimal(row.after)}"
        between = f"95 % {signed(row.low)} to {signed(row.high)}"
        told = {"worse": "became worse", "better": "became better"}.get(row.status, row.status)
        return f"{name} {told}: {now} ({signed(row.change)}, {between}; p {p})."
    if row.status == "differs" and not row.fell + row.rose:
        return f"{name} differs: as many images are right, the predictions are others."
    before, after = percent(row.before / row.cell.n), percent(row.after / row.cell.n)
    changed = f"{points(row.change)} points; {row.fell:,} images fell, {row.rose:,} rose; p {p}"
    return f"{name} {row.status}: {before} to {after} % ({changed})."


def _p(row: Comparison | Shift, titles: Titles) -> float:
    """Holm's p value: of the change that is told, or in both directions."""
    down, up = (row.p_worse, row.p_better) if isinstance(row, Shift) else (row.p_fell, row.p_rose)
    if titles.sides == 2:
        return min(1.0, 2 * min(down, up))
    return up if row.improved else down


def _detectable(n: int, drop: float | None, check: Check, titles: Titles) -> str:
    rule = check.rule
    size = "No drop" if drop is None else f"A drop of {100 * drop:.1f} points or more"
    return (
        f"{size} is caught with a probability of {100 * POWER:.0f} % at n = {n:,} ("
        f"{len(check.compared)} comparisons, tolerance {100 * rule.tolerance:g} points, "
        f"alpha {titles.sides * rule.alpha:g}, {100 * NOISE:g} % of the verdicts changing each way by chance)."
    )
