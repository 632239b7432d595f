"""What a gate compares: the cells of a results folder as packed verdicts and predictions. Nouns; nothing is judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.digest import digest
from fer_bench.core.threat import ThreatModel, format_eps


@dataclass(frozen=True)
class Verdicts:
    """One bit a sample, in the order of the data set: 1 where the model was right, or robust. `packed`: big-endian."""

    n: int
    packed: bytes

    @staticmethod
    def of(right: Iterable[bool]) -> Verdicts:
        """Packs one outcome a sample."""
        bits = np.fromiter(right, dtype=bool)
        return Verdicts(len(bits), np.packbits(bits).tobytes())

    @property
    def array(self) -> NDArray[np.bool_]:
        """The outcomes, `(n,)`."""
        return np.unpackbits(np.frombuffer(self.packed, dtype=np.uint8), count=self.n).astype(bool)

    @property
    def right(self) -> int:
        """How many are 1."""
        return int.from_bytes(self.packed, "big").bit_count()


@dataclass(frozen=True)
class Values:
    """Valence and arousal of each sample, in the order of the data set. `packed`: little-endian float32, `(n, 2)`."""

    packed: bytes

    @staticmethod
    def of(pairs: NDArray[np.float64]) -> Values:
        """Packs `(n, 2)` numbers."""
        return Values(np.ascontiguousarray(pairs, dtype="<f4").tobytes())

    @property
    def array(self) -> NDArray[np.float64]:
        """The values, `(n, 2)`."""
        return np.frombuffer(self.packed, dtype="<f4").reshape(-1, 2).astype(np.float64)


@dataclass(frozen=True)
class Regressed:
    """What a regressor predicted of each sample. `attacked`: None where the attack only sought to pass a tolerance."""

    truth: Values
    clean: Values
    attacked: Values | None


@dataclass(frozen=True)
class Predicted:
    """Predictions beside the truth, from which agreement is measured."""

    truth: Values
    values: Values


@dataclass(frozen=True)
class Entry:
    """One thing that a cell says and a gate compares.

    `name`: 'clean', or an attack at a budget, 'pgd-10@2/255'. `measure`: what is counted, or measured. `threat`: None
    without attack.
    """

    name: str
    measure: str
    threat: ThreatModel | None
    outcome: Verdicts | Predicted

    @property
    def place(self) -> tuple[ThreatModel | None, bool]:
        """What two entries of cells in one slot share when they say the same."""
        return self.threat, isinstance(self.outcome, Predicted)


#: What is measured where predictions are compared instead of counted verdicts.
AGREEMENT = "agreement"


@dataclass(frozen=True)
class GuardedCell:
    """A finished cell: its identity, and its verdicts without attack and at each budget at which it is read."""

    cell: Cell
    #: What tables call the attack.
    label: str
    #: sha256 of the sample ids in order; bits are paired by it.
    samples: str
    #: sha256 of every sample's label, predictions and outcome, for `--exact`.
    digest: str
    #: What is right without attack, of a regressor what is within the tolerance; None where it has none.
    clean: Verdicts | None
    #: The same under attack, by budget.
    robust: tuple[tuple[ThreatModel, Verdicts], ...]
    #: A regressor's predictions.
    regressed: Regressed | None = None

    def name(self, threat: ThreatModel) -> str:
        """What a reading is called: 'pgd-10@2/255'."""
        return f"{self.label}@{format_eps(threat.eps, threat.norm)}"

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that the cell says, what it says without attack first."""
        attack, found = self.cell.attack, []
        if self.clean is not None:
            name = (
                f"clean(loss={attack.loss},tolerance={attack.tolerance:g})" if attack.tolerance is not None else "clean"
            )
            found.append(Entry(name, clean_measure(attack), None, self.clean))
        if self.regressed is not None:
            found.append(Entry("clean", AGREEMENT, None, Predicted(self.regressed.truth, self.regressed.clean)))
        for threat, verdicts in self.robust:
            found.append(Entry(self.name(threat), measure(attack), threat, verdicts))
        if self.regressed is not None and self.regressed.attacked is not None:
            predicted = Predicted(self.regressed.truth, self.regressed.attacked)
            found.append(Entry(self.name(attack.threat), AGREEMENT, attack.threat, predicted))
        return tuple(found)


def measure(attack: AttackSpec) -> str:
    """What share of the samples the verdicts of an attack count: of a targeted one it is no robust accuracy."""
    aims = {"least-likely": "the least likely class", "random": "a random class"}
    if attack.target:
        return f"right, not turned into {aims.get(attack.target, attack.target)}"
    return "robust accuracy" if attack.tolerance is None else "within tolerance"


def clean_measure(attack: AttackSpec) -> str:
    """The same without attack."""
    return "clean accuracy" if attack.tolerance is None else "within tolerance"


@dataclass(frozen=True)
class Unmeasured:
    """A cell that failed or is unfinished, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Maker:
    """What some cells were made with. The command is left out: a baseline is committed, and commands name folders."""

    fer_bench: str
    commit: str
    device: str
    torch: str


@dataclass(frozen=True)
class Snapshot:
    """What a results folder, or a baseline file, says about its cells."""

    cells: tuple[GuardedCell, ...]
    unmeasured: tuple[Unmeasured, ...] = ()
    makers: tuple[Maker, ...] = ()

    @cached_property
    def by_slot(self) -> dict[Cell, tuple[GuardedCell | Unmeasured, ...]]:
        """All cells by `slot`; more than one in a slot differ in their weights."""
        found: dict[Cell, tuple[GuardedCell | Unmeasured, ...]] = {}
        rows: list[GuardedCell | Unmeasured] = [*self.cells, *self.unmeasured]
        for row in rows:
            place = slot(row.cell)
            found[place] = (*found.get(place, ()), row)
        return found


def slot(cell: Cell) -> Cell:
    """The cell without its weights and the data set's name: what must be equal for two cells to be compared."""
    return replace(cell, model_digest="", data="")


def samples_digest(ids: Iterable[str]) -> str:
    """sha256 over sample ids in order."""
    return digest(list(ids))
