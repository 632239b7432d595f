"""Two models on the same images: who withstood what the other did not. It must not rank.

One row a reading and pair; the test is that of the rank ranges (`reports.tables.ranks`).
"""

from __future__ import annotations

import pandas as pd

from reports.tables.boards import Board, Entry
from reports.tables.frames import Frames
from reports.tables.ranks import duels
from reports.tables.rates import by_sample, worst_case
from reports.tables.results import Results

CLEAN = "clean"
_COLUMNS = [
    *("data", "n", "reading", "model", "weights", "other", "other_weights", "images", "accuracy", "other_accuracy"),
    *("only_model", "only_other", "p"),
]


def pairs(results: Results) -> pd.DataFrame:
    """One row a reading (and 'clean') and pair of models judged on the same images.

    `accuracy` and `other_accuracy`: the shares of the `images` both were asked about that each got right under it;
    `only_model` and `only_other`: images that one alone got right; `p`: exact two-sided McNemar test, Holm-corrected
    over the pairs of the same reading. Columns: data, n, reading, model, weights, other, other_weights, images,
    accuracy, other_accuracy, only_model, only_other, p.
    """
    rows: list[list[object]] = []
    for board in results.boards:
        names = [CLEAN, *dict.fromkeys(name for entry in board.entries for name in entry.scores)]
        for name in names:
            rows += _compared(results.frames, board, name)
    table: pd.DataFrame = pd.DataFrame(rows, columns=_COLUMNS)
    return table


def _compared(frames: Frames, board: Board, name: str) -> list[list[object]]:
    return [
        [
            *(board.data, board.n, name, *_named(board.entries[duel.first]), *_named(board.entries[duel.second])),
            *(duel.images, (duel.both + duel.only_first) / duel.images, (duel.both + duel.only_second) / duel.images),
            *(duel.only_first, duel.only_second, duel.p),
        ]
        for duel in duels([_left(frames, entry, name) for entry in board.entries])
    ]


def _named(entry: Entry) -> tuple[str, str]:
    return entry.first.cell.model, entry.first.cell.model_digest


def _left(frames: Frames, entry: Entry, name: str) -> pd.Series | None:
    """By sample whether the model was right under a reading; None where that was not measured."""
    if name == CLEAN:
        own = frames.by_cell[entry.first.id]
        return by_sample(own, own["right"])
    if name not in entry.scores:
        return None
    reading = entry.scores[name].reading
    return worst_case(frames, [(reading.cell, reading.threat)])
