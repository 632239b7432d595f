"""Frames to what a gate compares: packed verdicts of every finished cell, and why the others have none."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fer_bench.baselines import GuardedCell, Maker, Snapshot, Unmeasured, Verdicts, samples_digest
from fer_bench.store import StoredCell
from fer_bench.types import ThreatModel, digest
from reports.frames import Frames
from reports.rates import Reading, finished, readings, robust


def snapshot(frames: Frames, budgets: Sequence[ThreatModel] = ()) -> Snapshot:
    """Everything of a results folder that a gate can compare.

    Minimum-norm cells are read where reports.rates reads them, and at `budgets` of their norm. Transfer cells, which
    are on no leaderboard, are read at their budget.
    """
    found: dict[int, list[Reading]] = {}
    for reading in readings(frames, budgets):
        found.setdefault(reading.cell, []).append(reading)
    for carried in finished(frames):
        spec = carried.cell.attack
        if spec.source and not (spec.minimum_norm or spec.loss) and carried.id in frames.by_cell:
            found[carried.id] = [Reading(carried.id, carried.context.attack_label, spec.threat)]
    guarded, unmeasured = [], []
    for number, cell in frames.stored.items():
        if number in found and cell.context.task == "expression":
            guarded.append(_guarded(cell, frames.by_cell[number], found[number]))
        else:
            unmeasured.append(Unmeasured(cell.cell, _reason(cell)))
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


def _guarded(cell: StoredCell, verdicts: pd.DataFrame, own: Sequence[Reading]) -> GuardedCell:
    columns = ["sample", "label", "clean_prediction", "fooled", "attacked_prediction"]
    return GuardedCell(
        cell=cell.cell,
        label=own[0].attack,
        samples=samples_digest(verdicts["sample"]),
        digest=digest([verdicts[name].tolist() for name in columns]),
        clean=Verdicts.of(verdicts["right"]),
        robust=tuple((reading.threat, Verdicts.of(robust(verdicts, reading.threat))) for reading in own),
    )


def _reason(cell: StoredCell) -> str:
    if cell.status == "failed":
        return f"it failed: {cell.error}"
    if cell.status != "done":
        return f"it is unfinished: {cell.judged} of {cell.cell.n} images judged"
    if cell.cell.attack.source and cell.cell.attack.minimum_norm:
        return "transfer cells of minimum-norm attacks are not gated"
    return "valence-arousal cells are not gated yet" if cell.context.task == "va" else "it holds no verdicts"
