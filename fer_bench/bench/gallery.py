"""Stored verdicts of many cells made again with their images, and where the energy of their perturbations lies.

It is handed what opens a cell's model, attack and data, and it draws and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fer_bench import progress
from fer_bench.bench.replay import Opened, Remade, remake
from fer_bench.core.outcome import Verdict
from fer_bench.errors import FerBenchError
from fer_bench.faces import landmarks
from fer_bench.faces.energy import Energy, by_band, by_region
from fer_bench.store.results import StoredCell


@dataclass(frozen=True)
class Wanted:
    """The stored verdicts of one cell that are to be made again."""

    cell: StoredCell
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Measured:
    """Where the energy of perturbations lies."""

    #: How many perturbations they are.
    images: int
    #: In which spatial frequencies.
    bands: Energy
    #: In which parts of the face; None where there are no landmarks.
    regions: Energy | None
    #: Images without a face that could be detected, to which a mean face's regions were put.
    faceless: int
    #: Why there are no landmarks; "" where there are.
    problem: str


@dataclass(frozen=True)
class Room:
    """What came back of one cell: its verdicts made again, in the order wanted, or the `problem` that prevented it.

    `measured` is over those whose image was changed; None where there are none.
    """

    remade: tuple[Remade, ...]
    measured: Measured | None
    problem: str


def rooms(
    wanted: Sequence[Wanted], open_cell: Callable[[StoredCell], Opened], device: torch.device
) -> tuple[Room, ...]:
    """One room for each of `wanted`, in order; a cell without wanted verdicts is not opened.

    A model, attack or data set that is gone, or that breaks, is the problem of its room, and the others go on.
    """
    found = []
    with progress.steps("attacking again", len(wanted)) as advance:
        for one in wanted:
            cell = one.cell.cell
            advance(0, f"{cell.model}, {one.cell.context.attack_label}: attacking again")
            found.append(_room(one, open_cell, device))
            advance()
    return tuple(found)


def _room(wanted: Wanted, open_cell: Callable[[StoredCell], Opened], device: torch.device) -> Room:
    if not wanted.verdicts:
        return Room((), None, "")
    try:
        remade = remake(wanted.cell, wanted.verdicts, open_cell(wanted.cell), device)
    except FerBenchError as error:
        return Room((), None, " ".join(str(error).split()))
    return Room(remade, _measured([again for again in remade if (again.adversarial != again.clean).any()]), "")


def _measured(changed: Sequence[Remade]) -> Measured | None:
    if not changed:
        return None
    clean = torch.from_numpy(np.stack([again.clean for again in changed]))
    delta = torch.from_numpy(np.stack([again.adversarial for again in changed])) - clean
    bands = by_band(delta)
    try:
        faces = landmarks.find(clean, [again.stored.sample for again in changed])
    except FerBenchError as error:
        return Measured(len(changed), bands, None, 0, " ".join(str(error).split()))
    return Measured(len(changed), bands, by_region(delta, faces.points), int((~faces.detected).sum()), "")
