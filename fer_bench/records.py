"""What the results file holds: the schema, the records, and their forms as JSON. It must not touch a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fer_bench.outcomes import Provenance, ShardResult, Verdict
from fer_bench.types import AttackSpec, Cell, Finding

Status = Literal["running", "done", "failed"]

#: Migrations in order; PRAGMA user_version counts how many have been applied. Never edit one: append.
MIGRATIONS = (
    """
    create table run (              -- one call of `ferbench run`
        id          integer primary key,
        provenance  text not null   -- JSON of types.Provenance
    );
    create table sample (           -- an image of a data set
        id          integer primary key,
        data_digest text not null,
        position    integer not null,  -- in the EvalSet's order
        name        text not null,     -- sha256 of its pixels
        label       integer not null,  -- index into the data set's classes
        unique (data_digest, name)
    );
    create table cell (             -- one attempt at one number of the matrix
        id          integer primary key,
        key         text not null,  -- types.Cell.key
        attempt     integer not null,
        run_id      integer not null references run(id),
        status      text not null,  -- running, done, failed
        error       text not null default '',
        definition  text not null,  -- JSON of types.Cell: what can change the number
        context     text not null,  -- JSON of CellContext: what a reader wants to know besides
        updated     text not null,  -- UTC
        unique (key, attempt)
    );
    create table shard (            -- what one transaction brought, and its cost
        id                  integer primary key,
        cell_id             integer not null references cell(id),
        run_id              integer not null references run(id),
        seconds             real not null,
        forward_rows        integer not null,
        backward_rows       integer not null,
        zero_gradient_rows  integer not null,
        bad_gradient_rows   integer not null,
        unconfirmed         integer not null
    );
    create table verdict (          -- types.Verdict; null: not measured
        cell_id             integer not null references cell(id),
        sample_id           integer not null references sample(id),
        shard_id            integer not null references shard(id),
        label               integer not null,
        clean_prediction    integer not null,
        fooled              integer not null,
        attacked_prediction integer not null,
        norm                real,
        eight_bit           integer,
        first_query         integer,
        forwards            integer not null,
        backwards           integer not null,
        primary key (cell_id, sample_id)
    ) without rowid;
    """,
    """
    -- target: the class that a targeted attack aimed at
    alter table verdict add column target integer;
    -- what a regressor predicted, before and under attack; of a sample: what is true
    alter table verdict add column clean_valence real;
    alter table verdict add column clean_arousal real;
    alter table verdict add column attacked_valence real;
    alter table verdict add column attacked_arousal real;
    alter table sample add column valence real;
    alter table sample add column arousal real;
    create table stage (            -- of a suite or a curve: what one of its attacks did to one sample
        cell_id     integer not null references cell(id),
        sample_id   integer not null references sample(id),
        number      integer not null,  -- of the stage, from 0
        fooled      integer not null,
        forwards    integer not null,  -- of this stage alone
        backwards   integer not null,
        primary key (cell_id, sample_id, number)
    ) without rowid;
    create table examination (      -- what was found in a model before it was attacked
        id           integer primary key,
        run_id       integer not null references run(id),
        model_digest text not null,  -- as in the cell's definition
        data_digest  text not null,
        findings     text not null   -- JSON: a list of types.Finding
    );
    """,
)


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


def cell_from(text: str) -> Cell:
    """The cell that `to_json` wrote; its key is the same."""
    fields = json.loads(text)
    attack = fields["attack"]
    attack["params"] = tuple((name, value) for name, value in attack["params"])
    fields["attack"] = AttackSpec(**attack)
    return Cell(**fields)


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


def to_json(value: Any) -> str:
    """A record as JSON; refuses NaN and infinity with a ValueError."""
    return json.dumps(asdict(value), allow_nan=False, ensure_ascii=False)
