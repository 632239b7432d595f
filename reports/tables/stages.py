"""Suites to what each of their stages attacked and broke: one row a stage. It renders nothing."""

from __future__ import annotations

import pandas as pd

from reports.tables.frames import Frames
from reports.tables.rates import finished

#: Columns of `stage_frame`.
COLUMNS = ["model", "data", "n", "seed", "suite", "threat", "stage", "attacked", "fell"]


def stage_frame(frames: Frames) -> pd.DataFrame:
    """One row a stage of every finished suite, in the order in which they ran; `attacked` and `fell` count samples."""
    rows: list[tuple[object, ...]] = []
    for cell in finished(frames):
        spec = cell.cell.attack
        counts = frames.stages.get(cell.id, ()) if spec.stages else ()
        own = cell.cell
        where = (own.model, own.data, own.n, own.seed, cell.context.attack_label, str(spec.threat))
        rows += ((*where, name, count.asked, count.fell) for name, count in zip(spec.stages, counts, strict=False))
    frame: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return frame


def stage_rows(stages: pd.DataFrame) -> list[tuple[str, ...]]:
    """The rows of `stage_frame` as text: model, data, suite, threat, stage, number attacked, number that fell there."""
    return [
        (model, f"{data}, n = {n:,}, seed {seed}", suite, threat, stage, f"{attacked:,}", f"{fell:,}")
        for model, data, n, seed, suite, threat, stage, attacked, fell in stages.itertuples(index=False)
    ]
