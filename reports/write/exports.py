"""Tables to files of other programs: csv, parquet, JSON, Markdown, LaTeX. It computes no number."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from fer_bench.errors import UsageError
from fer_bench.registry import unknown_name
from reports.tables import breakdowns
from reports.tables.agreement import va_frame
from reports.tables.leaderboard import leaderboard
from reports.tables.pairs import pairs
from reports.tables.results import Results
from reports.tables.transfer import transfer_frame
from reports.view.format import ABSENT, visible
from reports.write.listing import grid
from reports.write.markdown import table as markdown_table


@dataclass(frozen=True)
class Table:
    """A table that can be exported, and what one row of it is."""

    row: str
    build: Callable[[Results], pd.DataFrame]


TABLES = {
    "leaderboard": Table("a model and data set: clean, robust and worst-case accuracies", leaderboard),
    "cells": Table(
        "a cell, failed ones too: identity, status, cost, flags", lambda results: breakdowns.cells(results.frames)
    ),
    "verdicts": Table("a verdict: one sample in one cell", lambda results: breakdowns.named_verdicts(results.frames)),
    "classes": Table("a class of the data in a cell at a budget", breakdowns.per_class),
    "confusion": Table("true class, clean and attacked prediction, with the number of images", breakdowns.confusion),
    "curves": Table("a model, attack and budget: the points of security curves", breakdowns.curves),
    "pairs": Table("a reading and two models: who withstood what the other did not, with McNemar's test", pairs),
    "targeted": Table("a true class and the class that an attack aimed at: tried, reached", breakdowns.targeted),
    "transfer": Table(
        "an attack's images made on one model and judged on another", lambda results: transfer_frame(results.transfers)
    ),
    "va": Table(
        "a cell of a regressor: agreement with the truth, clean and attacked",
        lambda results: va_frame(results.regressions),
    ),
    "stages": Table("a stage of a suite: how many it attacked and how many fell there", lambda results: results.stages),
}


def writer(table: str, suffix: str) -> Callable[[Results], str | bytes]:
    """What makes the file of a table. Raises UsageError for an unknown table or ending, before any work."""
    if table not in TABLES:
        raise unknown_name("table", table, list(TABLES))
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise UsageError(f"a table cannot be written as '{suffix or 'a file without ending'}'; it is one of {known}.")
    build, form = TABLES[table].build, _FORMATS[suffix]
    return lambda results: form(build(results))


def described() -> str:
    """The tables as text: name, and what a row is."""
    return grid(("table", "one row is"), [(name, table.row) for name, table in TABLES.items()])


def _csv(frame: pd.DataFrame) -> str:
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def _json(frame: pd.DataFrame) -> str:
    """A list of objects, ASCII; null where not measured. Floats keep every digit."""
    plain = frame.astype(object).where(frame.notna(), None)
    text = json.dumps(plain.to_dict("records"), allow_nan=False, indent=1, default=lambda value: value.item())
    return text + "\n"


def _markdown(frame: pd.DataFrame) -> str:
    return (
        markdown_table(tuple(frame.columns), [[_shown(v) for v in row] for row in frame.itertuples(index=False)]) + "\n"
    )


def _latex(frame: pd.DataFrame) -> str:
    """A tabular with the rules of booktabs; the document needs \\usepackage{booktabs}."""
    numbers = set(frame.select_dtypes("number").columns)
    columns = "".join("r" if name in numbers else "l" for name in frame.columns)
    text: str = frame.map(_shown).to_latex(index=False, escape=True, column_format=columns)
    return text


def _shown(value: object) -> str:
    """A cell for reading. Six digits tell every share of a data set apart from 0 and 1."""
    if value is None or value is pd.NA or value != value:
        return ABSENT
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))


_FORMATS: dict[str, Callable[[pd.DataFrame], str | bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json,
    ".md": _markdown,
    ".tex": _latex,
}
