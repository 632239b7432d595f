"""What was made again of the chosen verdicts, as strings and pictures for the page. It renders nothing.

A picture is made here alone, and only where the data set's licence, or the user, lets the page hold it.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fer_bench.bench.gallery import Measured, Room
from fer_bench.bench.replay import Remade
from fer_bench.data import redistributable
from fer_bench.faces.energy import BANDS, PARTS, Energy
from fer_bench.store.find import short
from fer_bench.store.results import StoredCell
from reports.tables.boards import Board
from reports.tables.breakdowns import UNKNOWN
from reports.view.exhibits import Choice
from reports.view.format import decimal, percent, visible
from reports.view.matrices import NOTHING, Matrix, Square

#: What stands in place of a gallery without anything in it.
NOTHING_SHOWN = "nothing to show: no classifier was attacked to the end at a budget that a leaderboard reports."
_WITHHELD = (
    "its images are not known to be free to pass on, so this page has none of them; --embed-restricted puts them in, "
    "for your own use."
)
#: Density that is shown darkest.
_DARKEST = 4.0


@dataclass(frozen=True)
class Hung:
    """A gallery to be drawn: each choice with what came back of it; `count` exhibits of each row are shown.

    `embed_restricted`: the user takes pictures of restricted data sets into the page on their own account.
    """

    choices: tuple[Choice, ...]
    rooms: tuple[Room, ...]
    count: int
    embed_restricted: bool


@dataclass(frozen=True)
class Picture:
    """An image: its words below and in place of it, its data URI."""

    title: str
    alt: str
    uri: str


@dataclass(frozen=True)
class Exhibit:
    """One image that fell, as made again."""

    #: Key of its cell.
    cell: str
    #: Beginning of its digest.
    sample: str
    #: True class.
    truth: str
    #: Prediction without attack.
    before: str
    #: Prediction under attack.
    after: str
    #: Norm and size of the perturbation.
    size: str
    #: Clean, attacked and difference; empty where they must not be in the page.
    pictures: tuple[Picture, ...]
    #: What is not as it was stored; "" where all is.
    differs: str


@dataclass(frozen=True)
class Wall:
    """The exhibits of one row of a board under one attack, or the `problem` why there are none."""

    name: str
    attack: str
    exhibits: tuple[Exhibit, ...]
    problem: str


@dataclass(frozen=True)
class Hall:
    """The walls of one board at one threat, and where their perturbations' energy goes."""

    #: Data set and subset.
    title: str
    #: Norm and budget.
    threat: str
    #: Why there are no pictures; "" where there are.
    withheld: str
    #: One a row of the board.
    walls: tuple[Wall, ...]
    #: By region and by band; empty where nothing was measured.
    energies: tuple[Matrix, ...]
    #: What a reader must know of the energies.
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """The whole section."""

    halls: tuple[Hall, ...]

    @property
    def pictured(self) -> bool:
        """True where the page's policy must allow pictures."""
        return any(exhibit.pictures for hall in self.halls for wall in hall.walls for exhibit in wall.exhibits)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What could not be shown, a line each, for a terminal."""
        lines = [] if self.halls else [NOTHING_SHOWN]
        for hall in self.halls:
            lines += [hall.withheld] if hall.withheld else []
            lines += [f"{wall.name}, {wall.attack}: {wall.problem}" for wall in hall.walls if wall.problem]
            lines += hall.notes
        return tuple(dict.fromkeys(lines))


def gallery(hung: Hung, ranked: Sequence[Board], names: Sequence[Sequence[str]]) -> Gallery:
    """The gallery of the boards `ranked`, whose rows are called `names`."""
    groups: dict[tuple[int, str], list[tuple[str, Choice, Room]]] = {}
    for choice, room in zip(hung.choices, hung.rooms, strict=True):
        place = (choice.board, str(choice.reading.threat))
        groups.setdefault(place, []).append((names[choice.board][choice.row], choice, room))
    return Gallery(tuple(_hall(hung, ranked[board], threat, own) for (board, threat), own in groups.items()))


def _hall(hung: Hung, board: Board, threat: str, own: Sequence[tuple[str, Choice, Room]]) -> Hall:
    pictured = hung.embed_restricted or all(
        redistributable(choice.wanted.cell.context.data_source) for _, choice, _ in own
    )
    title = f"{visible(board.data)}, n = {board.n:,}"
    measured = [(name, room.measured) for name, _, room in own if room.measured is not None]
    return Hall(
        title=title,
        threat=threat,
        withheld="" if pictured else f"{title}: {_WITHHELD}",
        walls=tuple(_wall(hung, name, choice, room, pictured) for name, choice, room in own),
        energies=_energies(measured),
        notes=tuple(dict.fromkeys(note for name, it in measured for note in _notes(name, it))),
    )


def _wall(hung: Hung, name: str, choice: Choice, room: Room, pictured: bool) -> Wall:
    """The wall of one row of a board.

    `hung`: the gallery that it is of.
    `name`: what the row is called.
    `choice`: what was to be shown.
    `room`: what was made again of it.
    `pictured`: whether the page may hold pictures of it.
    """
    cell = choice.wanted.cell
    problem = visible(room.problem)
    if not choice.wanted.verdicts:
        problem = "no image that was right before fell."
    return Wall(
        name=name,
        attack=visible(choice.reading.name),
        exhibits=tuple(_exhibit(cell, again, pictured) for again in room.remade[: hung.count]),
        problem=problem,
    )


def _exhibit(cell: StoredCell, again: Remade, pictured: bool) -> Exhibit:
    now = again.now
    truth, before, after = (_word(cell, i) for i in (now.label, now.clean_prediction, now.attacked_prediction))
    return Exhibit(
        cell=cell.key,
        sample=short(again.stored.sample),
        truth=truth,
        before=before,
        after=after,
        size=_size(cell, now.norm) if now.fooled else "it stood",
        pictures=_pictures(again, before, after) if pictured else (),
        differs=visible("; ".join(again.differences)),
    )


def _pictures(again: Remade, before: str, after: str) -> tuple[Picture, ...]:
    delta = again.adversarial - again.clean
    factor = magnification(delta)
    times = f"{factor:g}"
    return (
        Picture("clean", f"A face without attack, predicted {before}", uri(again.clean)),
        Picture("attacked", f"The same face under attack, predicted {after}", uri(again.adversarial)),
        Picture(
            f"difference \u00d7 {times}",
            f"Their difference, magnified {times} times, around grey",
            uri(magnified(delta, factor)),
        ),
    )


def _word(cell: StoredCell, index: int) -> str:
    classes = cell.context.model_classes
    return visible(classes[index]) if 0 <= index < len(classes) else UNKNOWN


def _size(cell: StoredCell, norm: float | None) -> str:
    attack = cell.cell.attack
    size = f"{255 * (norm or 0):.3g}/255" if attack.norm == "Linf" else decimal(norm)
    return f"{attack.norm} {size}"


def _energies(measured: Sequence[tuple[str, Measured]]) -> tuple[Matrix, ...]:
    """By region and by band: a row for each model, and the energy's share and density in each part."""
    if not measured:
        return ()
    regions = tuple((f"{name} ({it.images})", _squares(name, it.regions, PARTS)) for name, it in measured)
    bands = tuple((f"{name} ({it.images})", _squares(name, it.bands, BANDS)) for name, it in measured)
    return (
        Matrix("by part of the face", "model (images)", PARTS, regions),
        Matrix("by spatial frequency", "model (images)", BANDS, bands),
    )


