"""Targeted, regional, staged and curve cells of a real run through the gate, with a fall planted in one at a time."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from toys import SmallConvToy, toy_card, toy_data

from fer_bench.api import benchmark
from fer_bench.cli.main import main
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.labels import EXPRESSIONS
from fer_bench.core.threat import ThreatModel, parse_number
from fer_bench.gate.snapshot import measure
from fer_bench.store.results import FILE_NAME

N = 48
WEAK = "1/255"  # a budget at which the toy keeps most verdicts: there is something to lose
ATTACKS = (
    "pgd-2",
    "pgd-2(target=happy)",
    "pgd-2(target=sad)",
    "pgd-2(target=random)",
    "pgd-2(target=least-likely)",
    "quick(pgd.steps=2)",
    "standard(apgd-ce.steps=2,apgd-t.steps=2,fab-t.steps=2,square.queries=5)",
)
#: Readings and what their verdicts count. The curve's are its levels.
EXPECTED = {
    "clean": "clean accuracy",
    "pgd-2@1/255": "robust accuracy",
    "pgd(steps=2,target=happy)@1/255": "right, not turned into happy",
    "pgd(steps=2,target=sad)@1/255": "right, not turned into sad",
    "pgd(steps=2,target=random)@1/255": "right, not turned into a random class",
    "pgd(steps=2,target=least-likely)@1/255": "right, not turned into the least likely class",
    "quick(pgd.steps=2)@1/255": "robust accuracy",
    f"{ATTACKS[6]}@1/255": "robust accuracy",
    "pgd-2 curve@0.25/255": "robust accuracy",
    "pgd-2 curve@0.5/255": "robust accuracy",
    "pgd-2 curve@1/255": "robust accuracy",
}


def ferbench(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="ferbench")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of every kind of cell, and their baseline."""
    folder = tmp_path_factory.mktemp("planted")
    data = toy_data(N, SmallConvToy())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fer_bench.api.benchmark.open_data", lambda text, n=None: data)
        card = toy_card("toy", SmallConvToy)
        benchmark.run_cells([card], ATTACKS[:7], "toy", eps=WEAK, out=folder / "old", device="cpu")
        done = benchmark.run_cells([card], "pgd-2", "toy", eps="0.25/255:1/255:log3", out=folder / "old", device="cpu")
    assert set(done.frames.cells["status"]) == {"done"}, list(done.frames.cells["error"])
    made = ferbench("baseline", str(folder / "old"), "-o", str(folder / "baseline.json"))
    assert (made.exit_code, made.stderr) == (0, ""), made.output
    return folder


def planted(measured: Path, folder: Path, reading: str, samples: int = 20) -> Path:
    """A copy of the results in which the first samples that the cell of a reading left standing have fallen at it."""
    shutil.copytree(measured / "old", folder / "new")
    label, _, eps = reading.rpartition("@")
    budget = parse_number(eps)
    with sqlite3.connect(folder / "new" / FILE_NAME) as db:
        named = "select id from cell where json_extract(context, '$.attack_label') = ?"
        (cell,) = db.execute(named, [label]).fetchone()
        standing = "select sample_id from verdict where cell_id = ? and not fooled and clean_prediction = label"
        rows = db.execute(f"{standing} order by sample_id limit ?", [cell, samples]).fetchall()
        assert len(rows) == samples
        db.executemany(
            "update verdict set fooled = 1, norm = ?, eight_bit = 0 where cell_id = ? and sample_id = ?",
            [(budget, cell, sample) for (sample,) in rows],
        )
    db.close()
    return folder / "new"


def checked(measured: Path, new: Path, *options: str) -> tuple[Result, dict[str, Any]]:
    """The check of a folder, as printed and as its JSON."""
    file = new.with_suffix(".json")
    done = ferbench("check", str(new), "--baseline", str(measured / "baseline.json"), "--json", str(file), *options)
    return done, json.loads(file.read_text())


def test_every_reading_has_a_name_of_its_own_and_says_what_it_counts(measured, tmp_path):
    done, told = checked(measured, measured / "old", "--exact", "--junit", str(tmp_path / "c.xml"))
    assert done.exit_code == 0, done.output
    rows = told["comparisons"]
    assert {row["reading"]: row["measure"] for row in rows} == EXPECTED
    assert len(rows) == len(EXPECTED)
    assert {row["status"] for row in rows} == {"held"}
    names = [case.get("name") for case in ElementTree.parse(tmp_path / "c.xml").getroot()]
    assert len(set(names)) == len(EXPECTED)


@pytest.mark.parametrize("reading", [reading for reading in EXPECTED if reading != "clean" and "curve" not in reading])
def test_a_fall_planted_in_one_cell_fails_it_alone_and_is_told_as_what_it_is(measured, tmp_path, reading):
    new = planted(measured, tmp_path, reading)
    done, told = checked(measured, new, "--markdown", str(tmp_path / "c.md"))
    assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.output
    fallen = {row["reading"]: (row["fell"], row["rose"]) for row in told["comparisons"] if row["status"] == "fell"}
    assert fallen == {reading: (20, 0)}
    assert f"| toy | {reading} | {EXPECTED[reading]} | toy | 48 |" in (tmp_path / "c.md").read_text()
    for said in (done.stdout, ferbench("compare", str(measured / "old"), str(new)).stdout):
        assert f"toy {reading}, {EXPECTED[reading]}, fell" in said


def test_a_fall_at_a_level_of_a_curve_is_one_at_the_larger_levels_and_not_at_the_smaller(measured, tmp_path):
    done, told = checked(measured, planted(measured, tmp_path, "pgd-2 curve@0.5/255"))
    assert done.exit_code == 1
    assert {row["reading"]: row["fell"] for row in told["comparisons"] if row["status"] == "fell"} == {
        "pgd-2 curve@0.5/255": 20,
        "pgd-2 curve@1/255": 20,
    }


def test_another_target_is_another_cell(measured, tmp_path):
    """The results hold every target but one of the baseline: it is lost, not compared with a neighbour."""
    shutil.copytree(measured / "old", tmp_path / "new")
    with sqlite3.connect(tmp_path / "new" / FILE_NAME) as db:
        db.execute("update cell set status = 'failed', error = 'gone' where context like '%target=happy%'")
    db.close()
    done, told = checked(measured, tmp_path / "new")
    assert done.exit_code == 1
    [lost] = told["not_comparable"]
    assert (lost["reading"], lost["measure"], lost["reason"]) == (
        "pgd(steps=2,target=happy)@1/255",
        "right, not turned into happy",
        "it failed: gone",
    )


def test_the_words_of_every_target_differ():
    targets = ("", "random", "least-likely", *EXPRESSIONS)
    words = {measure(AttackSpec("pgd", ThreatModel("Linf", 1 / 255), (), 1, target=target)) for target in targets}
    assert len(words) == len(targets)
