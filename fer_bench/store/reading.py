"""Questions to a results folder: what is done, what was found, verdict by verdict. It changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fer_bench.core.outcome import Provenance, Verdict
from fer_bench.store.database import Database
from fer_bench.store.records import (
    StageCount,
    Status,
    StoredCell,
    StoredVerdict,
    cell_from,
    context_from,
    findings_from,
    provenance_from,
)

#: The names of the samples of a cell that have a verdict.
JUDGED = "select sample.name from verdict join sample on sample.id = sample_id where cell_id = ?"


class Reader(Database):
    """The results of a folder, for reading. Use as a context manager."""

    def examined(self, model_digest: str, data_digest: str) -> bool:
        """True where what a model is like on a data set is stored."""
        query = "select 1 from examination where model_digest = ? and data_digest = ?"
        return bool(self._select(query, [model_digest, data_digest]))

    def status(self, key: str) -> Status | None:
        """How the latest attempt at a cell stands; None where there was none."""
        attempts = self._attempts(key)
        return attempts[0]["status"] if attempts else None

    def error(self, key: str) -> str:
        """What stopped the latest attempt at a cell; empty where nothing did."""
        attempts = self._attempts(key)
        return attempts[0]["error"] if attempts else ""

    def judged(self, cell_id: int) -> set[str]:
        """Names of the samples whose verdict is stored."""
        return {row["name"] for row in self._select(JUDGED, [cell_id])}

    def passed(self, cell_id: int) -> dict[str, int]:
        """Of a staged cell: how many of its stages each sample has been through."""
        query = """
            select name, count(*) as stages from stage join sample on sample.id = sample_id
            where cell_id = ? group by name
        """
        return {row["name"]: row["stages"] for row in self._select(query, [cell_id])}

    def runs(self) -> dict[int, Provenance]:
        """The provenance of every run by its number."""
        rows = self._select("select id, provenance from run order by id")
        with self._reading():
            return {row["id"]: provenance_from(row["provenance"]) for row in rows}

    def cells(self) -> list[StoredCell]:
        """The latest finished attempt of every cell; where none is finished, the latest one."""
        query = """
            select cell.id, definition, key, attempt, cell.run_id, status, error, context,
                   (select count(*) from verdict where verdict.cell_id = cell.id) as judged,
                   total(seconds) as seconds, total(forward_rows) as forward_rows,
                   total(backward_rows) as backward_rows, total(zero_gradient_rows) as zero_gradient_rows,
                   total(bad_gradient_rows) as bad_gradient_rows, total(unconfirmed) as unconfirmed,
                   (select findings from examination
                    where model_digest = json_extract(definition, '$.model_digest')
                      and data_digest = json_extract(definition, '$.data_digest') order by id desc limit 1) as findings
            from cell left join shard on shard.cell_id = cell.id
            group by cell.id order by key, status = 'done', attempt
        """
        rows = self._select(query)
        with self._reading():
            latest = {row["key"]: _cell(row) for row in rows}
        return sorted(latest.values(), key=lambda stored: stored.id)

    def stages(self) -> dict[int, tuple[StageCount, ...]]:
        """What the stages of each suite and curve did, by cell, in order.

        A sample that was wrong before was asked about once and not attacked.
        """
        query = """
            select cell_id, number, sum(forwards > 1) as asked, sum(fooled) as fell, sum(forwards) as forwards,
                   sum(backwards) as backwards
            from stage group by cell_id, number order by cell_id, number
        """
        by_cell: dict[int, list[StageCount]] = {}
        for row in self._select(query):
            count = StageCount(row["number"], row["asked"], row["fell"], row["forwards"], row["backwards"])
            by_cell.setdefault(row["cell_id"], []).append(count)
        return {cell: tuple(counts) for cell, counts in by_cell.items()}

    def verdicts(self, cell_ids: Iterable[int] | None = None) -> Iterator[StoredVerdict]:
        """All verdicts, or those of some cells, in the order of cells and samples."""
        query = f"""
            select cell_id, position, sample.label as truth, name, verdict.label as label, clean_prediction, fooled,
                   attacked_prediction, norm, eight_bit, first_query, forwards, backwards, target,
                   clean_valence, clean_arousal, attacked_valence, attacked_arousal, valence, arousal
            from verdict join sample on sample.id = sample_id {_of(cell_ids)} order by cell_id, position
        """
        with self._guard():
            for row in self._by_name().execute(query):
                yield StoredVerdict(
                    cell_id=row["cell_id"],
                    position=row["position"],
                    truth=row["truth"],
                    verdict=_verdict(row),
                    values=_pair(row["valence"], row["arousal"]),
                )

    def verdict_rows(self, cell_ids: Iterable[int]) -> list[tuple[Any, ...]]:
        """The verdicts of some cells as plain rows, in the order of `verdicts`, for whoever reads a million of them.

        Columns: cell_id, name, truth, label, clean_prediction, fooled, attacked_prediction, norm, eight_bit,
        first_query, forwards, backwards, target, true, clean and attacked valence and arousal.
        """
        query = f"""
            select cell_id, name, sample.label, verdict.label, clean_prediction, fooled, attacked_prediction, norm,
                   eight_bit, first_query, forwards, backwards, target, valence, arousal,
                   clean_valence, clean_arousal, attacked_valence, attacked_arousal
            from verdict join sample on sample.id = sample_id {_of(cell_ids)} order by cell_id, position
        """
        with self._guard():
            return self._db.execute(query).fetchall()

    def _attempts(self, key: str) -> list[sqlite3.Row]:
        """The attempts at a cell, the latest first."""
        return self._select("select status, error from cell where key = ? order by attempt desc", [key])

    def _select(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._guard():
            return self._by_name().execute(query, values).fetchall()

    def _by_name(self) -> sqlite3.Cursor:
        """A cursor whose rows are read by the names of their columns."""
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor


def _of(cell_ids: Iterable[int] | None) -> str:
    """The condition that a verdict is one of these cells', or none."""
    if cell_ids is None:
        return ""
    return f"where cell_id in ({','.join(str(int(number)) for number in sorted(set(cell_ids)))})"


