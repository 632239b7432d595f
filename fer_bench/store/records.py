"""What the results file holds: the schema, the records, and their forms as JSON. It must not touch a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fer_bench import codec
from fer_bench.core.attack_spec import AttackSpec, Params, Record
from fer_bench.core.cell import Cell
from fer_bench.core.model_card import Finding
from fer_bench.core.outcome import Provenance, ShardResult, Verdict
from fer_bench.core.threat import Norm
from fer_bench.errors import UsageError

Status = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class CellContext:
    """What a reader of a cell wants to know and what cannot change its number."""

    #: How tables call the attack.
    attack_label: str
    #: Of the model's card, as are the fields up to `model_classes`.
    model_title: str
    #: "expression" or "va".
    task: str
    family: str
    #: 0 where nobody knows it, as `parameters`.
    year: int
    parameters: int
    licence: str
    trained_on: str
    #: Size, colour and normalisation, in one line.
    input: str
    #: Trained to be robust, or with a defence in front of it.
    defended: bool
    #: Why the model may have learned from the data; empty where nothing says so.
    contaminated: str
    notes: tuple[str, ...]
    #: The model's outputs, in order.
    model_classes: tuple[str, ...]
    #: The data set's labels, in order.
    data_classes: tuple[str, ...]
    #: What `--data` said.
    data_source: str
    #: Classes of the data that the model does not have.
    missing_in_model: tuple[str, ...]
    #: Classes of the model that the data does not have.
    missing_in_data: tuple[str, ...]
    #: What `--models` said of a model of the user's own.
    model_source: str = ""


@dataclass(frozen=True)
class StoredCell:
    """One attempt at a cell, as stored."""

    #: Its number in the file.
    id: int
    cell: Cell
    #: The cell's key, as stored.
    key: str
    #: From 1; each is kept.
    attempt: int
    #: The run that began it.
    run_id: int
    status: Status
    #: What stopped it; empty where nothing did.
    error: str
    context: CellContext
    #: How many samples have a verdict.
    judged: int
    #: Wall time, of all shards; so are the rows below.
    seconds: float
    #: Rows that the model computed.
    forward_rows: int
    #: Rows of which a gradient was taken.
    backward_rows: int
    #: Of these, those whose gradient was all zero.
    zero_gradient_rows: int
    #: And those whose gradient was not finite.
    bad_gradient_rows: int
    #: Samples whose image did not fool when it was asked about again, and that were attacked once more.
    unconfirmed: int
    #: What was found in its model on its data.
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class StoredVerdict:
    """One verdict with its cell and what is true of its sample."""

    cell_id: int
    #: Of the sample in the data set.
    position: int
    #: Index into the data set's classes.
    truth: int
    verdict: Verdict
    #: True valence and arousal, for regressors.
    values: tuple[float, float] | None = None


@dataclass(frozen=True)
class StageCount:
    """What one stage of a suite or a curve did."""

    #: From 0, in the order in which they ran.
    number: int
    #: How many samples it attacked.
    asked: int
    #: How many of them fell.
    fell: int
    #: Rows that the model computed in it.
    forwards: int
    #: Gradients taken in it.
    backwards: int


@dataclass(frozen=True)
class StoredAttack:
    """An attack as a definition holds it, in this order of fields."""

    name: str
    norm: Norm
    #: Every parameter and setting with its value, in the order in which the key's digest takes them.
    params: Params
    version: int
    record: Record = "first"
    label: str = ""


@dataclass(frozen=True)
class _Definition:
    """A `Cell` as the file holds it, in this order of fields."""

    model: str
    #: sha256 of weights, revision and setup.
    model_digest: str
    attack: StoredAttack
    data: str
    #: sha256 of the images and labels.
    data_digest: str
    n: int
    seed: int


def stored_attack(attack: AttackSpec) -> StoredAttack:
    """The form of an attack in a definition."""
    return StoredAttack(attack.name, attack.norm, attack.key_params(), attack.version, attack.record, attack.label)


def attack_from(stored: StoredAttack) -> AttackSpec:
    """The attack of which `stored` is the form. Raises ValueError, TypeError or ArithmeticError."""
    return AttackSpec.from_params(stored.name, stored.norm, stored.params, stored.version, stored.record, stored.label)


def definition_json(cell: Cell) -> str:
    """What can change a cell's number, as JSON; refuses NaN and infinity with a ValueError."""
    attack = stored_attack(cell.attack)
    return to_json(_Definition(cell.model, cell.model_digest, attack, cell.data, cell.data_digest, cell.n, cell.seed))


def cell_from(text: str) -> Cell:
    """The cell of which `definition_json` wrote the definition; its key is the same.

    Raises MisfitError, and what `attack_from` raises.
    """
    form = codec.from_json(_Definition, text)
    attack = attack_from(form.attack)
    return Cell(form.model, form.model_digest, attack, form.data, form.data_digest, form.n, form.seed)


def context_json(context: CellContext) -> str:
    """A context as JSON. Raises UsageError where a field is not of its type."""
    text = to_json(context)
    try:
        codec.from_json(CellContext, text)
    except codec.MisfitError as misfit:
        raise UsageError(
            f"the card of {context.model_title} cannot be stored ({misfit}); give each of its fields its type."
        ) from misfit
    return text


def provenance_from(text: str) -> Provenance:
    """The provenance that `to_json` wrote. Raises MisfitError."""
    return codec.from_json(Provenance, text)


def context_from(text: str) -> CellContext:
    """The context that `context_json` wrote, now or before it was strict. Raises MisfitError.

    A context cannot change a number: a year that an older version stored as text must not make a folder unreadable.
    """
    return codec.from_json(CellContext, text, strict=False)


def findings_from(text: str | None) -> tuple[Finding, ...]:
    """The findings that `findings_json` wrote; none where a model was not examined. Raises MisfitError."""
    return codec.from_json(tuple[Finding, ...], text or "[]")


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


def to_json(value: Any) -> str:
    """A record as JSON; refuses NaN and infinity with a ValueError."""
    return json.dumps(asdict(value), allow_nan=False, ensure_ascii=False)
