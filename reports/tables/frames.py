"""A results folder as pandas frames: one row a cell, one row a verdict. It must not compute a rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from fer_bench.core.outcome import Provenance
from fer_bench.store import flags
from fer_bench.store.records import StageCount
from fer_bench.store.results import ResultStore, StoredCell

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

    The columns of `verdicts`: cell, sample, truth, label, clean_prediction, fooled, attacked_prediction, norm,
    eight_bit, first_query, forwards, backwards, target, right; of regressors valence and arousal: true, clean_ and
    attacked_.
    """

    #: One row a cell: identity, status, cost, context, flags.
    cells: pd.DataFrame
    #: One row a verdict.
    verdicts: pd.DataFrame
    #: The same cells as objects, by number.
    stored: dict[int, StoredCell]
    #: Provenance by run number.
    runs: dict[int, Provenance]
    #: What each stage of suites and curves did, by cell.
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
        tuple(flag.code for flag in flags.flags(found)),
    ]


def merged(parts: Sequence[Frames]) -> Frames:
    """All cells of `parts` as one; a cell that several hold is taken from the first of them that finished it.

    Cells and runs are renumbered. A cell that none finished is taken from the first that holds it.
    """
    if len(parts) == 1:
        return parts[0]
    chosen: dict[str, tuple[int, int]] = {}
    for number, part in enumerate(parts):
        for found in part.stored.values():
            known = chosen.get(found.key)
            if known is None or (found.status == "done" and parts[known[0]].stored[known[1]].status != "done"):
                chosen[found.key] = (number, found.id)
    numbers = {place: number for number, place in enumerate(chosen.values(), start=1)}
    frames = [_renumbered(part, at, numbers) for at, part in enumerate(parts)]
    first = [sum(len(part.runs) for part in parts[:at]) for at in range(len(parts))]
    runs = {
        first[at] + place: run for at, part in enumerate(parts) for place, run in enumerate(part.runs.values(), start=1)
    }
    stored = {}
    for (at, cell), number in numbers.items():
        own = parts[at].stored[cell]
        run = first[at] + 1 + list(parts[at].runs).index(own.run_id)
        stored[number] = replace(own, id=number, run_id=run)
    stages = {number: parts[at].stages[cell] for (at, cell), number in numbers.items() if cell in parts[at].stages}
    cells = pd.concat([frame for frame, _ in frames], ignore_index=True)
    verdicts = pd.concat([frame for _, frame in frames], ignore_index=True)
    return Frames(cells.sort_values("cell", ignore_index=True), verdicts, stored, runs, stages)


def _renumbered(part: Frames, at: int, numbers: dict[tuple[int, int], int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    own = {cell: number for (place, cell), number in numbers.items() if place == at}
    cells = part.cells[part.cells["cell"].isin(own)]
    verdicts = part.verdicts[part.verdicts["cell"].isin(own)]
    # A part without verdicts has no number to tell pandas that cells are whole numbers.
    return (
        cells.assign(cell=cells["cell"].map(own).astype("int64")),
        verdicts.assign(cell=verdicts["cell"].map(own).astype("int64")),
    )
