"""Verdicts to rates: what a cell says at a budget, and the worst case over cells. Rates are made here alone.

A sample is robust at eps when the model was right and no confirmed adversarial image of size eps or less was
found. What was not measured is missing (None), never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fer_bench.core import protocol
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.threat import NORMS, ThreatModel, format_eps
from fer_bench.stats import rates
from fer_bench.store.results import StoredCell
from reports.tables.frames import Frames


@dataclass(frozen=True)
class Reading:
    """One robust accuracy: a finished cell read at a budget. Minimum-norm cells give several."""

    cell: int
    attack: str
    threat: ThreatModel

    @property
    def name(self) -> str:
        """The name in tables: 'pgd@8/255', 'cw@0.5'."""
        return f"{self.attack}@{format_eps(self.threat.eps, self.threat.norm)}"


def readings(frames: Frames, also: Sequence[ThreatModel] = (), regressors: bool = False) -> list[Reading]:
    """Every robust accuracy that the finished cells give: by attack as it first appears, then norm and eps.

    Transfer cells and cells of regressors have tables of their own (`reports.tables.transfer`,
    `reports.tables.agreement`); with `regressors` those of regressors are read instead, which are no accuracies.
    A minimum-norm cell is read at protocol v1's default budgets of its norm, at every budget of that norm that
    another cell spends, and at those of `also`. Settings or versions of an attack that share a label are told
    apart in `attack`.
    """
    done = [cell for cell in finished(frames) if cell.id in frames.by_cell and _on_a_board(cell, regressors)]
    labels = _labels(done)
    spent: dict[str, set[float]] = {}
    budgeted = [cell.cell.attack.threat for cell in done if not cell.cell.attack.minimum_norm]
    for threat in (*protocol.DEFAULT_EPS, *budgeted, *also):
        spent.setdefault(threat.norm, set()).add(threat.eps)
    found = []
    for cell in done:
        threat = cell.cell.attack.threat
        budgets = _budgets(cell.cell.attack, spent)
        found += [Reading(cell.id, labels[cell.id], replace(threat, eps=eps)) for eps in budgets]
    return _ordered(found)


def readings_at(frames: Frames, known: Sequence[Reading], budgets: Sequence[ThreatModel]) -> list[Reading]:
    """What `readings(frames, budgets)` gives, for budgets of Linf and L2, without deriving `known` again.

    `known`: what `readings(frames)` gave. Its minimum-norm cells are read at those of `budgets` that they lack.
    """
    labels = {reading.cell: reading.attack for reading in known}
    read = {(reading.cell, reading.threat.eps) for reading in known}
    further = [
        Reading(cell.id, labels[cell.id], replace(cell.cell.attack.threat, eps=eps))
        for cell in finished(frames)
        if cell.id in labels and cell.cell.attack.minimum_norm and not cell.cell.attack.levels
        for eps in sorted({budget.eps for budget in budgets if budget.norm == cell.cell.attack.norm})
        if (cell.id, eps) not in read
    ]
    return _ordered([*known, *further])


def _ordered(readings: Sequence[Reading]) -> list[Reading]:
    """By attack as it first appears, then norm and eps."""
    order = {name: place for place, name in enumerate(dict.fromkeys(reading.attack for reading in readings))}
    return sorted(readings, key=lambda reading: (order[reading.attack], *threat_order(reading.threat)))


def _on_a_board(cell: StoredCell, regressors: bool) -> bool:
    return not cell.cell.attack.source and bool(cell.cell.attack.loss) == regressors


def _budgets(attack: AttackSpec, spent: Mapping[str, set[float]]) -> Sequence[float]:
    """Where a cell is read: at its budget, a curve at its levels, a minimum-norm attack at all budgets of its norm."""
    if not attack.minimum_norm:
        return [attack.threat.eps]
    if attack.levels:
        return attack.levels
    return sorted(spent.get(attack.norm, ())) or protocol.BESIDE.get(attack.norm, ())


def finished(frames: Frames) -> list[StoredCell]:
    """The cells that are done, in the order of `frames.cells`."""
    done = frames.cells.loc[frames.cells["status"] == "done", "cell"]
    return [frames.stored[int(cell)] for cell in done]


def threat_order(threat: ThreatModel) -> tuple[int, str, float]:
    """Sorts Linf first, then the other norms, threats of the whole image before those of a region, then by eps."""
    return NORMS.index(threat.norm), threat.region, threat.eps


def _labels(done: Sequence[StoredCell]) -> dict[int, str]:
    """The label of each cell's attack, with what differs where cells share label and budget only."""
    groups: dict[tuple[str, str], list[StoredCell]] = {}
    for cell in done:
        groups.setdefault((cell.context.attack_label, str(cell.cell.attack.threat)), []).append(cell)
    labels = {}
    for (label, _), cells in groups.items():
        settings = [{"": cell.cell.attack.version, **dict(cell.cell.attack.key_params())} for cell in cells]
        names = dict.fromkeys(name for one in settings for name in one)
        differ = [name for name in names if len({one.get(name) for one in settings}) > 1]
        for cell, one in zip(cells, settings, strict=True):
            words = [f"{name}={one[name]}" if name else f"v{one['']}" for name in differ if name in one]
            labels[cell.id] = " ".join([label, *words])
    return labels