def _squares(name: str, energy: Energy | None, parts: Sequence[str]) -> tuple[Square, ...]:
    if energy is None:
        return tuple(NOTHING for _ in parts)
    return tuple(
        Square(
            text=f"{percent(min(share, 1.0))} %",
            tip=f"{name}, {part}: {percent(min(share, 1.0))} % of the energy, on {percent(area)} % of the places",
            shade=f"{100 * min((density or 0) / _DARKEST, 1):.0f}",
            sort=repr(share),
            flag="no area" if density is None else f"density {decimal(density)}",
        )
        for part, share, area, density in zip(energy.names, energy.shares, energy.areas, energy.densities, strict=True)
    )


def _notes(name: str, it: Measured) -> list[str]:
    if it.problem:
        return [f"Parts of the face are not known: {visible(it.problem)}"]
    faces = f"{it.faceless} of {it.images} images"
    return [f"{name}: in {faces} no face was found, and a mean face's parts were taken."] if it.faceless else []


#: Longer side in pixels up to which a picture is kept as it is; a larger one is reduced to it.
SIDE = 112


def uri(pixels: np.ndarray) -> str:
    """`pixels` float `(1 or 3, height, width)` in [0, 1], clipped to it, as an 8-bit PNG: the same text each time."""
    rounded = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(rounded[..., 0] if rounded.shape[2] == 1 else rounded)
    if max(image.size) > SIDE:
        factor = SIDE / max(image.size)
        image = image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def magnification(delta: np.ndarray) -> float:
    """The factor that brings a difference's largest value to half the range, rounded down to two digits; 1 for zero.

    Two digits, so that the number that is told is the number that was used.
    """
    largest = float(np.abs(delta).max())
    if not largest:
        return 1.0
    factor = 0.5 / largest
    unit = 10.0 ** (math.floor(math.log10(factor)) - 1)
    return float(f"{math.floor(factor / unit + 1e-9) * unit:.2g}")


def magnified(delta: np.ndarray, factor: float) -> np.ndarray:
    """A difference, magnified, around middle grey: pixels for `uri`."""
    return 0.5 + factor * delta
