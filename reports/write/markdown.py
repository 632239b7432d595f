"""The report as Markdown, for a repository or an issue: one table a board, models across, numbers down. No HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reports.tables.results import Results
from reports.view.page import Page, page
from reports.view.rows import BoardTable, Column, Number

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(results: Results) -> str:
    """The leaderboards with intervals, their notes, settings, cost and provenance; rates in per cent."""
    content = page(results)
    parts = [f"# Robustness of FER models, protocol {content.protocol}"]
    for board in content.boards:
        parts += _board(board)
    if not content.cells:
        return "\n\n".join([*parts, "These results hold no cells yet; `ferbench run` makes some."]) + "\n"
    if not content.finished:
        parts.append("No cell is finished, so there is no leaderboard yet.")
    if content.problems:
        rows = [(p.model, p.attack, p.status, p.reason) for p in content.problems]
        parts += ["## Not measured", table(("model", "attack", "status", "reason"), rows)]
    parts += _settings(content)
    return "\n\n".join(parts) + "\n"


def escaped(words: str) -> str:
    """`words` with whatever Markdown would read as markup escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(words.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text; whatever would be markup is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell if number == 1 else escaped(cell) for cell in line) + " |"
        for number, line in enumerate(lines)
    )


def _board(board: BoardTable) -> list[str]:
    header = ["", *board.full_names]
    rows = [
        [_title(column), *(_number(row.numbers[place]) for row in board.rows)]
        for place, column in enumerate(board.columns)
        if column.kind != "robust macro"
    ]
    notes = [f"- {escaped(note.code)}: {escaped(note.reason)} ({escaped(note.about)})" for note in board.notes]
    return [
        f"## {escaped(board.data)}, n = {board.n}",
        f"Per cent, with 95 % Wilson intervals. {escaped(board.ranking)} Models stand in that order. A worst case is "
        "per sample, over the attacks at that norm and eps. Median norms are over images that were right before.",
        table(header, rows),
        *(["\n".join(notes)] if notes else []),
    ]


def _title(column: Column) -> str:
    if column.kind == "clean":
        return "clean accuracy"
    if column.kind == "clean macro":
        return "clean macro accuracy"
    if column.kind == "worst case":
        return f"worst case {column.name}"
    if column.kind == "minimum norm":
        return f"{column.name}, median norm"
    return column.name if column.kind == "robust" else f"{column.name}, 8-bit"


def _number(number: Number) -> str:
    return f"{number.text} ({number.interval})" if number.interval else number.text


def _settings(content: Page) -> list[str]:
    settings = [(s.attack, s.kind, s.norm, s.version, s.parameters) for s in content.settings]
    costs = [(c.model, c.attack, c.seconds, c.forward, c.backward, c.each) for c in content.costs]
    digests = [(d.what, d.name, d.sha256) for d in content.digests]
    runs = [
        (run.number, run.command, ", ".join(f"{name} {value}" for name, value in run.facts)) for run in content.runs
    ]
    return [
        "## Attacks as run",
        table(("attack", "kind", "norm", "version", "parameters"), settings),
        "## Cost",
        table(("model", "attack", "seconds", "forward rows", "backward rows", "rows an image"), costs),
        "## Provenance",
        table(("run", "command", "made with"), runs),
        table(("identity of", "name", "sha256"), digests),
    ]
