"""Boards to the leaderboard as a pandas frame: one row a model and data set."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.tables.rates import threat_order
from reports.tables.results import Results


def leaderboard(results: Results) -> pd.DataFrame:
    """One row a model and data set: clean accuracy, robust accuracy per attack, worst case per threat.

    Columns: model, task, data, n, clean_accuracy, robust_accuracy[ATTACK@EPS] ..., worst_case[NORM@EPS] ...;
    fractions. A worst case is per norm and eps, never across them, over the attacks run at that threat.
    NaN: not measured. Rows are in order of data, n and rank.
    """
    attacks = dict.fromkeys(reading.name for reading in results.readings)
    threats = dict.fromkeys(map(str, sorted((reading.threat for reading in results.readings), key=threat_order)))
    columns = ["model", "task", "data", "n", "clean_accuracy"]
    columns += [f"robust_accuracy[{name}]" for name in attacks] + [f"worst_case[{threat}]" for threat in threats]
    rows = []
    for board in results.boards:
        for entry in board.entries:
            of = entry.first
            row: list[object] = [
                of.cell.model,
                of.context.task,
                of.cell.data,
                of.cell.n,
                entry.clean.rate.value,
            ]
            row += [entry.scores[name].robust.rate.value if name in entry.scores else np.nan for name in attacks]
            row += [entry.worst[threat].rate.value if threat in entry.worst else np.nan for threat in threats]
            rows.append(row)
    board_frame: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return board_frame
