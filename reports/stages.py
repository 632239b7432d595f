"""Suites to tables: what each stage attacked and broke. A stage saw only survivors: these are no robust accuracies."""

from __future__ import annotations

import pandas as pd

from fer_bench.types import AttackSpec
from reports.frames import Frames
from reports.rates import finished


def stage_names(spec: AttackSpec) -> tuple[str, ...]:
    """The names of a suite's stages, in order; empty where the spec is no suite."""
    depth, names, name = 0, [], ""
    for character in spec.word("stages"):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            names.append(name)
            name = ""
        else:
            name += character
    return tuple([*names, name] if name else names)


#: Columns of `stage_frame`.
COLUMNS = ["model", "data", "n", "seed", "suite", "threat", "stage", "attacked", "fell"]


def stage_frame(frames: Frames) -> pd.DataFrame:
    """One row a stage of every finished suite, in the order in which they ran; `attacked` and `fell` count samples."""
    rows: list[tuple[object, ...]] = []
    for cell in finished(frames):
        spec = cell.cell.attack
        counts = frames.stages.get(cell.id, ()) if spec.word("stages") else ()
        own = cell.cell
        where = (own.model, own.data, own.n, own.seed, cell.context.attack_label, str(spec.threat))
        rows += (
            (*where, name, count.asked, count.fell) for name, count in zip(stage_names(spec), counts, strict=False)
        )
    frame: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return frame


def stage_rows(frames: Frames) -> list[tuple[str, ...]]:
    """Model, data, suite, threat, stage, number attacked and number that fell there, as text."""
    return [
        (model, f"{data}, n = {n:,}, seed {seed}", suite, threat, stage, f"{attacked:,}", f"{fell:,}")
        for model, data, n, seed, suite, threat, stage, attacked, fell in stage_frame(frames).itertuples(index=False)
    ]
