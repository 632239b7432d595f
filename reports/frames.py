"""A results folder as pandas frames: one row a cell, one row a verdict. It must not compute a rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from fer_bench import checks
from fer_bench.outcomes import Provenance
from fer_bench.records import StageCount
from fer_bench.store import ResultStore, StoredCell

#: What a row of the leaderboard is about: the same model on another data set, subset or seed is another row.
ROW = ["model", "model_digest", "data", "data_digest", "n", "seed"]

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
    "target",
    "valence",
    "arousal",
    "clean_valence",
    "clean_arousal",
    "attacked_valence",
    "attacked_arousal",
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


@dataclass(frozen=True)
class Frames:
    """The content of a results folder.

    `cells`: one row a cell (identity, status, cost, context, flags). `verdicts`: one row a verdict (cell,
    sample, truth, label, clean_prediction, fooled, attacked_prediction, norm, eight_bit, first_query,
    forwards, backwards, target, right; of regressors valence and arousal: true, clean_ and attacked_). `stored`: the
    same cells as objects. `runs`: provenance by run number. `stages`: what each stage of suites and curves did.
    """

    cells: pd.DataFrame
    verdicts: pd.DataFrame
    stored: dict[int, StoredCell]
    runs: dict[int, Provenance]
    stages: dict[int, tuple[StageCount, ...]]

    @cached_property
    def by_cell(self) -> dict[int, pd.DataFrame]:
        """The verdicts of each cell that has any, in one pass over `verdicts`."""
        return {int(str(cell)): own for cell, own in self.verdicts.groupby("cell", sort=False)}


def collect(store: ResultStore) -> Frames:
    """Reads everything a store holds: the latest finished attempt of each cell."""
    stored = {found.id: found for found in store.cells()}
    cells = pd.DataFrame([_cell_row(found) for found in stored.values()], columns=_CELL_COLUMNS)
    verdicts = pd.DataFrame(store.verdict_rows(stored), columns=_VERDICT_COLUMNS)
    verdicts["fooled"] = verdicts["fooled"].astype(bool)
    verdicts["eight_bit"] = verdicts["eight_bit"].astype(object).map({1: True, 0: False})
    numbers = ["norm", "target", *_VERDICT_COLUMNS[-6:]]
    verdicts[numbers] = verdicts[numbers].astype(float)
    verdicts["right"] = (verdicts["clean_prediction"] == verdicts["label"]).astype(bool)
    return Frames(cells, verdicts, stored, store.runs(), store.stages())


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
