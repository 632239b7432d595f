"""Several results folders as one. It must not read a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reports.frames import Frames


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
