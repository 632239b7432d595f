"""What a gate is asked and what it finds: the rule, and the rows of a check. Nouns; it must not compare or print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fer_bench.core.cell import Cell
from fer_bench.errors import UsageError
from fer_bench.stats.paired import smallest_detectable_drop

Status = Literal["fell", "differs", "held", "rose"]
#: Of an agreement, of which a rise may be worse (RMSE).
ShiftStatus = Literal["worse", "differs", "held", "better"]


@dataclass(frozen=True)
class Rule:
    """When a cell fails: it fell by more than `tolerance`, and Holm's adjusted p is below `alpha`.

    Raises UsageError for numbers out of range.
    """

    #: A fraction of the samples, from 0, below 1; of CCC and RMSE, as much of the measure.
    tolerance: float = 0.01
    #: A probability, above 0 and below 1.
    alpha: float = 0.01
    #: The verdicts must be equal besides.
    exact: bool = False
    #: Cells that cannot be compared do not fail.
    allow_missing: bool = False
    #: Patterns of 'MODEL READING'; what matches one fails all the same where it cannot be compared.
    require: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise UsageError(f"--tolerance {self.tolerance:g} cannot be used; it is a fraction from 0, below 1.")
        if not 0 < self.alpha < 1:
            raise UsageError(f"--alpha {self.alpha:g} cannot be used; it is a probability above 0 and below 1.")


@dataclass(frozen=True)
class _Row:
    """What every row of a check says. `reading`: 'clean' or an attack at a budget, 'pgd-10@2/255'."""

    cell: Cell
    reading: str

    @property
    def name(self) -> str:
        """'MODEL READING', which patterns of --require are matched with."""
        return f"{self.cell.model} {self.reading}"


@dataclass(frozen=True)
class Comparison(_Row):
    """A share of samples before and after."""

    #: Of what it is the share: 'robust accuracy', 'right, not turned into happy'.
    measure: str
    #: Samples that counted before.
    before: int
    #: And now.
    after: int
    #: Samples that counted before and no longer do.
    fell: int
    #: Samples that count now and did not before.
    rose: int
    #: Holm's, one-sided, as `p_rose`.
    p_fell: float
    p_rose: float
    status: Status
    #: So few samples counted before that no fall could fail the gate.
    blind: bool
    #: The model's digest is another.
    new_weights: bool

    @property
    def change(self) -> float:
        """After minus before, as a fraction."""
        return (self.after - self.before) / self.cell.n

    @property
    def failed(self) -> bool:
        """True where the gate fails for it."""
        return self.status in ("fell", "differs")

    @property
    def improved(self) -> bool:
        """True where it rose significantly."""
        return self.status == "rose"


@dataclass(frozen=True)
class Shift(_Row):
    """An agreement of a regressor with the truth before and after."""

    #: 'CCC' or 'RMSE' with its dimension.
    measure: str
    #: In units of the measure, as are `after`, `low` and `high`.
    before: float
    after: float
    #: 95 % interval of the change (paired bootstrap), from here
    low: float
    #: to here.
    high: float
    #: Holm's, one-sided, as `p_better`.
    p_worse: float
    p_better: float
    status: ShiftStatus
    #: So few samples, or so small an alpha, that no change could fail the gate.
    blind: bool
    #: The model's digest is another.
    new_weights: bool

    @property
    def change(self) -> float:
        """After minus before, in units of the measure."""
        return self.after - self.before

    @property
    def failed(self) -> bool:
        """True where the gate fails for it."""
        return self.status in ("worse", "differs")

    @property
    def improved(self) -> bool:
        """True where it became better significantly."""
        return self.status == "better"


@dataclass(frozen=True)
class NotComparable(_Row):
    """A reading of the baseline that nothing can be compared with, and why. `fails`: the gate fails for it."""

    measure: str
    reason: str
    fails: bool


@dataclass(frozen=True)
class Check:
    """What a check found, by rows of the baseline."""

    rule: Rule
    #: Shares of samples.
    comparisons: tuple[Comparison, ...]
    #: Agreements of regressors.
    shifts: tuple[Shift, ...]
    not_comparable: tuple[NotComparable, ...]
    #: Names of readings that only the results hold.
    unguarded: tuple[str, ...]

    @property
    def compared(self) -> tuple[Comparison | Shift, ...]:
        """Everything that was compared, which is one family of tests."""
        return (*self.comparisons, *self.shifts)

    @property
    def failures(self) -> int:
        """How many rows fail the gate."""
        return sum(row.failed for row in self.compared) + sum(row.fails for row in self.not_comparable)

    @property
    def passed(self) -> bool:
        """True where nothing fails and something was compared."""
        return not self.failures and bool(self.compared)

    @property
    def detectable(self) -> dict[int, float | None]:
        """By n: the smallest true drop of a share that this check catches (see regression.smallest_detectable_drop)."""
        count, rule = len(self.compared), self.rule
        sizes = sorted({comparison.cell.n for comparison in self.comparisons})
        return {n: smallest_detectable_drop(n, count, rule.tolerance, rule.alpha) for n in sizes}
