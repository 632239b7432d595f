"""Chooses which verdicts a gallery shows: of each row of a board, images that fell to its strongest attack.

It re-creates nothing and draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fer_bench.bench.gallery import Wanted
from fer_bench.core.outcome import Verdict
from fer_bench.core.threat import ThreatModel
from reports.tables.boards import Board, Entry
from reports.tables.frames import Frames
from reports.tables.rates import Reading, fell, threat_order
from reports.tables.results import Results

#: Perturbations whose energy is measured, of each row: more than are shown, because a mean over few tells little.
MEASURED = 16


@dataclass(frozen=True)
class Choice:
    """What is shown of row number `row` of board number `board`: a reading, and what is wanted of its cell.

    Of the wanted verdicts, none where nothing fell, the first are those that other choices show too, where they can.
    """

    board: int
    row: int
    reading: Reading
    wanted: Wanted


def choose(results: Results, count: int) -> tuple[Choice, ...]:
    """One choice for each board, norm and row that was attacked there.

    The reading is the one that leaves fewest images of the row at the norm's smallest budget on the board. Its verdicts
    are `count` or MEASURED, whichever is more, of images that were right and fell; those that fell in most choices of
    the board come first, so that rows can be compared, and among them the true classes take turns, in the order of the
    images' digests.
    """
    return tuple(
        choice for number, board in enumerate(results.boards) for choice in _of(results.frames, number, board, count)
    )


def _of(frames: Frames, number: int, board: Board, count: int) -> list[Choice]:
    readings = [
        (row, reading)
        for threat in _threats(board)
        for row, entry in enumerate(board.entries)
        if (reading := _strongest(entry, threat)) is not None
    ]
    fallen = [_fallen(frames, reading) for _, reading in readings]
    order = _order(fallen)
    found = []
    for (row, reading), own in zip(readings, fallen, strict=True):
        chosen = own.iloc[own["sample"].map(order).argsort()].head(max(count, MEASURED))
        verdicts = tuple(_verdict(line) for _, line in chosen.iterrows())
        found.append(Choice(number, row, reading, Wanted(frames.stored[reading.cell], verdicts)))
    return found


def _threats(board: Board) -> list[ThreatModel]:
    """The smallest budget of each norm that any row reports, on all of the image rather than on a region."""
    smallest: dict[str, ThreatModel] = {}
    for threat in sorted({case.threat for entry in board.entries for case in entry.worst.values()}, key=threat_order):
        smallest.setdefault(threat.norm, threat)
    return list(smallest.values())


def _strongest(entry: Entry, threat: ThreatModel) -> Reading | None:
    at = [score for score in entry.scores.values() if score.reading.threat == threat]
    return min(at, key=lambda score: score.robust.rate.value).reading if at else None


def _fallen(frames: Frames, reading: Reading) -> pd.DataFrame:
    own = frames.by_cell[reading.cell]
    fallen: pd.DataFrame = own[fell(own, reading.threat)]
    return fallen


def _order(fallen: Sequence[pd.DataFrame]) -> dict[str, int]:
    """The place of every fallen sample, those that fell in most choices first."""
    if not fallen:
        return {}
    every = pd.concat([own[["sample", "truth"]] for own in fallen])
    table = every.groupby("sample", as_index=False).agg(truth=("truth", "first"), times=("truth", "size"))
    table["turn"] = table.groupby(["times", "truth"]).cumcount()
    ordered = table.sort_values(["times", "turn", "truth", "sample"], ascending=[False, True, True, True])
    return {str(name): place for place, name in enumerate(ordered["sample"])}


def _verdict(line: pd.Series) -> Verdict:
    """A row of `Frames.verdicts` that fell, as the store had it."""
    return Verdict(
        sample=str(line["sample"]),
        label=int(line["label"]),
        clean_prediction=int(line["clean_prediction"]),
        fooled=bool(line["fooled"]),
        attacked_prediction=int(line["attacked_prediction"]),
        norm=float(line["norm"]),
        eight_bit=None if pd.isna(line["eight_bit"]) else bool(line["eight_bit"]),
        first_query=None if pd.isna(line["first_query"]) else int(line["first_query"]),
        forwards=int(line["forwards"]),
        backwards=int(line["backwards"]),
        target=None if pd.isna(line["target"]) else int(line["target"]),
    )
