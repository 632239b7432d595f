"""The results folder: one SQLite file. One transaction per finished shard; nothing stored is ever deleted.

A cell that is run again gets a new attempt beside the old one. It stores counts and verdicts, never rates, and must
not know what a model or an attack is. records.MIGRATIONS documents the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import Finding
from fer_bench.core.outcome import Provenance, ShardResult, Verdict
from fer_bench.store.database import FILE_NAME, Database
from fer_bench.store.records import (
    CellContext,
    StageCount,
    Status,
    StoredCell,
    StoredVerdict,
    cell_from,
    context_from,
    definition_json,
    findings_from,
    findings_json,
    provenance_from,
    to_json,
    without,
)

__all__ = ["FILE_NAME", "CellContext", "ResultStore", "Status", "StoredCell", "StoredVerdict"]

_JUDGED = "select sample.name from verdict join sample on sample.id = sample_id where cell_id = ?"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class ResultStore(Database):
    """The results of a folder. Use as a context manager; `create=False` opens what is there, for reading."""

    # ------------------------------------------------------------------------------------------------- writing

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

    def examined(self, model_digest: str, data_digest: str) -> bool:
        """True where what a model is like on a data set is stored."""
        query = "select 1 from examination where model_digest = ? and data_digest = ?"
        with self._guard():
            return self._db.execute(query, [model_digest, data_digest]).fetchone() is not None

    def add_examination(self, run_id: int, model_digest: str, data_digest: str, findings: Sequence[Finding]) -> None:
        """Stores what was found in a model on a data set; readers take the latest."""
        with self._transaction() as db:
            db.execute(
                "insert into examination (run_id, model_digest, data_digest, findings) values (?, ?, ?, ?)",
                [run_id, model_digest, data_digest, findings_json(findings)],
            )

    def status(self, key: str) -> Status | None:
        """How the latest attempt at a cell stands; None where there was none."""
        with self._guard():
            row = self._db.execute("select status from cell where key = ? order by attempt desc", [key]).fetchone()
        return row[0] if row else None

    def error(self, key: str) -> str:
        """What stopped the latest attempt at a cell; empty where nothing did."""
        with self._guard():
            row = self._db.execute("select error from cell where key = ? order by attempt desc", [key]).fetchone()
        return row[0] if row else ""

    def begin(self, cell: Cell, context: CellContext, run_id: int, again: bool) -> int:
        """Opens a cell for writing and returns its number: the latest attempt, or with `again` a new one."""
        with self._transaction() as db:
            row = db.execute("select id, attempt from cell where key = ? order by attempt desc", [cell.key]).fetchone()
            if row and not again:
                db.execute(
                    "update cell set status = 'running', error = '', updated = ? where id = ?",
                    [_now(), row[0]],
                )
                return int(row[0])
            attempt = row[1] + 1 if row else 1
            cursor = db.execute(
                "insert into cell (key, attempt, run_id, status, definition, context, updated) "
                "values (?, ?, ?, 'running', ?, ?, ?)",
                [cell.key, attempt, run_id, definition_json(cell), to_json(context), _now()],
            )
            return int(cursor.lastrowid or 0)

    def judged(self, cell_id: int) -> set[str]:
        """Names of the samples whose verdict is stored."""
        with self._guard():
            return {name for (name,) in self._db.execute(_JUDGED, [cell_id])}

    def passed(self, cell_id: int) -> dict[str, int]:
        """Of a staged cell: how many of its stages each sample has been through."""
        query = "select name, count(*) from stage join sample on sample.id = sample_id where cell_id = ? group by name"
        with self._guard():
            return dict(self._db.execute(query, [cell_id]).fetchall())

    def add_shard(self, cell_id: int, run_id: int, data_digest: str, result: ShardResult) -> None:
        """Stores a shard's verdicts and cost in one transaction, but for verdicts that another process stored."""
        with self._transaction() as db:
            known = {name for (name,) in db.execute(_JUDGED, [cell_id])}
            result = without(result, known)
            if not result.verdicts and not result.passed:
                return
            ids = {
                v.sample: db.execute(
                    "select id from sample where data_digest = ? and name = ?", [data_digest, v.sample]
                ).fetchone()[0]
                for v in (*result.verdicts, *result.passed)
            }
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
            earlier = self._staged(db, cell_id, ids, result)
            db.executemany(
                f"insert into verdict values ({', '.join('?' * 17)})",
                [
                    (
                        cell_id,
                        ids[v.sample],
                        cursor.lastrowid,
                        v.label,
                        v.clean_prediction,
                        v.fooled,
                        v.attacked_prediction,
                        v.norm,
                        v.eight_bit,
                        v.first_query,
                        v.forwards + earlier[v.sample][0],
                        v.backwards + earlier[v.sample][1],
                        v.target,
                        *(v.clean_values or (None, None)),
                        *(v.attacked_values or (None, None)),
                    )
                    for v in result.verdicts
                ],
            )
            db.execute("update cell set updated = ? where id = ?", [_now(), cell_id])

    @staticmethod
    def _staged(
        db: sqlite3.Connection, cell_id: int, ids: dict[str, int], result: ShardResult
    ) -> dict[str, tuple[int, int]]:
        """Stores what a stage did; gives the forwards and backwards that earlier stages spent on each sample."""
        if result.stage is None:
            return dict.fromkeys(ids, (0, 0))
        spent = "select total(forwards), total(backwards) from stage where cell_id = ? and sample_id = ? and number < ?"
        earlier = {
            name: tuple(map(int, db.execute(spent, [cell_id, sample, result.stage]).fetchone()))
            for name, sample in ids.items()
        }
        db.executemany(
            "insert or ignore into stage values (?, ?, ?, ?, ?, ?)",
            [
                (cell_id, ids[v.sample], result.stage, v.fooled, v.forwards, v.backwards)
                for v in (*result.verdicts, *result.passed)
            ],
        )
        return {name: (forwards, backwards) for name, (forwards, backwards) in earlier.items()}

    def finish(self, cell_id: int, error: str = "") -> None:
        """Closes a cell: done, or failed with its error."""
        with self._transaction() as db:
            status = "failed" if error else "done"
            db.execute(
                "update cell set status = ?, error = ?, updated = ? where id = ?",
                [status, error, _now(), cell_id],
            )

    # ------------------------------------------------------------------------------------------------- reading

    def runs(self) -> dict[int, Provenance]:
        """The provenance of every run by its number."""
        with self._guard():
            rows = self._db.execute("select id, provenance from run order by id").fetchall()
        with self._reading():
            return {number: provenance_from(text) for number, text in rows}

    def cells(self) -> list[StoredCell]:
        """The latest finished attempt of every cell; where none is finished, the latest one."""
        query = """
            select cell.id, definition, key, attempt, cell.run_id, status, error, context,
                   (select count(*) from verdict where verdict.cell_id = cell.id),
                   total(seconds), total(forward_rows), total(backward_rows), total(zero_gradient_rows),
                   total(bad_gradient_rows), total(unconfirmed),
                   (select findings from examination
                    where model_digest = json_extract(definition, '$.model_digest')
                      and data_digest = json_extract(definition, '$.data_digest') order by id desc limit 1)
            from cell left join shard on shard.cell_id = cell.id
            group by cell.id order by key, status = 'done', attempt
        """
        with self._guard():
            rows = self._db.execute(query).fetchall()
        latest: dict[str, StoredCell] = {}
        with self._reading():
            for row in rows:
                latest[row[2]] = StoredCell(
                    id=row[0],
                    cell=cell_from(row[1]),
                    key=row[2],
                    attempt=row[3],
                    run_id=row[4],
                    status=row[5],
                    error=row[6],
                    context=context_from(row[7]),
                    judged=row[8],
                    seconds=row[9],
                    forward_rows=int(row[10]),
                    backward_rows=int(row[11]),
                    zero_gradient_rows=int(row[12]),
                    bad_gradient_rows=int(row[13]),
                    unconfirmed=int(row[14]),
                    findings=findings_from(row[15]),
                )
        return sorted(latest.values(), key=lambda stored: stored.id)

    def stages(self) -> dict[int, tuple[StageCount, ...]]:
        """What the stages of each suite and curve did, by cell, in order.

        A sample that was wrong before was asked about once and not attacked.
        """
        query = """
            select cell_id, number, sum(forwards > 1), sum(fooled), sum(forwards), sum(backwards)
            from stage group by cell_id, number order by cell_id, number
        """
        found: dict[int, list[StageCount]] = {}
        with self._guard():
            for cell, *counts in self._db.execute(query):
                found.setdefault(cell, []).append(StageCount(*counts))
        return {cell: tuple(counts) for cell, counts in found.items()}

    def verdicts(self, cell_ids: Iterable[int] | None = None) -> Iterator[StoredVerdict]:
        """All verdicts, or those of some cells, in the order of cells and samples."""
        chosen = None if cell_ids is None else sorted(set(cell_ids))
        where = "" if chosen is None else f"where cell_id in ({','.join(str(int(i)) for i in chosen)})"
        query = f"""
            select cell_id, position, sample.label, name, verdict.label, clean_prediction, fooled,
                   attacked_prediction, norm, eight_bit, first_query, forwards, backwards, target,
                   clean_valence, clean_arousal, attacked_valence, attacked_arousal, valence, arousal
            from verdict join sample on sample.id = sample_id {where} order by cell_id, position
        """
        with self._guard():
            for row in self._db.execute(query):
                eight_bit = None if row[9] is None else bool(row[9])
                verdict = Verdict(
                    sample=row[3],
                    label=row[4],
                    clean_prediction=row[5],
                    fooled=bool(row[6]),
                    attacked_prediction=row[7],
                    norm=row[8],
                    eight_bit=eight_bit,
                    first_query=row[10],
                    forwards=row[11],
                    backwards=row[12],
                    target=row[13],
                    clean_values=_pair(row[14:16]),
                    attacked_values=_pair(row[16:18]),
                )
                yield StoredVerdict(row[0], row[1], row[2], verdict, _pair(row[18:20]))

    def verdict_rows(self, cell_ids: Iterable[int]) -> list[tuple[Any, ...]]:
        """The verdicts of some cells as plain rows, in the order of `verdicts`, for whoever reads a million of them.

        Columns: cell_id, name, truth, label, clean_prediction, fooled, attacked_prediction, norm, eight_bit,
        first_query, forwards, backwards, target, true, clean and attacked valence and arousal.
        """
        query = f"""
            select cell_id, name, sample.label, verdict.label, clean_prediction, fooled, attacked_prediction, norm,
                   eight_bit, first_query, forwards, backwards, target, valence, arousal,
                   clean_valence, clean_arousal, attacked_valence, attacked_arousal
            from verdict join sample on sample.id = sample_id
            where cell_id in ({",".join(str(int(i)) for i in sorted(set(cell_ids)))}) order by cell_id, position
        """
        with self._guard():
            return self._db.execute(query).fetchall()


def _pair(values: tuple[float | None, float | None]) -> tuple[float, float] | None:
    """Valence and arousal, or None where they were not measured."""
    valence, arousal = values
    return None if valence is None or arousal is None else (valence, arousal)
