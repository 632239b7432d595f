"""Results folders that hold nothing to read, through every command that reads one: a message or page, never a crash."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from stored_results import Made, make, outcomes

from fer_bench.cli.main import main
from fer_bench.store.results import FILE_NAME
from fer_bench.store.schema import MIGRATIONS
from reports.write.exports import TABLES

#: Every command that reads results, on the folder FOLDER; `good` and `good.json` are in order.
READERS = {
    "report": ("report", "FOLDER"),
    "report of several": ("report", "good", "FOLDER", "-o", "both.html"),
    "report as Markdown": ("report", "FOLDER", "-o", "page.md"),
    "baseline": ("baseline", "FOLDER"),
    "check": ("check", "FOLDER", "--baseline", "good.json", "--junit", "c.xml", "--markdown", "c.md"),
    "compare from": ("compare", "FOLDER", "good"),
    "compare to": ("compare", "good", "FOLDER"),
    "export": ("export", "FOLDER"),
    "replay": ("replay", "FOLDER"),
}
BROKEN = "weights\n<b>lost</b>"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("good"), Made(outcomes()))
    assert ferbench("baseline", "good", "-o", "good.json").exit_code == 0


def ferbench(*words: str, on: str = "") -> Result:
    done = CliRunner().invoke(main, [on if word == "FOLDER" else word for word in words], prog_name="ferbench")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def refused(done: Result) -> str:
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    return line


def with_schema(version: int) -> str:
    """A folder that says that it has this schema."""
    shutil.copytree("good", f"schema-{version}")
    with sqlite3.connect(Path(f"schema-{version}") / FILE_NAME) as db:
        db.execute(f"pragma user_version = {version}")
    db.close()
    return f"schema-{version}"


@pytest.mark.parametrize("reader", READERS)
def test_a_store_of_a_newer_or_older_schema_is_refused_in_a_line(reader):
    newest = len(MIGRATIONS)
    line = refused(ferbench(*READERS[reader], on=with_schema(newest + 1)))
    assert f"was written by a newer fer_bench (schema {newest + 1}, this one reads up to {newest}); update" in line
    line = refused(ferbench(*READERS[reader], on=with_schema(1)))
    assert f"has schema 1 of {newest}; `ferbench run` updates it" in line
    assert not list(Path().glob("**/*.html"))


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_that_is_not_there_and_a_file_that_is_no_store_are_refused_in_a_line(reader):
    line = refused(ferbench(*READERS[reader], on="nowhere"))
    assert "nowhere holds no results (results.sqlite is not there)" in line
    Path("noise").mkdir()
    (Path("noise") / FILE_NAME).write_bytes(b"not a database, but long enough to look like one" * 30)
    assert "noise/results.sqlite cannot be used (file is not a database)" in refused(
        ferbench(*READERS[reader], on="noise")
    )


def test_an_empty_store_gives_a_page_that_says_so_and_empty_tables():
    make(Path("odd"))
    assert ferbench("report", "odd").exit_code == 0
    assert "This results folder holds no cells." in Path("odd/report.html").read_text()
    assert ferbench("report", "odd", "-o", "page.md").exit_code == 0
    assert Path("page.md").read_text().endswith("\n\nThese results hold no cells yet; `ferbench run` makes some.\n")
    for table in TABLES:
        assert ferbench("export", "odd", "--table", table, "-o", f"{table}.json").exit_code == 0
        assert json.loads(Path(f"{table}.json").read_text()) == []


def test_a_store_of_failed_cells_gives_a_page_with_the_reason_and_tables_without_numbers():
    make(Path("odd"), Made([], n=200, error=BROKEN))
    assert ferbench("report", "odd").exit_code == 0
    page = Path("odd/report.html").read_text()
    assert "&lt;b&gt;lost" in page
    assert "<b>lost" not in page
    assert ferbench("report", "odd", "-o", "page.md").exit_code == 0
    markdown = Path("page.md").read_text()
    assert "No cell is finished, so there is no leaderboard yet." in markdown
    assert "weights \\<b\\>lost" in markdown
    for table in TABLES:
        assert ferbench("export", "odd", "--table", table, "-o", f"{table}.csv").exit_code == 0
        assert len(pd.read_csv(f"{table}.csv")) == (table == "cells")
    assert pd.read_csv("cells.csv")["error"].tolist() == [BROKEN]


@pytest.mark.parametrize(
    ("cells", "told", "reason"),
    [
        ((), "it is empty", "the results hold nothing of this model"),
        ((Made([], n=200, error=BROKEN),), "it failed: weights <b>lost</b>", "it failed: weights <b>lost</b>"),
    ],
    ids=["empty", "failed"],
)
def test_nothing_finished_is_no_baseline_no_pass_and_nothing_to_compare(cells, told, reason):
    make(Path("odd"), *cells)
    assert f"odd holds no finished cell that a baseline could guard ({told})." in refused(ferbench("baseline", "odd"))
    for allowed in ((), ("--allow-missing",)):
        done = ferbench(*READERS["check"], *allowed, on="odd")
        assert (done.exit_code, done.stderr) == (1, "")
        assert reason in done.stdout
        assert "Nothing could be compared, which is no pass." in done.stdout
    towards = ferbench("compare", "good", "odd")
    assert (towards.exit_code, towards.stderr) == (0, "")
    assert reason in towards.stdout
    assert "From A to B: 0 accuracies compared" in towards.stdout
    back = ferbench("compare", "odd", "good")
    assert (back.exit_code, back.stderr) == (0, "")
    assert "Only in B: toy pgd@8/255." in back.stdout


def test_a_good_folder_beside_an_empty_one_is_still_reported():
    make(Path("odd"))
    assert ferbench("report", "odd", "good", "-o", "both.html").exit_code == 0
    assert "pgd@8/255" in Path("both.html").read_text()
