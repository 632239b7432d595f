"""Rates to ranked rows of a leaderboard: all that was measured of a model, as numbers. It formats nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.threat import Norm, ThreatModel
from fer_bench.stats import rates
from fer_bench.store.results import StoredCell
from reports.tables.frames import ROW, Frames
from reports.tables.ranks import Span, spans
from reports.tables.rates import (
    Accuracy,
    Reading,
    accuracy,
    finished,
    robust,
    survives_eight_bit,
    threat_order,
    worst_case,
)


@dataclass(frozen=True)
class Score:
    """What a reading says. `eight_bit`: accuracy left when images are rounded to 8 bits; None: minimum norm."""

    reading: Reading
    robust: Accuracy
    eight_bit: rates.Rate | None


@dataclass(frozen=True)
class MinimumNorm:
    """The smallest perturbations that one attack found of one model."""

    #: The number of the cell that was read.
    cell: int
    #: How they are measured.
    norm: Norm
    #: Their median over the samples that were right, those that stood counting as infinite; None without any.
    median: float | None
    #: Samples that were right and fell.
    fell: int
    #: Samples that were right without attack.
    right: int


@dataclass(frozen=True)
class WorstCase:
    """The share of samples robust to every one of `attacks` at one norm and eps."""

    threat: ThreatModel
    rate: rates.Rate
    attacks: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """All that was measured of one model (weights, data, subset, seed): what a row of a leaderboard says."""

    #: The first of `cells`.
    first: StoredCell
    #: Its finished cells.
    cells: tuple[StoredCell, ...]
    #: Accuracy without attack, of the first cell.
    clean: Accuracy
    #: By the reading's name, such as 'pgd@8/255'.
    scores: dict[str, Score]
    #: By attack.
    minimum_norms: dict[str, MinimumNorm]
    #: By threat, 'NORM@EPS'.
    worst: dict[str, WorstCase]
    #: Samples that were right before one attack and wrong before another.
    unsteady: int

    @property
    def model(self) -> tuple[str, str]:
        """Name and digest of the model."""
        return self.first.cell.model, self.first.cell.model_digest

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it a row of its own, as text."""
        return tuple(str(getattr(self.first.cell, name)) for name in ROW)


@dataclass(frozen=True)
class Board:
    """The entries that were judged on the same images, ranked.

    The rule: by worst case at `ranked_by`, then by clean accuracy; equals share a rank.
    """

    #: Name of the data set.
    data: str
    #: Digest of its images and labels.
    data_digest: str
    #: How many images were taken.
    n: int
    #: The smallest Linf budget that any entry reports, L2 where there is no Linf; None: none reports any.
    ranked_by: ThreatModel | None
    #: In order of rank.
    entries: tuple[Entry, ...]
    #: By entry; None where the worst case at `ranked_by` was not measured.
    ranks: tuple[int | None, ...]
    #: By entry the ranks that paired tests of that worst case leave possible.
    ranges: tuple[Span | None, ...]


def boards(frames: Frames, readings: Sequence[Reading]) -> list[Board]:
    """One board a data set and subset, by name and size, with its entries in order of rank.

    `readings`: those of `frames`, by `reports.tables.rates.readings`.
    """
    of_cell: dict[int, list[Reading]] = {}
    for reading in readings:
        of_cell.setdefault(reading.cell, []).append(reading)
    rows: dict[tuple[object, ...], list[StoredCell]] = {}
    for cell in finished(frames):
        if cell.id in of_cell:
            rows.setdefault(tuple(getattr(cell.cell, name) for name in ROW), []).append(cell)
    by_data: dict[tuple[str, int, str], list[Entry]] = {}
    for cells in rows.values():
        of = cells[0].cell
        of_entry = [reading for cell in cells for reading in of_cell[cell.id]]
        by_data.setdefault((of.data, of.n, of.data_digest), []).append(_entry(frames, cells, of_entry))
    return [_board(frames, entries) for _, entries in sorted(by_data.items(), key=lambda item: item[0])]


