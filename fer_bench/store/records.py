"""What the results file holds: the schema, the records, and their forms as JSON. It must not touch a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.model_card import Finding
from fer_bench.core.outcome import Provenance, ShardResult, Verdict

Status = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class CellContext:
    """What a reader of a cell wants to know and what cannot change its number."""

    attack_label: str
    model_title: str
    task: str
    family: str
    year: int
    parameters: int
    licence: str
    trained_on: str
    input: str
    defended: bool
    contaminated: str
    notes: tuple[str, ...]
    model_classes: tuple[str, ...]
    data_classes: tuple[str, ...]
    data_source: str
    missing_in_model: tuple[str, ...]
    missing_in_data: tuple[str, ...]
    model_source: str = ""  # what --models said of a model of the user's own


@dataclass(frozen=True)
class StoredCell:
    """One attempt at a cell, as stored, with its summed cost, and what was found in its model on its data."""

    id: int
    cell: Cell
    key: str
    attempt: int
    run_id: int
    status: Status
    error: str
    context: CellContext
    judged: int
    seconds: float
    forward_rows: int
    backward_rows: int
    zero_gradient_rows: int
    bad_gradient_rows: int
    unconfirmed: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class StoredVerdict:
    """One verdict with its cell, the position, true class and (for regressors) true values of its sample."""

    cell_id: int
    position: int
    truth: int
    verdict: Verdict
    values: tuple[float, float] | None = None


@dataclass(frozen=True)
class StageCount:
    """What one stage of a suite or a curve did: it attacked `asked` samples, of which `fell` fell."""

    number: int
    asked: int
    fell: int
    forwards: int
    backwards: int


def definition_json(cell: Cell) -> str:
    """What can change a cell's number, as JSON; refuses NaN and infinity with a ValueError."""
    return to_json(cell, attack=stored_attack(cell.attack))


def cell_from(text: str) -> Cell:
    """The cell that `definition_json` wrote; its key is the same."""
    fields = json.loads(text)
    fields["attack"] = attack_from(fields["attack"])
    return Cell(**fields)


def stored_attack(spec: AttackSpec) -> dict[str, Any]:
    """The form of an attack in a definition."""
    return {
        "name": spec.name,
        "norm": spec.norm,
        "params": spec.key_params(),
        "version": spec.version,
        "record": spec.record,
        "label": spec.label,
    }


def attack_from(fields: dict[str, Any]) -> AttackSpec:
    """The attack of which `fields` is the form, as JSON gives it back. Raises ValueError or TypeError."""
    params = tuple((name, value) for name, value in fields["params"])
    return AttackSpec.from_params(**{**fields, "params": params})


def provenance_from(text: str) -> Provenance:
    """The provenance that `to_json` wrote."""
    fields = json.loads(text)
    fields["packages"] = tuple((name, version) for name, version in fields["packages"])
    return Provenance(**fields)


def context_from(text: str) -> CellContext:
    """The context that `to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    fields.update({name: tuple(value) for name, value in fields.items() if isinstance(value, list)})
    return CellContext(**fields)


def findings_from(text: str | None) -> tuple[Finding, ...]:
    """The findings that `findings_json` wrote; none where a model was not examined."""
    return tuple(Finding(**fields) for fields in json.loads(text or "[]"))


def findings_json(findings: Sequence[Finding]) -> str:
    """Findings as JSON."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False)


def without(result: ShardResult, known: set[str]) -> ShardResult:
    """The shard without the samples `known`; its rows are those of the samples that are left."""
    left = tuple(verdict for verdict in result.verdicts if verdict.sample not in known)
    passed = tuple(verdict for verdict in result.passed if verdict.sample not in known)
    if len(left) == len(result.verdicts) and len(passed) == len(result.passed):
        return result
    return replace(
        result,
        verdicts=left,
        passed=passed,
        forward_rows=sum(verdict.forwards for verdict in (*left, *passed)),
        backward_rows=sum(verdict.backwards for verdict in (*left, *passed)),
    )


def to_json(value: Any, **forms: Any) -> str:
    """A record as JSON, the fields `forms` in another form; refuses NaN and infinity with a ValueError."""
    return json.dumps({**asdict(value), **forms}, allow_nan=False, ensure_ascii=False)
