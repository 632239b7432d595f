"""Results to matrices of text: transfer, targets, attacks, unique kills. It renders nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fer_bench.stats.rates import Rate, wilson
from fer_bench.store.results import StoredCell
from reports.tables.boards import Board, Entry
from reports.tables.frames import Frames
from reports.tables.rates import by_sample, fell, finished, tried
from reports.tables.transfer import Transfer, stronger_than_white_box
from reports.view.format import interval, percent, visible


@dataclass(frozen=True)
class Square:
    """A field of a matrix."""

    #: What stands in it.
    text: str
    #: Words on hover.
    tip: str = ""
    #: How dark, 0 to 100; "" where not measured.
    shade: str = ""
    #: The exact fraction; "" where not measured.
    sort: str = ""
    #: A remark shown with it, which the style sheet may mark.
    flag: str = ""


@dataclass(frozen=True)
class Matrix:
    """A titled matrix: `corner` says what rows and columns are; each row is its name and its squares."""

    title: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Square, ...]], ...]


NOTHING = Square("")


def square(rate: Rate | None, tip: str = "", flag: str = "") -> Square:
    """A rate as a square, its interval among the words on hover."""
    if rate is None:
        return NOTHING
    words = f"{tip}: {interval(rate)}" if tip else interval(rate)
    return Square(percent(rate.value), words, f"{100 * rate.value:.0f}", repr(rate.value), flag)


def heat_map(board: Board, names: tuple[str, ...]) -> Matrix:
    """Robust accuracy of the board's rows, called `names`, by attack and budget."""
    columns = tuple(dict.fromkeys(name for entry in board.entries for name in entry.scores))
    rows = tuple(
        (
            name,
            tuple(
                square(
                    entry.scores[column].robust.rate if column in entry.scores else None, f"{name}, {visible(column)}"
                )
                for column in columns
            ),
        )
        for name, entry in zip(names, board.entries, strict=True)
    )
    return Matrix(f"{visible(board.data)}, n = {board.n:,}", "model, attack", tuple(map(visible, columns)), rows)


def transfer_matrices(transfers: Sequence[Transfer]) -> tuple[Matrix, ...]:
    """One matrix an attack, budget and data set: rows made on, columns judged on; the diagonal is the white box."""
    stronger = {carried.cell.id for carried, _ in stronger_than_white_box(transfers)}
    groups: dict[tuple[str, str, str, int, int], list[Transfer]] = {}
    for entry in transfers:
        cell = entry.cell.cell
        key = (entry.attack, str(cell.attack.threat), cell.data, cell.n, cell.seed)
        groups.setdefault(key, []).append(entry)
    found = []
    for (attack, threat, data, n, seed), own in groups.items():
        models = tuple(dict.fromkeys(name for entry in own for name in (entry.source, entry.target)))
        at = {(entry.source, entry.target): entry for entry in own}
        rows = tuple(
            (visible(source), tuple(_carried(at.get((source, target)), stronger) for target in models))
            for source in models
        )
        title = visible(f"{attack}, {threat} on {data}, n = {n:,}, seed {seed}")
        found.append(Matrix(title, "made on, judged on", tuple(map(visible, models)), rows))
    return tuple(found)


def _carried(entry: Transfer | None, stronger: set[int]) -> Square:
    if entry is None:
        return NOTHING
    flag = "stronger" if entry.cell.id in stronger else "white box" if entry.source == entry.target else ""
    return square(entry.robust.rate, visible(f"made on {entry.source}, judged on {entry.target}"), flag)


def target_matrices(frames: Frames) -> tuple[Matrix, ...]:
    """One matrix a model, targeted attack and budget: how often an image of a class was made to look like another.

    The share is of images that were right before and are not of the target's class; cells that differ in their target
    alone are one matrix.
    """
    groups: dict[tuple[object, ...], list[StoredCell]] = {}
    for cell in finished(frames):
        if cell.cell.attack.target and cell.id in frames.by_cell and not cell.cell.attack.source:
            groups.setdefault(_untargeted(cell), []).append(cell)
    return tuple(_targets(frames, cells) for cells in groups.values())


def _untargeted(cell: StoredCell) -> tuple[object, ...]:
    attack = cell.cell.attack
    own = replace(attack, target="", label="")
    return cell.cell.model, cell.cell.model_digest, own, cell.cell.data_digest, cell.cell.n, cell.cell.seed


def _targets(frames: Frames, cells: list[StoredCell]) -> Matrix:
    first = cells[0]
    own = pd.concat([frames.by_cell[cell.id] for cell in cells])
    asked = own[tried(own)]
    counts = asked.groupby(["label", "target"])["fooled"].agg(["sum", "count"])
    reached = {
        (int(truth), int(target)): (int(row["sum"]), int(row["count"])) for (truth, target), row in counts.iterrows()
    }
    classes = first.context.model_classes
    truths = sorted({truth for truth, _ in reached})
    aims = sorted({target for _, target in reached})
    rows = tuple(
        (visible(classes[truth]), tuple(_reached(reached.get((truth, aim))) for aim in aims)) for truth in truths
    )
    where = f"{first.cell.attack.name}, {first.cell.attack.threat} on {first.cell.data}, n = {first.cell.n:,}"
    columns = tuple(visible(classes[aim]) for aim in aims)
    return Matrix(visible(f"{first.cell.model}: {where}"), "true class, target", columns, rows)


def _reached(counts: tuple[int, int] | None) -> Square:
    if counts is None:
        return NOTHING
    reached, asked = counts
    return square(wilson(reached, asked), f"{reached} of {asked}")


@dataclass(frozen=True)
class Kill:
    """What one attack broke of a model at a threat, and what it alone broke."""

    #: Name of the row.
    model: str
    #: Data set and subset.
    data: str
    #: Norm and budget.
    threat: str
    #: Name of the attack.
    attack: str
    #: Images that fell to it.
    broke: int
    #: Images that fell to it and to no other attack there.
    alone: int
    #: Images that were right without attack.
    right: int


def unique_kills(frames: Frames, board: Board, names: tuple[str, ...]) -> tuple[Kill, ...]:
    """For each row of the board and each threat with two attacks or more: what each attack broke, and alone broke."""
    data = f"{visible(board.data)}, n = {board.n:,}"
    rows = zip(names, board.entries, strict=True)
    return tuple(kill for name, entry in rows for kill in _kills(frames, entry, name, data))


def _kills(frames: Frames, entry: Entry, name: str, data: str) -> list[Kill]:
    found = []
    for threat, case in entry.worst.items():
        at = [score.reading for score in entry.scores.values() if str(score.reading.threat) == threat]
        if len(at) < 2:
            continue
        broken = {}
        for reading in at:
            own = frames.by_cell[reading.cell]
            broken[reading.attack] = by_sample(own, fell(own, reading.threat))
        table = pd.DataFrame(broken)
        alone = table[table.sum(axis=1) == 1]
        right = int(frames.by_cell[at[0].cell]["right"].sum())
        found += [
            Kill(
                name, data, str(case.threat), visible(attack), int(table[attack].sum()), int(alone[attack].sum()), right
            )
            for attack in table
        ]
    return found
