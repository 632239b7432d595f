"""The results folder: one SQLite file. One transaction per finished shard; nothing stored is ever deleted.

A cell that is run again gets a new attempt beside the old one. It stores counts and verdicts, never rates, and must
not know what a model or an attack is. schema.MIGRATIONS documents the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import Finding
from fer_bench.core.outcome import Provenance, ShardResult, Verdict
from fer_bench.store.database import FILE_NAME
from fer_bench.store.reading import JUDGED, Reader
from fer_bench.store.records import (
    CellContext,
    Status,
    StoredCell,
    StoredVerdict,
    context_json,
    definition_json,
    findings_json,
    to_json,
    without,
)

__all__ = ["FILE_NAME", "CellContext", "ResultStore", "Status", "StoredCell", "StoredVerdict"]

#: The table's columns, in the order of `_verdict_row`.
_VERDICT_COLUMNS = (
    *("cell_id", "sample_id", "shard_id", "label", "clean_prediction", "fooled", "attacked_prediction", "norm"),
    *("eight_bit", "first_query", "forwards", "backwards", "target"),
    *("clean_valence", "clean_arousal", "attacked_valence", "attacked_arousal"),
)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class ResultStore(Reader):
    """The results of a folder. Use as a context manager; `create=False` opens what is there, for reading."""

    def add_run(self, provenance: Provenance) -> int:
        """Stores the provenance of a run and returns its number."""
        with self._transaction() as db:
            return int(db.execute("insert into run (provenance) values (?)", [to_json(provenance)]).lastrowid or 0)

    def add_samples(self, data: EvalSet, data_digest: str) -> None:
        """Stores the samples of a data set, once."""
        labels = data.labels.tolist()
        values = [(None, None)] * len(data) if data.values is None else data.values.tolist()
        rows = [(data_digest, i, name, labels[i], *values[i]) for i, name in enumerate(data.ids)]
        with self._transaction() as db:
            db.executemany(
                "insert or ignore into sample (data_digest, position, name, label, valence, arousal) "
                "values (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def add_examination(self, run_id: int, model_digest: str, data_digest: str, findings: Sequence[Finding]) -> None:
        """Stores what was found in a model on a data set; readers take the latest."""
        with self._transaction() as db:
            db.execute(
                "insert into examination (run_id, model_digest, data_digest, findings) values (?, ?, ?, ?)",
                [run_id, model_digest, data_digest, findings_json(findings)],
            )

    def begin(self, cell: Cell, context: CellContext, run_id: int, again: bool) -> int:
        """Opens a cell for writing and returns its number: the latest attempt, or with `again` a new one.

        Raises UsageError for a context of which a field is not of its type.
        """
        definition, described = definition_json(cell), context_json(context)
        with self._transaction() as db:
            latest = "select id, attempt from cell where key = ? order by attempt desc"
            cell_id, attempt = db.execute(latest, [cell.key]).fetchone() or (None, 0)
            if cell_id is not None and not again:
                db.execute(
                    "update cell set status = 'running', error = '', updated = ? where id = ?", [_now(), cell_id]
                )
                return int(cell_id)
            cursor = db.execute(
                "insert into cell (key, attempt, run_id, status, definition, context, updated) "
                "values (?, ?, ?, 'running', ?, ?, ?)",
                [cell.key, attempt + 1, run_id, definition, described, _now()],
            )
            return int(cursor.lastrowid or 0)

    def add_shard(self, cell_id: int, run_id: int, data_digest: str, result: ShardResult) -> None:
        """Stores a shard's verdicts and cost in one transaction, but for verdicts that another process stored."""
        with self._transaction() as db:
            result = without(result, {name for (name,) in db.execute(JUDGED, [cell_id])})
            if not result.verdicts and not result.passed:
                return
            number = "select id from sample where data_digest = ? and name = ?"
            samples = {
                v.sample: int(db.execute(number, [data_digest, v.sample]).fetchone()[0])
                for v in (*result.verdicts, *result.passed)
            }
            shard_id = _add_cost(db, cell_id, run_id, result)
            earlier = _add_stage(db, cell_id, samples, result)
            db.executemany(
                f"insert into verdict ({', '.join(_VERDICT_COLUMNS)}) "
                f"values ({', '.join('?' * len(_VERDICT_COLUMNS))})",
                [(cell_id, samples[v.sample], shard_id, *_verdict_row(v, *earlier[v.sample])) for v in result.verdicts],
            )
            db.execute("update cell set updated = ? where id = ?", [_now(), cell_id])

    def finish(self, cell_id: int, error: str = "") -> None:
        """Closes a cell: done, or failed with its error."""
        with self._transaction() as db:
            status = "failed" if error else "done"
            db.execute(
                "update cell set status = ?, error = ?, updated = ? where id = ?",
                [status, error, _now(), cell_id],
            )


def _add_cost(db: sqlite3.Connection, cell_id: int, run_id: int, result: ShardResult) -> int:
    """Stores what a shard cost and returns its number."""
    cursor = db.execute(
        "insert into shard (cell_id, run_id, seconds, forward_rows, backward_rows, zero_gradient_rows, "
        "bad_gradient_rows, unconfirmed) values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            cell_id,
            run_id,
            result.seconds,
            result.forward_rows,
            result.backward_rows,
            result.zero_gradient_rows,
            result.bad_gradient_rows,
            result.unconfirmed,
        ],
    )
    return int(cursor.lastrowid or 0)


def _add_stage(
    db: sqlite3.Connection, cell_id: int, samples: Mapping[str, int], result: ShardResult
) -> dict[str, tuple[int, int]]:
    """Stores what a stage did; gives the forwards and backwards that earlier stages spent on each sample.

    `samples`: the number of each in the file.
    """
    if result.stage is None:
        return dict.fromkeys(samples, (0, 0))
    spent = "select total(forwards), total(backwards) from stage where cell_id = ? and sample_id = ? and number < ?"
    earlier = {}
    for name, sample in samples.items():
        forwards, backwards = db.execute(spent, [cell_id, sample, result.stage]).fetchone()
        earlier[name] = int(forwards), int(backwards)
    db.executemany(
        "insert or ignore into stage (cell_id, sample_id, number, fooled, forwards, backwards) "
        "values (?, ?, ?, ?, ?, ?)",
        [
            (cell_id, samples[v.sample], result.stage, v.fooled, v.forwards, v.backwards)
            for v in (*result.verdicts, *result.passed)
        ],
    )
    return earlier


def _verdict_row(verdict: Verdict, forwards: int, backwards: int) -> tuple[object, ...]:
    """A verdict in the order of the columns; `forwards` and `backwards` were spent on it before."""
    return (
        verdict.label,
        verdict.clean_prediction,
        verdict.fooled,
        verdict.attacked_prediction,
        verdict.norm,
        verdict.eight_bit,
        verdict.first_query,
        verdict.forwards + forwards,
        verdict.backwards + backwards,
        verdict.target,
        *(verdict.clean_values or (None, None)),
        *(verdict.attacked_values or (None, None)),
    )