def _entry(frames: Frames, cells: Sequence[StoredCell], readings: Sequence[Reading]) -> Entry:
    scores, at_threat = {}, dict[str, list[Reading]]()
    for reading in readings:
        verdicts = frames.by_cell[reading.cell]
        eight_bit = None
        if not frames.stored[reading.cell].cell.attack.minimum_norm:
            left = survives_eight_bit(verdicts, reading.threat)
            eight_bit = rates.wilson(int(left.sum()), len(left))
        scores[reading.name] = Score(reading, accuracy(verdicts["truth"], robust(verdicts, reading.threat)), eight_bit)
        at_threat.setdefault(str(reading.threat), []).append(reading)
    worst = {}
    for threat, at in at_threat.items():
        left = worst_case(frames, [(reading.cell, reading.threat) for reading in at])
        attacks = tuple(reading.attack for reading in at)
        worst[threat] = WorstCase(at[0].threat, rates.wilson(int(left.sum()), len(left)), attacks)
    right = pd.concat([frames.by_cell[cell.id].set_index("sample")["right"] for cell in cells], axis=1)
    clean = frames.by_cell[cells[0].id]
    return Entry(
        first=cells[0],
        cells=tuple(cells),
        clean=accuracy(clean["truth"], clean["right"]),
        scores=scores,
        minimum_norms={
            reading.attack: _minimum_norm(reading.cell, reading.threat.norm, frames.by_cell[reading.cell])
            for reading in readings
            if _searches(frames.stored[reading.cell].cell.attack)
        },
        worst=worst,
        unsteady=int((right.any(axis=1) & ~right.all(axis=1)).sum()),
    )


def _searches(attack: AttackSpec) -> bool:
    """True where the attack searches the smallest perturbation; a curve only knows at which level a sample fell."""
    return attack.minimum_norm and not attack.levels


def _minimum_norm(cell: int, norm: Norm, verdicts: pd.DataFrame) -> MinimumNorm:
    right = verdicts[verdicts["right"]]
    fell = right["fooled"].astype(bool)
    sizes = right["norm"].where(fell, np.inf)
    return MinimumNorm(cell, norm, rates.median(sizes.tolist()), int(fell.sum()), len(right))


def _board(frames: Frames, entries: Sequence[Entry]) -> Board:
    """The board of the entries, one or more, that were judged on the same images."""
    of = entries[0].first.cell
    threats = sorted((case.threat for entry in entries for case in entry.worst.values()), key=threat_order)
    ranked_by = threats[0] if threats else None

    def merit(entry: Entry) -> tuple[float, float]:
        case = entry.worst.get(str(ranked_by))
        return (-1.0 if case is None else case.rate.value, entry.clean.rate.value)

    def order(entry: Entry) -> tuple[float, float, str, int]:
        worst, clean = merit(entry)
        return -worst, -clean, entry.first.cell.model, entry.first.cell.seed

    ordered = sorted(entries, key=order)
    ranks: list[int | None] = []
    for place, entry in enumerate(ordered):
        if str(ranked_by) not in entry.worst:
            ranks.append(None)
        elif place and merit(entry) == merit(ordered[place - 1]):
            ranks.append(ranks[-1])
        else:
            ranks.append(place + 1)
    left = [_withstood(frames, entry, str(ranked_by)) for entry in ordered]
    return Board(of.data, of.data_digest, of.n, ranked_by, tuple(ordered), tuple(ranks), spans(left))


def _withstood(frames: Frames, entry: Entry, threat: str) -> pd.Series | None:
    """By sample whether an entry withstood every attack at `threat`; None where none was run."""
    at = [score.reading for score in entry.scores.values() if str(score.reading.threat) == threat]
    return worst_case(frames, [(reading.cell, reading.threat) for reading in at]) if at else None
