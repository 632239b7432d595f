"""What a gate compares: the cells of a results folder as counts and packed verdicts, and the file that keeps them.

It reads and writes that file and must not judge anything. The file is JSON, small and meant to be reviewed; see
docs/design/gate.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_bench.errors import StoreError
from fer_bench.types import AttackSpec, Cell, ThreatModel, digest, format_eps

#: Version of the file's layout; a reader refuses a newer one.
SCHEMA = 1


@dataclass(frozen=True)
class Verdicts:
    """One bit a sample, in the order of the data set: 1 where the model was right, or robust. `packed`: big-endian."""

    n: int
    packed: bytes

    @staticmethod
    def of(right: Iterable[bool]) -> Verdicts:
        """Packs one outcome a sample."""
        bits = np.fromiter(right, dtype=bool)
        return Verdicts(len(bits), np.packbits(bits).tobytes())

    @property
    def array(self) -> NDArray[np.bool_]:
        """The outcomes, `(n,)`."""
        return np.unpackbits(np.frombuffer(self.packed, dtype=np.uint8), count=self.n).astype(bool)

    @property
    def right(self) -> int:
        """How many are 1."""
        return int.from_bytes(self.packed, "big").bit_count()


@dataclass(frozen=True)
class GuardedCell:
    """A finished cell: its identity, and its verdicts without attack and at each budget at which it is read.

    `label`: what tables call the attack. `samples`: sha256 of the sample ids in order; bits are paired by it.
    `digest`: sha256 of every sample's label, predictions and outcome, for `--exact`.
    """

    cell: Cell
    label: str
    samples: str
    digest: str
    clean: Verdicts
    robust: tuple[tuple[ThreatModel, Verdicts], ...]

    def at(self, threat: ThreatModel) -> Verdicts | None:
        """The verdicts at a budget; None where it was not read there."""
        return dict(self.robust).get(threat)

    def name(self, threat: ThreatModel) -> str:
        """What a reading is called: 'pgd-10@2/255'."""
        return f"{self.label}@{format_eps(threat.eps, threat.norm)}"


@dataclass(frozen=True)
class Unmeasured:
    """A cell that failed or is unfinished, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Maker:
    """What some cells were made with. The command is left out: a baseline is committed, and commands name folders."""

    fer_bench: str
    commit: str
    device: str
    torch: str


@dataclass(frozen=True)
class Snapshot:
    """What a results folder, or a baseline file, says about its cells."""

    cells: tuple[GuardedCell, ...]
    unmeasured: tuple[Unmeasured, ...] = ()
    makers: tuple[Maker, ...] = ()

    @cached_property
    def by_slot(self) -> dict[Cell, tuple[GuardedCell | Unmeasured, ...]]:
        """All cells by `slot`; more than one in a slot differ in their weights."""
        found: dict[Cell, tuple[GuardedCell | Unmeasured, ...]] = {}
        rows: list[GuardedCell | Unmeasured] = [*self.cells, *self.unmeasured]
        for row in rows:
            place = slot(row.cell)
            found[place] = (*found.get(place, ()), row)
        return found


def slot(cell: Cell) -> Cell:
    """The cell without its weights and the data set's name: what must be equal for two cells to be compared."""
    return replace(cell, model_digest="", data="")


def to_json(snapshot: Snapshot) -> str:
    """The finished cells as the text of a baseline file: plain ASCII, one fact a line, in a stable order."""
    cells = sorted(snapshot.cells, key=lambda c: (c.cell.data, c.cell.model, c.label, str(c.cell.attack.threat)))
    content = {
        "schema": SCHEMA,
        "made_with": [vars(maker) for maker in snapshot.makers],
        "cells": [_cell_to_json(guarded) for guarded in cells],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _cell_to_json(guarded: GuardedCell) -> dict[str, Any]:
    cell, attack = guarded.cell, guarded.cell.attack
    return {
        "model": cell.model,
        "weights": cell.model_digest,
        "attack": {
            "label": guarded.label,
            "name": attack.name,
            "norm": attack.norm,
            "record": attack.record,
            "version": attack.version,
            "params": dict(attack.params),
        },
        "data": {"name": cell.data, "digest": cell.data_digest, "samples": guarded.samples},
        "n": cell.n,
        "seed": cell.seed,
        "verdicts": guarded.digest,
        "clean": _bits_to_json(guarded.clean),
        "robust": [{"norm": t.norm, "eps": t.eps, **_bits_to_json(verdicts)} for t, verdicts in guarded.robust],
    }


def _bits_to_json(verdicts: Verdicts) -> dict[str, Any]:
    return {"right": verdicts.right, "bits": base64.b64encode(verdicts.packed).decode()}


def read(path: Path) -> Snapshot:
    """The snapshot in a baseline file. Raises StoreError for a missing, newer, damaged or edited one."""
    again = "make it again with `ferbench baseline RESULTS`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise StoreError(
                f"the baseline {path} has schema {schema}, and this fer_bench reads up to {SCHEMA}; update fer_bench."
            )
        if schema != SCHEMA:
            raise ValueError(f"schema {schema}")
        return Snapshot(
            cells=tuple(_cell_from_json(fields) for fields in content["cells"]),
            makers=tuple(Maker(**fields) for fields in content["made_with"]),
        )
    except OSError as error:
        raise StoreError(f"the baseline {path} cannot be read ({error.strerror or error}); {again}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise StoreError(f"{path} is no baseline that can be used ({reason}); {again}.") from error


def _cell_from_json(fields: dict[str, Any]) -> GuardedCell:
    attack, data, n = fields["attack"], fields["data"], int(fields["n"])
    spec = AttackSpec(
        attack["name"], attack["norm"], tuple(attack["params"].items()), attack["version"], attack["record"]
    )
    where = f"{fields['model']} {attack['label']}"
    return GuardedCell(
        cell=Cell(fields["model"], fields["weights"], spec, data["name"], data["digest"], n, fields["seed"]),
        label=attack["label"],
        samples=data["samples"],
        digest=fields["verdicts"],
        clean=_bits_from_json(fields["clean"], n, where),
        robust=tuple(
            (
                ThreatModel(reading["norm"], float(reading["eps"]), spec.word("region")),
                _bits_from_json(reading, n, where),
            )
            for reading in fields["robust"]
        ),
    )


def _bits_from_json(fields: dict[str, Any], n: int, where: str) -> Verdicts:
    verdicts = Verdicts(n, base64.b64decode(fields["bits"], validate=True))
    if len(verdicts.packed) != (n + 7) // 8 or verdicts.right != int(verdicts.array.sum()):
        raise ValueError(f"{where} does not hold {n} verdicts")
    if verdicts.right != fields["right"]:
        raise ValueError(f"{where} says {fields['right']} right where its verdicts say {verdicts.right}")
    return verdicts


def samples_digest(ids: Iterable[str]) -> str:
    """sha256 over sample ids in order."""
    return digest(list(ids))
