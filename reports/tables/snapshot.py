"""Frames to what a gate compares: packed verdicts and predictions of finished cells, and why others have none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_bench.core.digest import digest
from fer_bench.core.threat import ThreatModel
from fer_bench.gate.snapshot import (
    GuardedCell,
    Maker,
    Regressed,
    Snapshot,
    Unmeasured,
    Values,
    Verdicts,
    samples_digest,
)
from fer_bench.store.results import StoredCell
from reports.tables.frames import Frames
from reports.tables.rates import Reading, finished, readings, robust


def snapshot(frames: Frames, budgets: Sequence[ThreatModel] = ()) -> Snapshot:
    """Everything of a results folder that a gate can compare.

    Minimum-norm cells are read where reports.tables.rates reads them, and at `budgets` of their norm. Transfer cells,
    which are on no leaderboard, are read at their budget.
    """
    found: dict[int, list[Reading]] = {}
    for reading in (*readings(frames, budgets), *readings(frames, budgets, regressors=True)):
        found.setdefault(reading.cell, []).append(reading)
    for carried in finished(frames):
        spec = carried.cell.attack
        if spec.source and not spec.minimum_norm and carried.id in frames.by_cell:
            found[carried.id] = [Reading(carried.id, carried.context.attack_label, spec.threat)]
    guarded, unmeasured = [], []
    for number, cell in frames.stored.items():
        made = _guarded(cell, frames.by_cell[number], found[number]) if number in found else _reason(cell)
        if isinstance(made, GuardedCell):
            guarded.append(made)
        else:
            unmeasured.append(Unmeasured(cell.cell, made))
    runs = dict.fromkeys(frames.stored[number].run_id for number in found)
    makers = [
        Maker(
            fer_bench=run.fer_bench,
            commit=f"{run.commit} with changes" if run.dirty else run.commit,
            device=run.device,
            torch=dict(run.packages).get("torch", "missing"),
        )
        for run in (frames.runs[number] for number in runs)
    ]
    return Snapshot(tuple(guarded), tuple(unmeasured), tuple(dict.fromkeys(makers)))


#: What the digest of a cell's verdicts is over; of a regressor it is over the predictions besides.
_TOLD = ["sample", "label", "clean_prediction", "fooled", "attacked_prediction"]
_TRUE, _CLEAN, _ATTACKED = (
    ["valence", "arousal"],
    ["clean_valence", "clean_arousal"],
    ["attacked_valence", "attacked_arousal"],
)


def _guarded(cell: StoredCell, verdicts: pd.DataFrame, own: Sequence[Reading]) -> GuardedCell | str:
    """What a gate compares of a finished cell, or why there is nothing."""
    attack = cell.cell.attack
    counted = not attack.loss or attack.tolerance is not None
    predicted = [*_CLEAN, *([] if counted else _ATTACKED)] if attack.loss else []
    if not np.isfinite(verdicts[[*(_TRUE if attack.loss else []), *predicted]]).all(axis=None):
        return "a truth or a prediction of it is no number"
    return GuardedCell(
        cell=cell.cell,
        label=own[0].attack,
        samples=samples_digest(verdicts["sample"]),
        digest=digest([verdicts[name].tolist() for name in (*_TOLD, *predicted)]),
        clean=Verdicts.of(verdicts["right"]) if counted else None,
        robust=tuple((r.threat, Verdicts.of(robust(verdicts, r.threat))) for r in own) if counted else (),
        regressed=_regressed(verdicts, attacked=not counted) if attack.loss else None,
    )


def _regressed(verdicts: pd.DataFrame, attacked: bool) -> Regressed:
    truth, clean = _values(verdicts, _TRUE), _values(verdicts, _CLEAN)
    return Regressed(truth, clean, _values(verdicts, _ATTACKED) if attacked else None)


def _values(verdicts: pd.DataFrame, columns: list[str]) -> Values:
    return Values.of(verdicts[columns].to_numpy(np.float64))


def _reason(cell: StoredCell) -> str:
    if cell.status == "failed":
        return f"it failed: {cell.error}"
    if cell.status != "done":
        return f"it is unfinished: {cell.judged} of {cell.cell.n} images judged"
    if cell.cell.attack.source and cell.cell.attack.minimum_norm:
        return "transfer cells of minimum-norm attacks are not gated"
    return "it holds no verdicts"
