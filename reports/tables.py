"""Stored verdicts to tidy pandas frames: one row a verdict, one row a cell, one row a model. It draws nothing.

Rates are made here and nowhere else: a sample is robust at eps when the model was right and no confirmed adversarial
image of size eps or less was found. What was not measured is missing (NaN), never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_bench import checks, metrics, protocol
from fer_bench.store import ResultStore, StoredCell
from fer_bench.types import Norm, Provenance, ThreatModel, format_eps

#: What a row of the leaderboard is about: the same model on another data set, subset or seed is another row.
ROW = ["model", "model_digest", "data", "data_digest", "n", "seed"]


@dataclass(frozen=True)
class Frames:
    """The content of a results folder.

    `cells`: one row a cell (identity, status, cost, context, flags). `verdicts`: one row a verdict (cell, sample,
    truth, label, clean_prediction, fooled, attacked_prediction, norm, eight_bit, first_query, forwards, backwards).
    `stored`: the same cells as objects. `runs`: provenance by run number.
    """

    cells: pd.DataFrame
    verdicts: pd.DataFrame
    stored: dict[int, StoredCell]
    runs: dict[int, Provenance]


def collect(store: ResultStore) -> Frames:
    """Reads everything a store holds: the latest finished attempt of each cell."""
    stored = {found.id: found for found in store.cells()}
    cells = pd.DataFrame([_cell_row(found) for found in stored.values()], columns=_CELL_COLUMNS)
    rows = (
        (
            found.cell_id,
            found.verdict.sample,
            found.truth,
            found.verdict.label,
            found.verdict.clean_prediction,
            found.verdict.fooled,
            found.verdict.attacked_prediction,
            found.verdict.norm,
            found.verdict.eight_bit,
            found.verdict.first_query,
            found.verdict.forwards,
            found.verdict.backwards,
        )
        for found in store.verdicts(stored)
    )
    verdicts = pd.DataFrame(rows, columns=_VERDICT_COLUMNS)
    verdicts["norm"] = verdicts["norm"].astype(float)
    verdicts["right"] = (verdicts["clean_prediction"] == verdicts["label"]).astype(bool)
    return Frames(cells, verdicts, stored, store.runs())


_VERDICT_COLUMNS = [
    "cell",
    "sample",
    "truth",
    "label",
    "clean_prediction",
    "fooled",
    "attacked_prediction",
    "norm",
    "eight_bit",
    "first_query",
    "forwards",
    "backwards",
]
_CELL_COLUMNS = [
    "cell",
    *ROW,
    "task",
    "key",
    "attack",
    "norm",
    "eps",
    "minimum_norm",
    "status",
    "error",
    "judged",
    "seconds",
    "forward_rows",
    "backward_rows",
    "flags",
]


def _cell_row(found: StoredCell) -> list[object]:
    cell = found.cell
    threat = cell.attack.threat
    return [
        found.id,
        cell.model,
        cell.model_digest,
        cell.data,
        cell.data_digest,
        cell.n,
        cell.seed,
        found.context.task,
        found.key,
        found.context.attack_label,
        threat.norm,
        None if cell.attack.minimum_norm else threat.eps,
        cell.attack.minimum_norm,
        found.status,
        found.error,
        found.judged,
        found.seconds,
        found.forward_rows,
        found.backward_rows,
        tuple(flag.code for flag in checks.flags(found)),
    ]


# ------------------------------------------------------------------------------------------------------------ readings


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


def readings(frames: Frames) -> list[Reading]:
    """Every robust accuracy that the finished cells give, in the order of the cells.

    A minimum-norm cell is read at protocol v1's default budgets of its norm and at every budget of that norm that
    another cell spends.
    """
    done = frames.cells[frames.cells["status"] == "done"]
    spent: dict[str, set[float]] = {"Linf": set(), "L2": set()}
    for threat in protocol.DEFAULT_EPS:
        spent[threat.norm].add(threat.eps)
    for norm, eps in done.loc[~done["minimum_norm"].astype(bool), ["norm", "eps"]].itertuples(index=False):
        spent[norm].add(float(eps))
    found = []
    for row in done.itertuples(index=False):
        norm: Norm = "Linf" if row.norm == "Linf" else "L2"
        budgets: Iterable[float] = sorted(spent[norm]) if row.minimum_norm else [float(str(row.eps))]
        found += [Reading(int(str(row.cell)), str(row.attack), ThreatModel(norm, eps)) for eps in budgets]
    return found


def robust(verdicts: pd.DataFrame, threat: ThreatModel) -> pd.Series:
    """For each verdict whether the sample is robust at `threat`: right before, and not fooled within the budget."""
    within = verdicts["norm"].le(threat.eps + threat.tolerance)
    return verdicts["right"] & ~(verdicts["fooled"].astype(bool) & within)


def survives_eight_bit(verdicts: pd.DataFrame, threat: ThreatModel) -> pd.Series:
    """For each verdict whether the sample is robust to the found image once that is rounded to 8 bits."""
    broken = verdicts["eight_bit"].fillna(False).astype(bool)
    return robust(verdicts, threat) | (verdicts["right"] & ~broken)


@dataclass(frozen=True)
class Accuracy:
    """An accuracy and its macro form, with intervals, and the number of images."""

    rate: metrics.Rate
    macro: metrics.Rate | None
    n: int


def accuracy(truth: pd.Series, right: pd.Series) -> Accuracy:
    """Accuracy and macro accuracy of per-sample outcomes (`right`: bool) by true class."""
    by_class = right.astype(int).groupby(truth).agg(["sum", "count"])
    macro = metrics.macro(by_class["sum"].astype(int).tolist(), by_class["count"].astype(int).tolist())
    return Accuracy(metrics.wilson(int(right.sum()), len(right)), macro, len(right))


def worst_case(frames: Frames, cells: list[tuple[int, ThreatModel]]) -> pd.Series:
    """Per sample (index: its name) whether it is robust to every one of the given readings of one model."""
    per_attack = []
    for cell, threat in cells:
        own = frames.verdicts[frames.verdicts["cell"] == cell]
        per_attack.append(pd.Series(robust(own, threat).to_numpy(), index=own["sample"].to_numpy()))
    joined = pd.concat(per_attack, axis=1)
    return joined.all(axis=1)


def leaderboard(frames: Frames) -> pd.DataFrame:
    """One row a model and data set: clean accuracy, robust accuracy per attack, worst case per threat; fractions.

    Columns: model, task, data, n, clean_accuracy, robust_accuracy[ATTACK@EPS] ..., worst_case[NORM@EPS] ... A worst
    case is per norm and eps, never across them, over the attacks that were run at that threat. NaN: not measured.
    """
    found = readings(frames)
    attack_columns = [f"robust_accuracy[{name}]" for name in dict.fromkeys(reading.name for reading in found)]
    threats = sorted({reading.threat for reading in found}, key=lambda t: (t.norm != "Linf", t.eps))
    columns = ["model", "task", "data", "n", "clean_accuracy", *attack_columns]
    columns += [f"worst_case[{threat}]" for threat in threats]
    done = frames.cells[frames.cells["status"] == "done"]
    rows = []
    for _, group in done.groupby(ROW, sort=False):
        cells = set(group["cell"])
        first = group.iloc[0]
        own = [reading for reading in found if reading.cell in cells]
        clean = frames.verdicts[frames.verdicts["cell"] == first["cell"]]
        row: dict[str, object] = {name: first[name] for name in ("model", "task", "data", "n")}
        row["clean_accuracy"] = float(clean["right"].mean())
        for reading in own:
            verdicts = frames.verdicts[frames.verdicts["cell"] == reading.cell]
            row[f"robust_accuracy[{reading.name}]"] = float(robust(verdicts, reading.threat).mean())
        for threat in threats:
            at = [(reading.cell, threat) for reading in own if reading.threat == threat]
            if at:
                row[f"worst_case[{threat}]"] = float(worst_case(frames, at).mean())
        rows.append(row)
    board = pd.DataFrame(rows, columns=columns)
    ranked = [c for c in columns if c.startswith("worst_case[")]
    if ranked and len(board):
        board = board.sort_values(
            ["data", "n", *ranked, "clean_accuracy"], ascending=[True, True, *[False] * (len(ranked) + 1)]
        )
    return board.reset_index(drop=True).replace({None: np.nan})
