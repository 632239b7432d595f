"""Transfer cells to a matrix: images made on one model, judged on another, beside the white box. It renders nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from fer_bench.store.results import StoredCell
from reports.tables.frames import Frames
from reports.tables.rates import Accuracy, accuracy, finished, robust

#: Columns of `transfer_frame`.
COLUMNS = ["data", "n", "seed", "attack", "threat", "source", "target", "robust_accuracy", "low", "high"]


@dataclass(frozen=True)
class Transfer:
    """The robust accuracy of `target` to the images that `attack` made on `source`; source == target: white box."""

    #: The cell that was read.
    cell: StoredCell
    #: Its label, without the source.
    attack: str
    #: The model on which images were made.
    source: str
    #: The model that judged them.
    target: str
    #: Robust accuracy of the target.
    robust: Accuracy


def transfers(frames: Frames) -> list[Transfer]:
    """Every finished transfer cell, and the white-box cell of the same attack on each model that has one."""
    done = [cell for cell in finished(frames) if cell.id in frames.by_cell]
    carried = [cell for cell in done if cell.cell.attack.source]
    wanted = {_what(cell) for cell in carried}
    white = [cell for cell in done if not cell.cell.attack.source and _what(cell) in wanted]
    found = []
    for cell in (*carried, *white):
        verdicts, attack = frames.by_cell[cell.id], cell.cell.attack
        label = cell.context.attack_label.removesuffix(f" from {attack.source}")
        rate = accuracy(verdicts["truth"], robust(verdicts, attack.threat))
        found.append(Transfer(cell, label, attack.source or cell.cell.model, cell.cell.model, rate))
    return found


def _what(cell: StoredCell) -> tuple[object, ...]:
    """The attack and the images of a cell, without where the attack's images were made."""
    attack = cell.cell.attack
    return replace(attack, source="", source_digest="", label=""), cell.cell.data_digest, cell.cell.n, cell.cell.seed


def transfer_frame(entries: Sequence[Transfer]) -> pd.DataFrame:
    """One row a source, target, attack and threat: fractions with their 95 % interval; source == target: white box."""
    rows = [
        (
            entry.cell.cell.data,
            entry.cell.cell.n,
            entry.cell.cell.seed,
            entry.attack,
            str(entry.cell.cell.attack.threat),
            entry.source,
            entry.target,
            entry.robust.rate.value,
            entry.robust.rate.low,
            entry.robust.rate.high,
        )
        for entry in entries
    ]
    frame: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return frame


def stronger_than_white_box(entries: Sequence[Transfer]) -> list[tuple[Transfer, Transfer]]:
    """The transfer cells that leave fewer images standing than the same attack on the model itself, with that cell.

    A white-box attack knows more. Where it is weaker, its gradients are masked (Athalye et al., ICML 2018).
    """
    white = {(_what(e.cell), e.cell.cell.model_digest): e for e in entries if not e.cell.cell.attack.source}
    found = []
    for entry in entries:
        own = white.get((_what(entry.cell), entry.cell.cell.model_digest))
        if entry.cell.cell.attack.source and own and entry.robust.rate.value < own.robust.rate.value:
            found.append((entry, own))
    return found
