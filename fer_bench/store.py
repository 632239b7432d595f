"""The results folder: one SQLite file. One transaction per finished shard; nothing stored is ever deleted.

A cell that is run again gets a new attempt beside the old one. It stores counts and verdicts, never rates, and must
not know what a model or an attack is. records.MIGRATIONS documents the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from fer_bench.errors import StoreError
from fer_bench.records import (
    MIGRATIONS,
    CellContext,
    Status,
    StoredCell,
    StoredVerdict,
    cell_from,
    context_from,
    findings_from,
    findings_json,
    provenance_from,
    to_json,
    without,
)
from fer_bench.types import Cell, EvalSet, Finding, Provenance, ShardResult, Verdict

__all__ = ["FILE_NAME", "CellContext", "ResultStore", "Status", "StoredCell", "StoredVerdict"]

FILE_NAME = "results.sqlite"
_JUDGED = "select sample.name from verdict join sample on sample.id = sample_id where cell_id = ?"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class ResultStore:
    """The results of a folder. Use as a context manager; `create=False` opens what is there, for reading."""

    def __init__(self, folder: Path, create: bool = True) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        try:
            if create:
                folder.mkdir(parents=True, exist_ok=True)
            elif not self.path.is_file():
                raise StoreError(
                    f"{folder} holds no results ({FILE_NAME} is not there); run `ferbench run --out {folder}`."
                )
        except (OSError, ValueError) as error:  # ValueError: a null byte in the name
            reason = error.strerror if isinstance(error, OSError) else error
            verb, remedy = ("made", "choose another with --out") if create else ("read", "check its permissions")
            raise StoreError(f"the results folder {folder} cannot be {verb} ({reason}); {remedy}.") from error
        with self._guard():
            if not create:
                self._roll_back()
            mode = "rwc" if create else "ro"
            self._db = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}", timeout=60, isolation_level=None, uri=True
            )
            try:
                self._db.execute("pragma foreign_keys = on")
                self._migrate(create)
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> ResultStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Turns what SQLite says of a full, read-only or damaged file into one line."""
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            raise StoreError(
                f"the results file {self.path} cannot be used ({error}); what was stored before is untouched. "
                "Check free space and permissions, or choose another folder with --out."
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns a record that cannot be understood into one line."""
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{self.path} holds a record that this fer_bench cannot read ({error}); was it made by another version?"
            ) from error

    def _roll_back(self) -> None:
        """Undoes the transaction of a process that was killed in the middle of it; a reader may not."""
        if not self.path.with_name(FILE_NAME + "-journal").exists():
            return
        db = sqlite3.connect(self.path, timeout=60)
        try:
            db.execute("pragma user_version").fetchone()
        except sqlite3.OperationalError:
            pass  # a folder that may not be written: what is wrong shows when it is read
        finally:
            db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def _migrate(self, create: bool) -> None:
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer fer_bench (schema {version}, this one reads up to "
                f"{len(MIGRATIONS)}); update fer_bench."
            )
        if not create:
            if version < len(MIGRATIONS):
                raise StoreError(f"{self.path} has schema {version} of {len(MIGRATIONS)}; `ferbench run` updates it.")
            return
        for number, text in enumerate(MIGRATIONS[version:], start=version + 1):
            with self._transaction() as db:
                if db.execute("pragma user_version").fetchone()[0] >= number:
                    continue  # another process was faster
                for statement in filter(str.strip, text.split(";\n")):
                    db.execute(statement)
                db.execute(f"pragma user_version = {number}")

    # ------------------------------------------------------------------------------------------------- writing

    def add_run(self, provenance: Provenance) -> int:
        """Stores the provenance of a run and returns its number."""
        with self._transaction() as db:
            return int(db.execute("insert into run (provenance) values (?)", [to_json(provenance)]).lastrowid or 0)

    def add_samples(self, data: EvalSet, data_digest: str) -> None:
        """Stores the samples of a data set, once."""
        labels = data.labels.tolist()
        rows = [(data_digest, i, name, labels[i]) for i, name in enumerate(data.ids)]
        with self._transaction() as db:
            db.executemany(
                "insert or ignore into sample (data_digest, position, name, label) values (?, ?, ?, ?)", rows
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
                [cell.key, attempt, run_id, to_json(cell), to_json(context), _now()],
            )
            return int(cursor.lastrowid or 0)

    def judged(self, cell_id: int) -> set[str]:
        """Names of the samples whose verdict is stored."""
        with self._guard():
            return {name for (name,) in self._db.execute(_JUDGED, [cell_id])}

    def add_shard(self, cell_id: int, run_id: int, data_digest: str, result: ShardResult) -> None:
        """Stores a shard's verdicts and cost in one transaction, but for verdicts that another process stored."""
        with self._transaction() as db:
            known = {name for (name,) in db.execute(_JUDGED, [cell_id])}
            result = without(result, known)
            if not result.verdicts:
                return
            ids = {
                v.sample: db.execute(
                    "select id from sample where data_digest = ? and name = ?", [data_digest, v.sample]
                ).fetchone()[0]
                for v in result.verdicts
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
            db.executemany(
                "insert into verdict values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                        v.forwards,
                        v.backwards,
                    )
                    for v in result.verdicts
                ],
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

    def verdicts(self, cell_ids: Iterable[int] | None = None) -> Iterator[StoredVerdict]:
        """All verdicts, or those of some cells, in the order of cells and samples."""
        chosen = None if cell_ids is None else sorted(set(cell_ids))
        where = "" if chosen is None else f"where cell_id in ({','.join(str(int(i)) for i in chosen)})"
        query = f"""
            select cell_id, position, sample.label, name, verdict.label, clean_prediction, fooled,
                   attacked_prediction, norm, eight_bit, first_query, forwards, backwards
            from verdict join sample on sample.id = sample_id {where} order by cell_id, position
        """
        with self._guard():
            for row in self._db.execute(query):
                eight_bit = None if row[9] is None else bool(row[9])
                verdict = Verdict(row[3], row[4], row[5], bool(row[6]), row[7], row[8], eight_bit, *row[10:])
                yield StoredVerdict(row[0], row[1], row[2], verdict)
