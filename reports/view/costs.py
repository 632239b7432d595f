"""Cells to what they cost, as rows and figures, and what was broken for it. It measures nothing, computes no rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fer_bench.store.results import StoredCell
from reports.tables.boards import Board, Entry, Score
from reports.tables.frames import Frames
from reports.tables.rates import finished
from reports.view.figures import Figure
from reports.view.format import attack_name, decimal, duration, percent, visible
from reports.view.svg import PERCENT, Axis, Dot, Line, lines


@dataclass(frozen=True)
class Cost:
    """What a cell cost, as text."""

    #: Name of the model.
    model: str
    #: Attack and budget.
    attack: str
    #: Data set and subset.
    data: str
    #: Images that were judged.
    images: str
    #: Time that it took.
    seconds: str
    #: Rows that went through the model.
    forward: str
    #: Rows of gradients.
    backward: str
    #: Rows, forward and backward, per judged image.
    each: str
    #: The exact numbers from `images` on.
    sort: tuple[str, str, str, str, str]


def cost_row(cell: StoredCell) -> Cost:
    """What a cell cost, as text. It must have judged an image."""
    each = _rows_an_image(cell)
    return Cost(
        model=visible(cell.cell.model),
        attack=attack_name(cell),
        data=f"{visible(cell.cell.data)}, n = {cell.cell.n:,}",
        images=f"{cell.judged:,}",
        seconds=duration(cell.seconds),
        forward=f"{cell.forward_rows:,}",
        backward=f"{cell.backward_rows:,}",
        each=decimal(each),
        sort=(
            str(cell.judged),
            repr(cell.seconds),
            str(cell.forward_rows),
            str(cell.backward_rows),
            repr(each),
        ),
    )


def cost_figures(frames: Frames) -> tuple[Figure, ...]:
    """Two figures a data set and subset: forward rows, and seconds, of each finished cell; one row an attack."""
    style = _styles(frames)
    groups: dict[tuple[str, int], list[StoredCell]] = {}
    for cell in finished(frames):
        if cell.judged:
            groups.setdefault((cell.cell.data, cell.cell.n), []).append(cell)
    found = []
    for (data, n), cells in groups.items():
        where = f"{visible(data)}, n = {n:,}"
        found += [
            _each(f"Forward rows: {where}", "forward rows of a cell", cells, style, lambda c: c.forward_rows, _rows),
            _each(f"Seconds: {where}", "seconds of a cell", cells, style, lambda c: c.seconds, duration),
        ]
    return tuple(figure for figure in found if figure)


def _styles(frames: Frames) -> dict[str, int]:
    """The style of each attack's label, so that it looks the same in every figure here."""
    labels = [stored.context.attack_label for stored in frames.stored.values()]
    return {label: place for place, label in enumerate(dict.fromkeys(labels))}


def _rows(count: float) -> str:
    return f"{count:,.0f}"


def _each(
    title: str,
    unit: str,
    cells: Iterable[StoredCell],
    style: Mapping[str, int],
    value: Callable[[StoredCell], float],
    written: Callable[[float], str],
) -> Figure | None:
    """One row of dots an attack, the dearest above; None where nothing was spent.

    `title`: of the figure.
    `unit`: what the axis measures.
    `cells`: those shown, a dot each.
    `style`: by the attack's label.
    `value`: what a cell cost.
    `written`: makes words of it.
    """
    spent: dict[str, list[tuple[float, str]]] = {}
    for cell in cells:
        if value(cell) > 0:
            words = f"{visible(cell.cell.model)}, {attack_name(cell)}"
            spent.setdefault(cell.context.attack_label, []).append((value(cell), words))
    if not spent:
        return None
    ordered = sorted(spent.items(), key=lambda item: max(item[1]))
    drawn = [
        Line(
            visible(attack),
            tuple(Dot(cost, place, f"{words}: {written(cost)}", repr(cost)) for cost, words in sorted(own)),
            style[attack],
        )
        for place, (attack, own) in enumerate(ordered)
    ]
    x = logarithmic(unit, [dot.x for line in drawn for dot in line.dots])
    y = Axis("", -0.5, len(drawn) - 0.5, ())
    return Figure(title, "", lines(x, y, drawn, f"{title}; {len(drawn)} attacks", joined=False))


def strength_figures(frames: Frames, board: Board, names: tuple[str, ...]) -> tuple[Figure, ...]:
    """One figure a threat with two attacks or more: robust accuracy against rows per image, one mark an attack.

    An attack is the strongest for its cost on a model where no other attack there leaves fewer images, or as few for
    less.
    """
    threats = dict.fromkeys(threat for entry in board.entries for threat in entry.worst)
    style = _styles(frames)
    made = (_strength(board, names, threat, style) for threat in threats)
    return tuple(figure for figure in made if figure)


def _strength(board: Board, names: tuple[str, ...], threat: str, style: Mapping[str, int]) -> Figure | None:
    dots: dict[str, list[Dot]] = {}
    styled: dict[str, int] = {}
    best: dict[str, int] = {}
    models = 0
    for name, entry in zip(names, board.entries, strict=True):
        at = [score for score in entry.scores.values() if str(score.reading.threat) == threat]
        models += len(at) > 1
        for score in at:
            attack, each, left = visible(score.reading.attack), _each_image(entry, score), score.robust.rate.value
            styled[attack] = style[_cell(entry, score).context.attack_label]
            words = f"{name}, {attack}: {percent(left)} % robust for {decimal(each)} rows per image"
            dots.setdefault(attack, []).append(Dot(each, 100 * left, words, repr(left)))
            if len(at) > 1 and not any(_beats(entry, other, score) for other in at):
                best[attack] = best.get(attack, 0) + 1
    if len(dots) < 2 or not models:
        return None
    drawn = [
        Line(f"{attack} ({best.get(attack, 0)} of {models})", tuple(sorted(own, key=lambda dot: dot.x)), styled[attack])
        for attack, own in dots.items()
    ]
    x = logarithmic("rows per image, forward and backward", [dot.x for line in drawn for dot in line.dots])
    title = f"{threat}: {visible(board.data)}, n = {board.n:,}"
    caption = "In brackets: on how many models no other attack left fewer images standing for as few rows."
    return Figure(title, caption, lines(x, PERCENT, drawn, f"Strength for its cost, {title}", joined=False))


def _cell(entry: Entry, score: Score) -> StoredCell:
    return next(cell for cell in entry.cells if cell.id == score.reading.cell)


def _rows_an_image(cell: StoredCell) -> float:
    return (cell.forward_rows + cell.backward_rows) / cell.judged


def _each_image(entry: Entry, score: Score) -> float:
    return _rows_an_image(_cell(entry, score))


def _beats(entry: Entry, other: Score, score: Score) -> bool:
    """True where `other` leaves no more images, costs no more, and is better in one of the two."""
    theirs = other.robust.rate.value, _each_image(entry, other)
    own = score.robust.rate.value, _each_image(entry, score)
    return theirs != own and theirs[0] <= own[0] and theirs[1] <= own[1]


def logarithmic(title: str, values: Iterable[float]) -> Axis:
    """A logarithmic axis around positive `values`, from power of ten to power of ten."""
    known = list(values)
    low = math.floor(math.log10(min(known)))
    high = max(math.ceil(math.log10(max(known))), low + 1)
    steps = (1, 2, 5) if high - low < 4 else (1,)
    places = [step * 10.0**power for power in range(low, high) for step in steps] + [10.0**high]
    return Axis(f"{title} (logarithmic)", places[0], places[-1], tuple((p, f"{p:,g}") for p in places), math.log10)
