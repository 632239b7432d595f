"""The leaderboard as text for a terminal. Wide matrices are cut into blocks that each repeat the models."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.tables.agreement import va_rows
from reports.tables.results import Results
from reports.tables.stages import stage_rows
from reports.view.format import crop, decimal, percent
from reports.view.page import Problem, problems
from reports.view.rows import BoardTable, Column, board_table
from reports.write.listing import grid

NAME_WIDTH = 32
LABEL_WIDTH = 24
ONE_LINE = 10
PROBLEMS_SHOWN = 10


@dataclass(frozen=True)
class _Strip:
    """A column of the terminal's table: its title, of one line or two, and a cell a row."""

    title: str
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        return max(len(line) for line in (*self.title.split("\n"), *self.cells)) + 2


def as_text(results: Results, width: int | None = None) -> str:
    """The leaderboard as tables of at most `width` characters: None is the terminal's, or 100 and more elsewhere.

    Rates are per cent. What was not measured is 'n/a'; failed and unfinished cells are listed below.
    """
    width = width or _terminal_width()
    parts = [_board(board_table(board), width) for board in results.boards]
    parts += _extras(results)
    frames = results.frames
    if frames.cells.empty:
        parts.append("These results hold no cells yet; `ferbench run` makes some.")
    elif not parts:
        parts.append("No cell is finished, so there is no leaderboard yet.")
    broken = problems(frames)
    if broken:
        parts.append(_problems(broken, len(frames.cells), width))
    return printable("\n\n".join(parts))


def _extras(results: Results) -> list[str]:
    """What has no place on a leaderboard: regressors, transfer, kills of suites."""
    parts = []
    header, rows = va_rows(results.regressions, decimal)
    if rows:
        parts.append(f"Valence and arousal, clean -> attacked\n{grid(header, rows)}")
    if results.transfers:
        matrix = [
            (t.attack, str(t.cell.cell.attack.threat), t.source, t.target, percent(t.robust.rate.value))
            for t in results.transfers
        ]
        titles = ("attack", "threat", "made on", "judged on", "robust accuracy, %")
        parts.append(f"Transfer (made on = judged on: white box)\n{grid(titles, matrix)}")
    killed = stage_rows(results.stages)
    if killed:
        head = ("model", "data", "suite", "threat", "stage", "attacked", "fell here")
        parts.append(f"What each stage of a suite broke of what was left\n{grid(head, killed)}")
    return parts


def _terminal_width() -> int:
    columns = shutil.get_terminal_size((120, 24)).columns
    return columns if sys.stdout.isatty() else max(100, columns)


def printable(text: str) -> str:
    """`text` without what the terminal's encoding cannot show."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _board(table: BoardTable, width: int) -> str:
    head = f"{table.data}, n = {table.n}: accuracy in %, 95 % intervals are at most {table.widest} points wide"
    left = _models(table)
    blocks: list[list[_Strip]] = [[]]
    fixed = sum(strip.width for strip in left)
    for strip in _numbers(table):
        if blocks[-1] and fixed + sum(each.width for each in (*blocks[-1], strip)) > width:
            blocks.append([])
        blocks[-1].append(strip)
    legend = f"{table.ranking} Worst case: the images that withstand every attack run at that norm and eps."
    drawn = [_draw([*left, *block], len(left)) for block in blocks]
    return "\n".join([crop(head, width), "\n\n".join(drawn), *textwrap.wrap(legend, width)])


def _models(table: BoardTable) -> list[_Strip]:
    """What every block repeats."""
    names = [crop(row.name, NAME_WIDTH) + (f", {row.differs}" if row.differs else "") for row in table.rows]
    return [
        _Strip("#", tuple(row.rank for row in table.rows)),
        _Strip("model", tuple(names)),
        _Strip("n", tuple(table.n for _ in table.rows)),
    ]


def _numbers(table: BoardTable) -> list[_Strip]:
    return [
        _Strip(_title(column), tuple(row.numbers[place].text for row in table.rows))
        for place, column in enumerate(table.columns)
        if column.kind in ("clean", "worst case", "robust")
    ]


def _title(column: Column) -> str:
    if column.kind == "clean":
        return "clean"
    if column.kind == "worst case":
        return f"worst case\n{column.name}"
    attack, _, eps = column.name.rpartition("@")
    return column.name if len(attack) <= ONE_LINE else f"{crop(attack, LABEL_WIDTH)}\n@{eps}"


def _draw(strips: Sequence[_Strip], named: int) -> str:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    for place, strip in enumerate(strips):
        left = 0 < place < named - 1
        table.add_column(Text(strip.title), justify="left" if left else "right", no_wrap=True)
    for cells in zip(*(strip.cells for strip in strips), strict=True):
        table.add_row(*(Text(cell) for cell in cells))
    room = sum(strip.width for strip in strips)
    console = Console(file=io.StringIO(), width=room, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines() if line.strip())


def _problems(broken: Sequence[Problem], cells: int, width: int) -> str:
    lines = [f"{len(broken)} of {cells} cells failed or are unfinished:"]
    for problem in broken[:PROBLEMS_SHOWN]:
        line = f"  {problem.status}: {crop(problem.model, NAME_WIDTH)}, {problem.attack}: {problem.reason}"
        lines.append(crop(line, width))
    if len(broken) > PROBLEMS_SHOWN:
        lines.append(f"  ... and {len(broken) - PROBLEMS_SHOWN} more; the report lists them all.")
    return "\n".join(lines)
