"""Writes the table of va.md from a results folder: `python docs/results/make_va.py RESULTS`. It computes nothing."""

from __future__ import annotations

import sys

import fer_bench
from fer_bench.core.model_card import VALENCE_AROUSAL
from reports.tables.agreement import va_frame
from reports.tables.results import Results
from reports.write.markdown import table

MEASURES = ("rmse", "ccc", "pcc", "sagr")


def main() -> None:
    """Prints a row for each model without attack and under each attack, for valence and for arousal."""
    [name] = sys.argv[1:]
    found = va_frame(Results(fer_bench.load(name)).regressions)
    rows = []
    for model, cells in found.groupby("model", sort=False):
        first = cells.iloc[0]
        rows.append([model, "none", *_numbers(first, "clean")])
        for _, cell in cells.iterrows():
            rows.append([model, f"{cell['attack']}, {cell['threat']}", *_numbers(cell, "attacked")])
    header = [f"{measure.upper()} {dimension[0].upper()}" for dimension in VALENCE_AROUSAL for measure in MEASURES]
    print(table(("model", "attack", *header), rows))


def _numbers(cell: object, when: str) -> list[str]:
    return [f"{cell[f'{when}_{measure}_{name}']:.3f}" for name in VALENCE_AROUSAL for measure in MEASURES]  # type: ignore[index]


if __name__ == "__main__":
    main()
