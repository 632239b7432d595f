"""What a check says: terminal, Markdown, JUnit, JSON and exit codes, also of hostile names and of nothing at all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from stored_results import NEVER, WRONG, Made, make, outcomes, pgd

import fer_bench
from fer_bench.cli.main import main
from fer_bench.gate.check import Rule
from reports.view.gate import points
from reports.write import gate

HOSTILE = [
    "<script>alert(1)</script>",
    "a\"b'c&d",
    "\u202etxt.exe",
    "x" * 500,
    "\x1b[31mred",
    "a|b\n|c",
    "\ufffe]]>",
    "[x](y)",
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ferbench(*words: str) -> Result:
    # Wide: the table names the data by its path, and pytest's folders have paths of any length.
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, words, prog_name="ferbench")


def refused(result: Result) -> str:
    assert (result.exit_code, type(result.exception)) == (2, SystemExit), (result.output, result.exception)
    [line] = result.stderr.splitlines()
    return line


def fallen() -> None:
    """A baseline of three cells; now one fell, one is lost, one rose, and a new one came."""
    make(Path("old"), Made(outcomes()), Made(outcomes(30), model="risen"), Made(outcomes(), model="lost"))
    assert ferbench("baseline", "old").exit_code == 0
    new = [Made(outcomes(40), digest="b" * 64), Made(outcomes(), model="risen"), Made(outcomes(), model="new")]
    make(Path("new"), *new)


def test_a_check_that_fails_says_what_and_exits_1():
    fallen()
    done = ferbench("check", "new", "--baseline", "baseline.json")
    assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.exception
    table = done.stdout.partition("The gate")[0].splitlines()
    rows = {" ".join(line.split()[:2]): line.split()[2:] for line in table}
    # 40 of 200 fell: p = 4 / 2^40; the clean accuracy did not change.
    assert rows["toy pgd@8/255"] == [
        "robust",
        "accuracy",
        "toys",
        "200",
        "60.0",
        "40.0",
        "-20.0",
        "40",
        "0",
        "<0.001",
        "FELL",
    ]
    assert rows["risen pgd@8/255"][-1] == "rose"
    assert rows["toy clean"][-2:] == ["1", "held"]
    assert " ".join(rows["lost pgd@8/255"]) == "robust accuracy the results hold nothing of this model FAILS"
    text = " ".join(done.stdout.split())
    for told in (
        "The gate FAILS: 4 accuracies compared, 1 fell, 1 rose, 2 not comparable.",
        "toy pgd@8/255, robust accuracy, fell: 60.0 to 40.0 % (-20.0 points; 40 images fell, 0 rose; p <0.001).",
        "points or more is caught with a probability of 95 % at n = 200 (4 comparisons, tolerance 1 points, alpha 0.01",
        "New weights: toy.",
        "Not in the baseline, so not guarded: new pgd@8/255.",
        "a new baseline would guard it",
    ):
        assert told in text, told


def test_the_smallest_detectable_drop_is_that_of_the_check():
    fallen()
    said = ferbench("check", "new", "--baseline", "baseline.json", "--json", "check.json").stdout
    [stated] = json.loads(Path("check.json").read_text())["smallest_detectable_drop"]
    from fer_bench.stats.paired import smallest_detectable_drop

    assert stated == {"n": 200, "drop": smallest_detectable_drop(200, 4, 0.01, 0.01)}
    assert f"A drop of {100 * stated['drop']:.1f} points or more" in said


def test_options_reach_the_rule_and_exit_codes_follow():
    fallen()
    words = ("check", "new", "--baseline", "baseline.json")
    assert ferbench(*words, "--tolerance", "0.3", "--allow-missing").exit_code == 0
    assert ferbench(*words, "--alpha", "1e-13", "--allow-missing").exit_code == 0
    assert ferbench(*words, "--tolerance", "0.3").exit_code == 1
    assert ferbench(*words, "--tolerance", "0.3", "--allow-missing", "--require", "lost *").exit_code == 1
    assert ferbench("check", "old", "--baseline", "baseline.json", "--exact").exit_code == 0
    assert "--tolerance 3 cannot be used" in refused(ferbench(*words, "--tolerance", "3"))
    assert "--require 'x' matches no cell" in refused(ferbench(*words, "--require", "x"))
    assert "--baseline" in refused(ferbench("check", "new"))
    assert "none.json cannot be read" in refused(ferbench("check", "new", "--baseline", "none.json"))
    assert "nowhere holds no results" in refused(ferbench("check", "nowhere", "--baseline", "baseline.json"))
    assert "cannot be written" in refused(ferbench(*words, "--json", "baseline.json/x.json"))


def test_empty_and_failed_results_are_told_in_a_line_or_row():
    fallen()
    make(Path("empty"))
    make(Path("failed"), Made([], n=200, error="weights\nlost"))
    assert "no finished cell that a baseline could guard (it is empty)" in refused(ferbench("baseline", "empty"))
    assert "(it failed: weights lost)" in refused(ferbench("baseline", "failed"))
    for folder, reason in (("empty", "the results hold nothing of this model"), ("failed", "it failed: weights lost")):
        done = ferbench("check", folder, "--baseline", "baseline.json", "--allow-missing")
        assert (done.exit_code, type(done.exception)) == (1, SystemExit)
        assert reason in done.stdout
        assert "Nothing could be compared, which is no pass." in done.stdout
    make(Path("both"), Made(outcomes()), Made([], n=200, model="b", error="no\nluck"))
    done = ferbench("baseline", "both", "-o", "both.json")
    assert done.stdout == "Baseline: both.json, 1 cells\n"
    assert done.stderr == "left out: b, pgd Linf@8/255: it failed: no luck\n"


def test_an_empty_baseline_passes_nothing(tmp_path):
    fallen()
    content = json.loads(Path("baseline.json").read_text())
    Path("none.json").write_text(json.dumps({**content, "cells": []}))
    done = ferbench("check", "new", "--baseline", "none.json", "--junit", "junit.xml", "--markdown", "check.md")
    assert done.exit_code == 1
    suite = ElementTree.parse("junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert "no pass" in Path("check.md").read_text()


def test_junit_counts_and_names_every_row():
    fallen()
    ferbench("check", "new", "--baseline", "baseline.json", "--junit", "junit.xml", "--allow-missing")
    suite = ElementTree.parse("junit.xml").getroot()
    cases = {(case.get("classname"), case.get("name")): [child.tag for child in case] for case in suite}
    assert cases == {
        ("ferbench.toys.toy", "clean, clean accuracy"): [],
        ("ferbench.toys.toy", "pgd@8/255, robust accuracy"): ["failure"],
        ("ferbench.toys.risen", "clean, clean accuracy"): [],
        ("ferbench.toys.risen", "pgd@8/255, robust accuracy"): [],
        ("ferbench.toys.lost", "clean, clean accuracy"): ["skipped"],
        ("ferbench.toys.lost", "pgd@8/255, robust accuracy"): ["skipped"],
    }
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
    }
    ferbench("check", "new", "--baseline", "baseline.json", "--junit", "junit.xml")
    assert ElementTree.parse("junit.xml").getroot().get("failures") == "3"


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_break_no_form(name):
    make(Path("old"), Made(outcomes(), model=name), Made(outcomes(), model="lost" + name, data=name))
    fer_bench.baseline("old", "baseline.json")
    assert Path("baseline.json").read_text().isascii()
    make(Path("new"), Made(outcomes(40), model=name))
    check = fer_bench.check("new", "baseline.json")
    assert [row.cell.model for row in check.comparisons] == [name, name]  # the file keeps the name exactly
    assert json.loads(gate.as_json(check))["comparisons"][0]["model"] == name
    suite = ElementTree.fromstring(gate.as_junit(check))
    assert [len(case) for case in suite] == [0, 1, 1, 1]
    markdown = gate.as_markdown(check)
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in tables] == [13] * 4 + [6] * 4
    assert not re.search(r"(?<!\\)(<|\]\()", markdown)  # neither a tag nor a link
    for text in (markdown, gate.as_text(check), gate.as_junit(check)):
        assert not set(text) & {"\x1b", "\u202e"}


def test_compare_speaks_of_a_and_b_and_fails_nothing():
    fallen()
    done = ferbench("compare", "baseline.json", "new", "--markdown", "compare.md", "--json", "compare.json")
    assert done.exit_code == 0, done.exception
    assert done.stdout.split("\n")[0].split()[:8] == ["model", "reading", "measure", "data", "n", "A", "B", "points"]
    assert "From A to B: 4 accuracies compared, 1 fell, 1 rose, 2 not comparable." in done.stdout
    assert "alpha 0.05" in done.stdout
    assert "Only in B: new pgd@8/255." in done.stdout
    assert "gate" not in done.stdout
    assert Path("compare.md").read_text().startswith("## From A to B")
    assert {row["status"] for row in json.loads(Path("compare.json").read_text())["comparisons"]} == {
        "fell",
        "rose",
        "held",
    }
    assert "--alpha 0 cannot be used" in refused(ferbench("compare", "old", "new", "--alpha", "0"))


def test_the_p_value_of_compare_is_that_of_both_directions():
    """Seven fell, none rose: 2 sides, 2 comparisons: 4 / 2^7."""
    make(Path("a"), Made(outcomes()))
    make(Path("b"), Made(outcomes(7)))
    [line] = [
        line for line in ferbench("compare", "a", "b").stdout.splitlines() if line.startswith("toy  ") and "pgd" in line
    ]
    assert line.split()[-2:] == ["0.0312", "FELL"]


def test_equal_outcomes_with_other_predictions_are_told():
    make(Path("old"), Made([NEVER, WRONG, 0.001] * 20))
    fer_bench.baseline("old", "baseline.json")
    text = Path("baseline.json").read_text()
    digest = json.loads(text)["cells"][0]["verdicts"]
    Path("baseline.json").write_text(text.replace(digest, "0" * 64))
    said = gate.as_text(fer_bench.check("old", "baseline.json", Rule(exact=True)))
    assert "toy pgd@8/255, robust accuracy, differs: as many images are right, the predictions are others." in said
    assert "1 differ, 0 not comparable" in said


def test_two_seeds_of_a_cell_are_told_apart():
    make(Path("old"), Made(outcomes()), Made(outcomes(), seed=3))
    make(Path("new"), Made(outcomes()), Made(outcomes(40), seed=3))
    fer_bench.baseline("old", "baseline.json")
    check = fer_bench.check("new", "baseline.json")
    [fallen] = [line for line in gate.as_markdown(check).splitlines() if "| FELL |" in line]
    assert "| toys, seed 3 |" in fallen
    cases = {
        (case.get("classname"), case.get("name")): len(case) for case in ElementTree.fromstring(gate.as_junit(check))
    }
    assert cases == {
        ("ferbench.toys.toy", "clean, clean accuracy"): 0,
        ("ferbench.toys.toy", "pgd@8/255, robust accuracy"): 0,
        ("ferbench.toys.toy.seed 3", "pgd@8/255, robust accuracy"): 1,
    }


def test_long_lists_of_names_are_cut():
    cells = [Made(outcomes(), pgd(k / 255)) for k in range(1, 15)]
    make(Path("old"), cells[0])
    make(Path("new"), *cells)
    fer_bench.baseline("old", "baseline.json")
    said = gate.as_text(fer_bench.check("new", "baseline.json"))
    assert "toy pgd@11/255 and 3 more." in said


def test_points_never_lie_at_zero():
    assert [points(x) for x in (0, 0.0001, -0.0004, 0.0006, -0.052, 1)] == [
        "0",
        "+<0.1",
        "-<0.1",
        "+0.1",
        "-5.2",
        "+100.0",
    ]
