"""The baseline file: cells that a gate guards, as text and read back. It must not judge anything.

The file is JSON, small and meant to be reviewed; see docs/design/gate.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fer_bench import codec
from fer_bench.core.attack_spec import AttackSpec, ParamValue, Record
from fer_bench.core.cell import Cell
from fer_bench.core.threat import Norm, ThreatModel
from fer_bench.errors import StoreError
from fer_bench.gate.snapshot import GuardedCell, Maker, Regressed, Snapshot, Values, Verdicts
from fer_bench.stats.agreement import agreement

#: Version of the file's layout; older ones are read, a newer one is refused. 2 has cells of regressors.
SCHEMA = 2

# ------------------------------------------------------------------------------------ the file's layout, field by field


@dataclass(frozen=True)
class _Attack:
    #: What tables call it.
    label: str
    name: str
    norm: Norm
    record: Record
    #: Of the attack's code.
    version: int
    #: In the order of the cell's key.
    params: dict[str, ParamValue]


@dataclass(frozen=True)
class _Data:
    name: str
    digest: str
    samples: str


@dataclass(frozen=True)
class _Counted:
    """Verdicts without attack; `bits` in base64."""

    right: int
    bits: str


@dataclass(frozen=True)
class _Reading:
    """Verdicts at a budget; `bits` in base64."""

    norm: Norm
    eps: float
    right: int
    bits: str


@dataclass(frozen=True)
class _Predicted:
    """Where predictions are among the file's values, and for who reviews it what they come to, to six digits."""

    ccc: tuple[float | None, float | None]
    rmse: tuple[float, float]
    values: str


@dataclass(frozen=True)
class _Regressed:
    truth: str
    clean: _Predicted | None
    attacked: _Predicted | None


@dataclass(frozen=True)
class _Cell:
    model: str
    #: The model's digest.
    weights: str
    attack: _Attack
    data: _Data
    n: codec.Count
    seed: int
    #: The cell's digest over all verdicts.
    verdicts: str
    clean: _Counted | None
    robust: tuple[_Reading, ...]
    #: Of a regressor; left out of the file for any other model.
    regressed: _Regressed | None = None


@dataclass(frozen=True)
class _Header:
    schema: int


@dataclass(frozen=True)
class _Baseline:
    schema: int
    made_with: tuple[Maker, ...]
    cells: tuple[_Cell, ...]
    #: Truths and predictions in base64 by digest: several cells share them. Left out of a file without regressors.
    values: dict[str, str] = field(default_factory=dict)


# -------------------------------------------------------------------------------------------------------------- writing


def to_json(snapshot: Snapshot) -> str:
    """The finished cells as the text of a baseline file: plain ASCII, one fact a line, in a stable order."""
    cells = sorted(snapshot.cells, key=lambda c: (c.cell.data, c.cell.model, c.label, str(c.cell.attack.threat)))
    packed: dict[str, bytes] = {}
    forms = tuple(_cell_to_form(guarded, packed) for guarded in cells)
    values = {name: base64.b64encode(packed[name]).decode() for name in sorted(packed)}
    content = codec.to_table(_Baseline(SCHEMA, snapshot.makers, forms, values))
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _attack_to_form(label: str, attack: AttackSpec) -> _Attack:
    return _Attack(label, attack.name, attack.norm, attack.record, attack.version, dict(attack.key_params()))


def _cell_to_form(guarded: GuardedCell, packed: dict[str, bytes]) -> _Cell:
    cell = guarded.cell
    return _Cell(
        model=cell.model,
        weights=cell.model_digest,
        attack=_attack_to_form(guarded.label, cell.attack),
        data=_Data(cell.data, cell.data_digest, guarded.samples),
        n=cell.n,
        seed=cell.seed,
        verdicts=guarded.digest,
        clean=None if guarded.clean is None else _Counted(guarded.clean.right, _bits(guarded.clean)),
        robust=tuple(_Reading(t.norm, t.eps, verdicts.right, _bits(verdicts)) for t, verdicts in guarded.robust),
        regressed=None if guarded.regressed is None else _regressed_to_form(guarded.regressed, packed),
    )


def _bits(verdicts: Verdicts) -> str:
    return base64.b64encode(verdicts.packed).decode()


def _regressed_to_form(regressed: Regressed, packed: dict[str, bytes]) -> _Regressed:
    """The form of predictions, which are added to those that are `packed`."""

    def pack(values: Values) -> str:
        name = hashlib.sha256(values.packed).hexdigest()[:16]
        packed[name] = values.packed
        return name

    def predicted(values: Values) -> _Predicted:
        return _predicted(regressed.truth, values, pack(values))

    return _Regressed(
        truth=pack(regressed.truth),
        clean=predicted(regressed.clean),
        attacked=None if regressed.attacked is None else predicted(regressed.attacked),
    )


