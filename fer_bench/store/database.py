"""The results file as a database: opening, migrating, transactions, and errors in one line. It knows no table's use."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from fer_bench.codec import printable
from fer_bench.errors import StoreError
from fer_bench.store.schema import MIGRATIONS

FILE_NAME = "results.sqlite"

Opened = TypeVar("Opened", bound="Database")


class Database:
    """The results file of a folder. Use as a context manager; `create=False` opens what is there, for reading."""

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

    def __enter__(self: Opened) -> Opened:
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
        except (
            ValueError,
            TypeError,
            KeyError,
            ArithmeticError,
        ) as error:  # the last: a budget of 1/0, or of 400 digits
            raise StoreError(
                f"{self.path} holds a record that this fer_bench cannot read ({printable(str(error))}); was it made by "
                "another version?"
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