def robust(verdicts: pd.DataFrame, threat: ThreatModel) -> pd.Series:
    """For each verdict whether the sample is robust at `threat`: right before, not fooled within it."""
    return verdicts["right"] & ~fell(verdicts, threat)


def fell(verdicts: pd.DataFrame, threat: ThreatModel) -> pd.Series:
    """For each verdict whether the sample fell at `threat`: right before, and fooled within it."""
    within = verdicts["norm"].le(threat.eps + threat.tolerance)
    return verdicts["right"] & verdicts["fooled"].astype(bool) & within


def attacked_predictions(verdicts: pd.DataFrame, threat: ThreatModel) -> pd.Series:
    """What the model says of each sample under attack: one that did not fall keeps its clean prediction."""
    found: pd.Series = verdicts["attacked_prediction"].where(fell(verdicts, threat), verdicts["clean_prediction"])
    return found


def by_sample(verdicts: pd.DataFrame, outcome: pd.Series) -> pd.Series:
    """An `outcome` of each of the `verdicts` by the sample's name (index), as it is paired with another cell's."""
    named: pd.Series = pd.Series(outcome.to_numpy(), index=verdicts["sample"].to_numpy())
    return named


def tried(verdicts: pd.DataFrame) -> pd.Series:
    """For each verdict whether a targeted attack went for it: right before, and not of the class aimed at already."""
    aimed = verdicts["target"].notna() & (verdicts["target"] != verdicts["label"])
    return verdicts["right"] & aimed


def survives_eight_bit(verdicts: pd.DataFrame, threat: ThreatModel) -> pd.Series:
    """For each verdict of a budget attack whether the sample is robust to the found image rounded to 8 bits.

    A minimum-norm cell does not store the norm of the rounded image, so it has no such verdict at an eps.
    """
    broken = verdicts["eight_bit"].eq(True).astype(bool)
    return robust(verdicts, threat) | (verdicts["right"] & ~broken)


@dataclass(frozen=True)
class Accuracy:
    """An accuracy and its macro form, with intervals, and the number of images."""

    rate: rates.Rate
    macro: rates.Rate | None
    n: int


def accuracy(truth: pd.Series, right: pd.Series) -> Accuracy:
    """Accuracy and macro accuracy of per-sample outcomes (`right`: bool) by true class."""
    by_class = right.astype(int).groupby(truth).agg(["sum", "count"])
    macro = rates.macro(by_class["sum"].astype(int).tolist(), by_class["count"].astype(int).tolist())
    return Accuracy(rates.wilson(int(right.sum()), len(right)), macro, len(right))


def worst_case(frames: Frames, cells: Sequence[tuple[int, ThreatModel]]) -> pd.Series:
    """Per sample (index: its name) whether it is robust to every one of the given readings of one model."""
    per_attack = []
    for cell, threat in cells:
        own = frames.by_cell[cell]
        per_attack.append(by_sample(own, robust(own, threat)))
    joined: pd.Series = pd.concat(per_attack, axis=1).all(axis=1)
    return joined