def _predicted(truth: Values, values: Values, name: str) -> _Predicted:
    """CCC and RMSE of valence and arousal, to six digits."""
    valence, arousal = (agreement(truth.array[:, i], values.array[:, i]) for i in range(2))
    ccc = tuple(None if one.ccc is None else round(one.ccc, 6) for one in (valence, arousal))
    return _Predicted((ccc[0], ccc[1]), (round(valence.rmse, 6), round(arousal.rmse, 6)), name)


# -------------------------------------------------------------------------------------------------------------- reading


def read(path: Path) -> Snapshot:
    """The snapshot in a baseline file. Raises StoreError for a missing, newer, damaged or edited one."""
    again = "make it again with `ferbench baseline RESULTS`"
    try:
        text = path.read_text(encoding="utf-8")
        schema = codec.from_json(_Header, text, extra="ignore").schema
        if schema > SCHEMA:
            raise StoreError(
                f"the baseline {path} has schema {schema}, and this fer_bench reads up to {SCHEMA}; update fer_bench."
            )
        if schema < 1:
            raise ValueError(f"schema {schema}")
        content = codec.from_json(_Baseline, text, extra="ignore")
        packed = {name: _unpacked(name, values) for name, values in content.values.items()}
        return Snapshot(tuple(_cell_from_form(form, packed) for form in content.cells), makers=content.made_with)
    except OSError as error:
        raise StoreError(f"the baseline {path} cannot be read ({error.strerror or error}); {again}.") from error
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:  # the last: a budget of 1/0, or of 400 digits
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise StoreError(f"{path} is no baseline that can be used ({codec.printable(reason)}); {again}.") from error


def _unpacked(name: str, text: str) -> bytes:
    values = base64.b64decode(text, validate=True)
    if hashlib.sha256(values).hexdigest()[:16] != name:
        raise ValueError(f"the values {name!r} are not those that were written")
    return values


def _attack_from_form(form: _Attack) -> AttackSpec:
    """The attack without its label, which is the cell's."""
    return AttackSpec.from_params(form.name, form.norm, tuple(form.params.items()), form.version, form.record)


def _cell_from_form(form: _Cell, packed: Mapping[str, bytes]) -> GuardedCell:
    attack, n = _attack_from_form(form.attack), form.n
    where = f"{form.model} {form.attack.label}"
    return GuardedCell(
        cell=Cell(form.model, form.weights, attack, form.data.name, form.data.digest, n, form.seed),
        label=form.attack.label,
        samples=form.data.samples,
        digest=form.verdicts,
        clean=None if form.clean is None else _verdicts(form.clean, n, where),
        robust=tuple(
            (ThreatModel(reading.norm, reading.eps, attack.threat.region), _verdicts(reading, n, where))
            for reading in form.robust
        ),
        regressed=None if form.regressed is None else _regressed_from_form(form.regressed, packed, n, where),
    )


def _regressed_from_form(form: _Regressed, packed: Mapping[str, bytes], n: int, where: str) -> Regressed:
    truth = _values(packed[form.truth], n, where)

    def values(stated: _Predicted) -> Values:
        values = _values(packed[stated.values], n, where)
        if stated != _predicted(truth, values, stated.values):
            raise ValueError(f"{where} says another CCC or RMSE than its predictions")
        return values

    if form.clean is None:
        raise ValueError(f"{where} does not hold {n} predictions")
    attacked = None if form.attacked is None else values(form.attacked)
    return Regressed(truth, values(form.clean), attacked)


def _values(packed: bytes, n: int, where: str) -> Values:
    """The values of `n` samples; refuses any other number of them, and what is no number."""
    values = Values(packed)
    if len(packed) != 8 * n or not np.isfinite(values.array).all():
        raise ValueError(f"{where} does not hold {n} predictions")
    return values


def _verdicts(form: _Counted | _Reading, n: int, where: str) -> Verdicts:
    verdicts = Verdicts(n, base64.b64decode(form.bits, validate=True))
    if len(verdicts.packed) != (n + 7) // 8 or verdicts.right != int(verdicts.array.sum()):
        raise ValueError(f"{where} does not hold {n} verdicts")
    if verdicts.right != form.right:
        raise ValueError(f"{where} says {form.right} right where its verdicts say {verdicts.right}")
    return verdicts
