"""The footnotes of a board: every flag of its cells once, numbered, and where it is marked. It renders nothing."""

from __future__ import annotations

from dataclasses import dataclass

from fer_bench.store import flags
from reports.tables.boards import Board, Entry
from reports.view.format import visible

#: Where a footnote is marked: (row, column name); row None is the column's heading, name "" is the model itself.
Place = tuple[int | None, str]


@dataclass(frozen=True)
class Note:
    """A footnote. `code` is its badge; `about` says which models and attacks it is about."""

    number: int
    code: str
    reason: str
    about: str


@dataclass(frozen=True)
class Footnotes:
    """All notes of a board in order, and those marked at each place."""

    notes: tuple[Note, ...]
    marks: dict[Place, tuple[Note, ...]]

    def at(self, row: int | None, name: str) -> tuple[Note, ...]:
        """The notes marked at a place."""
        return self.marks.get((row, name), ())


@dataclass(frozen=True)
class _Remark:
    code: str
    reason: str
    about: str
    places: tuple[Place, ...]


def footnotes(board: Board, names: tuple[str, ...]) -> Footnotes:
    """The notes of a board; `names` is what its rows are called."""
    remarks: list[_Remark] = []
    for row, entry in enumerate(board.entries):
        remarks += _flags(row, entry, names[row])
        remarks += _fewer_attacks(row, board, names[row])
        if entry.unsteady:
            images = "1 image was" if entry.unsteady == 1 else f"{entry.unsteady} images were"
            reason = (
                f"{images} right before one attack and wrong before another: the model is random, or depends on "
                "batch or device. Its clean accuracy is that of its first cell."
            )
            remarks.append(_Remark("unsteady", reason, names[row], ((row, ""),)))
    about: dict[tuple[str, str], dict[str, None]] = {}
    marks: dict[Place, dict[tuple[str, str], None]] = {}
    for remark in remarks:
        key = (remark.code, visible(remark.reason))
        about.setdefault(key, {})[remark.about] = None
        for place in remark.places:
            marks.setdefault(place, {})[key] = None
    notes = {key: Note(number, *key, about="; ".join(about[key])) for number, key in enumerate(about, start=1)}
    return Footnotes(tuple(notes.values()), {place: tuple(notes[key] for key in keys) for place, keys in marks.items()})


def _flags(row: int, entry: Entry, name: str) -> list[_Remark]:
    remarks = []
    for cell in entry.cells:
        columns = [column for column, score in entry.scores.items() if score.reading.cell == cell.id]
        for flag in flags.flags(cell):
            where = columns[0] if len(columns) == 1 else cell.context.attack_label
            if flag.about == "model":
                remarks.append(_Remark(flag.code, flag.reason, name, ((row, ""),)))
            elif flag.about == "threat":
                remarks.append(_Remark(flag.code, flag.reason, where, tuple((None, c) for c in columns)))
            else:
                places = tuple((row, c) for c in columns)
                remarks.append(_Remark(flag.code, flag.reason, f"{name}, {where}", places))
    return remarks


def _fewer_attacks(row: int, board: Board, name: str) -> list[_Remark]:
    """Where a worst case is over fewer attacks than another model's at the same threat, and more could lower it."""
    remarks = []
    for threat, case in board.entries[row].worst.items():
        others = dict.fromkeys(a for e in board.entries if threat in e.worst for a in e.worst[threat].attacks)
        missing = [attack for attack in others if attack not in case.attacks]
        if missing and case.rate.value > 0:
            reason = (
                f"This worst case is without {', '.join(missing)}, which other models here were given: it may be too "
                "high beside theirs."
            )
            remarks.append(_Remark("fewer attacks", reason, f"{name}, {threat}", ((row, threat),)))
    return remarks
