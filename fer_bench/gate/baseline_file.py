"""The baseline file: cells that a gate guards, as text and read back. It must not judge anything.

The file is JSON, small and meant to be reviewed; see docs/design/gate.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.threat import ThreatModel
from fer_bench.errors import StoreError
from fer_bench.gate.snapshot import GuardedCell, Maker, Regressed, Snapshot, Values, Verdicts
from fer_bench.stats.agreement import agreement

#: Version of the file's layout; older ones are read, a newer one is refused. 2 has cells of regressors.
SCHEMA = 2


def to_json(snapshot: Snapshot) -> str:
    """The finished cells as the text of a baseline file: plain ASCII, one fact a line, in a stable order."""
    cells = sorted(snapshot.cells, key=lambda c: (c.cell.data, c.cell.model, c.label, str(c.cell.attack.threat)))
    packed: dict[str, bytes] = {}
    content = {
        "schema": SCHEMA,
        "made_with": [vars(maker) for maker in snapshot.makers],
        "cells": [_cell_to_json(guarded, packed) for guarded in cells],
    }
    if packed:  # truths and predictions that several cells share are written once
        content["values"] = {name: base64.b64encode(packed[name]).decode() for name in sorted(packed)}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _cell_to_json(guarded: GuardedCell, packed: dict[str, bytes]) -> dict[str, Any]:
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
            "params": dict(attack.key_params()),
        },
        "data": {"name": cell.data, "digest": cell.data_digest, "samples": guarded.samples},
        "n": cell.n,
        "seed": cell.seed,
        "verdicts": guarded.digest,
        "clean": guarded.clean and _bits_to_json(guarded.clean),
        "robust": [{"norm": t.norm, "eps": t.eps, **_bits_to_json(verdicts)} for t, verdicts in guarded.robust],
        **({"regressed": _regressed_to_json(guarded.regressed, packed)} if guarded.regressed else {}),
    }


def _bits_to_json(verdicts: Verdicts) -> dict[str, Any]:
    return {"right": verdicts.right, "bits": base64.b64encode(verdicts.packed).decode()}


def _regressed_to_json(regressed: Regressed, packed: dict[str, bytes]) -> dict[str, Any]:
    """Where the values are among those `packed`, and for who reviews the file what they come to."""

    def pack(values: Values) -> str:
        name = hashlib.sha256(values.packed).hexdigest()[:16]
        packed[name] = values.packed
        return name

    found: dict[str, Any] = {"truth": pack(regressed.truth)}
    for when, values in (("clean", regressed.clean), ("attacked", regressed.attacked)):
        found[when] = values and {**_told(regressed.truth, values), "values": pack(values)}
    return found


def _told(truth: Values, values: Values) -> dict[str, list[float | None]]:
    """CCC and RMSE of valence and arousal, to six digits."""
    both = [agreement(truth.array[:, i], values.array[:, i]) for i in range(2)]
    return {
        "ccc": [None if one.ccc is None else round(one.ccc, 6) for one in both],
        "rmse": [round(one.rmse, 6) for one in both],
    }


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
        if schema not in range(1, SCHEMA + 1):
            raise ValueError(f"schema {schema}")
        packed = {name: _unpacked(name, text) for name, text in content.get("values", {}).items()}
        return Snapshot(
            cells=tuple(_cell_from_json(fields, packed) for fields in content["cells"]),
            makers=tuple(Maker(**fields) for fields in content["made_with"]),
        )
    except OSError as error:
        raise StoreError(f"the baseline {path} cannot be read ({error.strerror or error}); {again}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise StoreError(f"{path} is no baseline that can be used ({reason}); {again}.") from error


def _unpacked(name: str, text: str) -> bytes:
    values = base64.b64decode(text, validate=True)
    if hashlib.sha256(values).hexdigest()[:16] != name:
        raise ValueError(f"the values {name} are not those that were written")
    return values


def _cell_from_json(fields: dict[str, Any], packed: Mapping[str, bytes]) -> GuardedCell:
    attack, data, n = fields["attack"], fields["data"], int(fields["n"])
    spec = AttackSpec.from_params(
        attack["name"], attack["norm"], tuple(attack["params"].items()), attack["version"], attack["record"]
    )
    where = f"{fields['model']} {attack['label']}"
    return GuardedCell(
        cell=Cell(fields["model"], fields["weights"], spec, data["name"], data["digest"], n, fields["seed"]),
        label=attack["label"],
        samples=data["samples"],
        digest=fields["verdicts"],
        clean=None if fields["clean"] is None else _bits_from_json(fields["clean"], n, where),
        robust=tuple(
            (
                ThreatModel(reading["norm"], float(reading["eps"]), spec.threat.region),
                _bits_from_json(reading, n, where),
            )
            for reading in fields["robust"]
        ),
        regressed=_regressed_from_json(fields["regressed"], packed, n, where) if "regressed" in fields else None,
    )


def _regressed_from_json(fields: dict[str, Any], packed: Mapping[str, bytes], n: int, where: str) -> Regressed:
    truth = _values(packed[fields["truth"]], n, where)
    found: dict[str, Values | None] = {}
    for when in ("clean", "attacked"):
        told = fields[when]
        found[when] = values = None if told is None else _values(packed[told["values"]], n, where)
        if values and any(told[name] != stated for name, stated in _told(truth, values).items()):
            raise ValueError(f"{where} says another CCC or RMSE than its predictions")
    if found["clean"] is None:
        raise ValueError(f"{where} does not hold {n} predictions")
    return Regressed(truth, found["clean"], found["attacked"])


def _values(packed: bytes, n: int, where: str) -> Values:
    """The values of `n` samples; refuses any other number of them, and what is no number."""
    values = Values(packed)
    if len(packed) != 8 * n or not np.isfinite(values.array).all():
        raise ValueError(f"{where} does not hold {n} predictions")
    return values


def _bits_from_json(fields: dict[str, Any], n: int, where: str) -> Verdicts:
    verdicts = Verdicts(n, base64.b64decode(fields["bits"], validate=True))
    if len(verdicts.packed) != (n + 7) // 8 or verdicts.right != int(verdicts.array.sum()):
        raise ValueError(f"{where} does not hold {n} verdicts")
    if verdicts.right != fields["right"]:
        raise ValueError(f"{where} says {fields['right']} right where its verdicts say {verdicts.right}")
    return verdicts