def _cell(row: sqlite3.Row) -> StoredCell:
    return StoredCell(
        id=row["id"],
        cell=cell_from(row["definition"]),
        key=row["key"],
        attempt=row["attempt"],
        run_id=row["run_id"],
        status=row["status"],
        error=row["error"],
        context=context_from(row["context"]),
        judged=row["judged"],
        seconds=row["seconds"],
        forward_rows=int(row["forward_rows"]),
        backward_rows=int(row["backward_rows"]),
        zero_gradient_rows=int(row["zero_gradient_rows"]),
        bad_gradient_rows=int(row["bad_gradient_rows"]),
        unconfirmed=int(row["unconfirmed"]),
        findings=findings_from(row["findings"]),
    )


def _verdict(row: sqlite3.Row) -> Verdict:
    return Verdict(
        sample=row["name"],
        label=row["label"],
        clean_prediction=row["clean_prediction"],
        fooled=bool(row["fooled"]),
        attacked_prediction=row["attacked_prediction"],
        norm=row["norm"],
        eight_bit=None if row["eight_bit"] is None else bool(row["eight_bit"]),
        first_query=row["first_query"],
        forwards=row["forwards"],
        backwards=row["backwards"],
        target=row["target"],
        clean_values=_pair(row["clean_valence"], row["clean_arousal"]),
        attacked_values=_pair(row["attacked_valence"], row["attacked_arousal"]),
    )


def _pair(valence: float | None, arousal: float | None) -> tuple[float, float] | None:
    """Valence and arousal, or None where they were not measured."""
    return None if valence is None or arousal is None else (valence, arousal)
