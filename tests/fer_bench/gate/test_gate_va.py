"""Regressors through the gate: which change of CCC and RMSE fails it, what the forms say, and what the file keeps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from places import GOLDEN
from regressors import AnySize, va_card, va_data
from stored_kinds import bounded, magnitude, regressor
from stored_results import Made, make, outcomes

import fer_bench
from fer_bench.api import benchmark
from fer_bench.cli.main import main
from fer_bench.errors import StoreError
from fer_bench.gate import baseline_file
from fer_bench.gate.check import Check, Rule
from fer_bench.stats.agreement import agreement
from fer_bench.stats.bootstrap import smallest_p
from reports.tables.agreement import va_frame
from reports.tables.results import Results
from reports.view.format import decimal
from reports.write import gate

N = 100
TRUTH = np.random.default_rng(0).uniform(-0.9, 0.9, (N, 2)).astype(np.float32).astype(np.float64)
ERROR = np.random.default_rng(1).normal(0, 0.1, (N, 2)).astype(np.float32)
CLEAN = TRUTH + 0.5 * ERROR
#: Of valence under attack: 0.0947.
RMSE = float(np.sqrt(np.mean(ERROR[:, 0].astype(np.float64) ** 2)))
KEPT = {"CCC valence": "held", "RMSE valence": "held", "CCC arousal": "held", "RMSE arousal": "held"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ferbench(*words: str) -> Result:
    # Wide: the table names the data by its path, and pytest's folders have paths of any length.
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, words, prog_name="ferbench")


def judged(old: np.ndarray, new: np.ndarray, rule: Rule | None = None) -> Check:
    """The check of attacked predictions `new` against the baseline of `old`, through the files."""
    regressor(Path("old"), TRUTH, CLEAN, old)
    fer_bench.baseline("old", "baseline.json")
    regressor(Path("new"), TRUTH, CLEAN, new, weights="b")
    return fer_bench.check("new", "baseline.json", rule)


def states(check: Check, reading: str = "pgd-va@8/255") -> dict[str, str]:
    return {row.measure: row.status for row in check.shifts if row.reading == reading}


def test_the_same_predictions_pass_and_the_numbers_are_those_of_the_measures():
    check = judged(TRUTH + ERROR, TRUTH + ERROR)
    assert check.passed
    assert states(check) == states(check, "clean") == KEPT
    assert len(check.shifts) == 8
    assert not check.comparisons
    for place, dimension in enumerate(("valence", "arousal")):
        expected = agreement(TRUTH[:, place], (TRUTH + ERROR)[:, place])
        [ccc, rmse] = [r for r in check.shifts if r.reading != "clean" and r.measure.endswith(dimension)]
        assert (ccc.before, ccc.after) == pytest.approx((expected.ccc, expected.ccc), abs=1e-6)
        assert (rmse.before, rmse.after) == pytest.approx((expected.rmse, expected.rmse), abs=1e-6)
        assert (ccc.low, ccc.high, ccc.p_worse, rmse.p_better) == (0, 0, 1, 1)


def test_larger_errors_of_one_dimension_under_attack_fail_that_dimension_and_no_other():
    """RMSE of valence grows threefold in every resample: p is the smallest there is, times 8 comparisons."""
    worse = TRUTH + ERROR * np.array([3.0, 1.0])
    check = judged(TRUTH + ERROR, worse)
    assert not check.passed
    assert states(check) == {**KEPT, "CCC valence": "worse", "RMSE valence": "worse"}
    assert states(check, "clean") == KEPT
    [row] = [row for row in check.shifts if row.status == "worse" and row.measure.startswith("RMSE")]
    assert row.after == pytest.approx(3 * row.before, rel=1e-5)
    assert row.p_worse == pytest.approx(8 * smallest_p(N, 10_000))
    assert row.low < row.change < row.high
    assert row.new_weights
    assert not row.blind
    assert check.failures == 2


def test_a_significant_change_within_the_tolerance_is_none():
    """Errors that are 5 % larger: worse in every resample, by half a hundredth."""
    larger = TRUTH + 1.05 * ERROR
    assert set(states(judged(TRUTH + ERROR, larger)).values()) == {"held"}
    assert states(fer_bench.check("new", "baseline.json", Rule(tolerance=0.004)))["RMSE valence"] == "worse"


def test_a_change_beyond_the_tolerance_that_one_sample_makes_is_not_significant():
    """A resample misses a given sample with probability (1 - 1/n)^n = 0.366, and is then no worse."""
    one = TRUTH + ERROR
    one[7, 0] += 1
    check = judged(TRUTH + ERROR, one, Rule(alpha=0.5))
    [row] = [row for row in check.shifts if row.measure == "RMSE valence" and row.reading != "clean"]
    assert row.change > 0.02
    assert row.status == "held"
    alone = [row for row in fer_bench.compare("baseline.json", "new").shifts if row.change]
    assert {row.status for row in alone} == {"held"}


def test_a_gain_is_told_and_passes():
    check = judged(TRUTH + 3 * ERROR, TRUTH + ERROR)
    assert check.passed
    assert set(states(check).values()) == {"better"}
    assert "Something rose: a new baseline would guard it" in gate.as_text(check)


def test_verdicts_and_agreements_are_one_family():
    """Eight of 200 fell: 2 / 2^8 passes alpha among two comparisons, 10 / 2^8 among ten does not."""
    make(Path("old"), Made(outcomes()))
    make(Path("new"), Made(outcomes(8)))
    fer_bench.baseline("old", "alone.json")
    assert not fer_bench.check("new", "alone.json").passed
    check = judged(TRUTH + ERROR, TRUTH + ERROR)
    assert check.passed
    assert len(check.compared) == 10
    assert max(row.p_fell for row in check.comparisons if row.fell) == pytest.approx(10 / 2**8)


def test_too_few_samples_cannot_fail_and_the_check_says_so():
    regressor(Path("old"), TRUTH[:9], CLEAN[:9], CLEAN[:9])
    regressor(Path("new"), TRUTH[:9], CLEAN[:9], -TRUTH[:9])
    fer_bench.baseline("old", "baseline.json")
    check = fer_bench.check("new", "baseline.json")
    assert check.passed  # 8 comparisons, and nine samples alike have p = 1 / 2^9
    assert all(row.blind for row in check.shifts)
    assert "Too few images, or too small an alpha, for any change to show: toy clean, toy pgd-va" in gate.as_text(check)


def test_exact_finds_one_other_prediction():
    other = TRUTH + ERROR
    other[3, 1] = np.nextafter(np.float32(other[3, 1]), np.float32(2))
    assert judged(TRUTH + ERROR, other).passed
    check = fer_bench.check("new", "baseline.json", Rule(exact=True))
    assert set(states(check).values()) == {"differs"}
    assert states(check, "clean") == KEPT
    assert fer_bench.check("old", "baseline.json", Rule(exact=True)).passed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spec": magnitude(version=2)}, "attack version 1, now 2"),
        ({"spec": magnitude(eps=4 / 255)}, "eps 8/255, now 4/255"),
        ({"truth": -TRUTH}, "data digest "),
    ],
)
def test_what_differs_is_not_comparable(change, reason):
    regressor(Path("old"), TRUTH, CLEAN, CLEAN)
    fer_bench.baseline("old", "baseline.json")
    regressor(Path("new"), change.get("truth", TRUTH), CLEAN, CLEAN, change.get("spec"))
    check = fer_bench.check("new", "baseline.json")
    assert not check.passed
    assert [(row.name, row.measure) for row in check.not_comparable] == [
        ("toy clean", "agreement"),
        ("toy pgd-va@8/255", "agreement"),
    ]
    assert all(row.reason.startswith(reason) for row in check.not_comparable)


def test_a_cell_with_a_tolerance_is_compared_by_what_stays_within_it():
    """Half of the samples are pushed beyond the tolerance, later all of them; what was lost before has its own name."""
    attacked = TRUTH + np.where(np.arange(N)[:, None] < N // 2, 0.0, 0.5)
    regressor(Path("old"), TRUTH, TRUTH, attacked, bounded())
    fer_bench.baseline("old", "baseline.json")
    regressor(Path("new"), TRUTH, TRUTH, TRUTH + 0.5, bounded())
    check = fer_bench.check("new", "baseline.json")
    assert [(row.reading, row.measure, row.before, row.after, row.status) for row in check.comparisons] == [
        ("clean(loss=squared,tolerance=0.09)", "within tolerance", N, N, "held"),
        ("pgd(tolerance=0.09)@8/255", "within tolerance", N // 2, 0, "fell"),
    ]
    assert states(check, "clean") == KEPT  # its predictions without attack are compared as well
    assert {row.reading for row in check.shifts} == {"clean"}


# ------------------------------------------------------------------------------------------------------- what is said


def test_every_form_tells_the_change_and_the_exit_code_is_1():
    judged(TRUTH + ERROR, TRUTH + 3 * ERROR)
    files = ("--json", "c.json", "--junit", "c.xml", "--markdown", "c.md")
    done = ferbench("check", "new", "--baseline", "baseline.json", *files)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    text = " ".join(done.stdout.split())
    assert "The gate FAILS: 8 agreements compared, 4 worse, 0 better, 0 not comparable." in text
    assert "toy pgd-va@8/255, RMSE valence, became worse: 0.0947 to 0.284 (+0.189, 95 % +" in text
    assert "WORSE" in done.stdout
    rows = {(r["reading"], r["measure"]): r for r in json.loads(Path("c.json").read_text())["agreements"]}
    fallen = rows["pgd-va@8/255", "RMSE valence"]
    assert fallen["after"] == pytest.approx(3 * fallen["before"], rel=1e-5)
    assert fallen["status"] == "worse"
    assert rows["clean", "RMSE valence"]["status"] == "held"
    cases = {case.get("name"): [child.get("type") for child in case] for case in ElementTree.parse("c.xml").getroot()}
    assert cases["pgd-va@8/255, CCC arousal"] == ["worse"]
    assert cases["clean, CCC arousal"] == []
    markdown = Path("c.md").read_text()
    assert markdown.startswith("## The gate FAILS")
    assert "| toy | pgd-va@8/255 | RMSE valence | toys | 100 | 0.0947 | 0.284 | +0.189 |" in markdown


def test_compare_shows_regressors_two_sided():
    judged(TRUTH + ERROR, TRUTH + 3 * ERROR)
    done = ferbench("compare", "baseline.json", "new", "--json", "c.json")
    assert done.exit_code == 0
    assert "From A to B: 8 agreements compared, 4 worse, 0 better" in done.stdout
    row = next(line for line in done.stdout.splitlines() if "RMSE arousal" in line and "pgd-va" in line)
    assert row.split()[-2:] == [decimal(16 * smallest_p(N, 10_000)), "WORSE"]  # both sides of 8 comparisons


# ------------------------------------------------------------------------------------------------------------ the file


def test_the_file_keeps_every_prediction_once():
    regressor(Path("old"), TRUTH, CLEAN, TRUTH + ERROR)
    regressor(Path("old"), TRUTH, CLEAN, CLEAN, magnitude(4 / 255))
    fer_bench.baseline("old", "baseline.json")
    content = json.loads(Path("baseline.json").read_text())
    assert len(content["values"]) == 3  # truth, clean, attacked; at 4/255 attacked is clean
    assert content["cells"][1]["regressed"]["attacked"]["rmse"][0] == pytest.approx(RMSE, abs=1e-6)
    first, second = baseline_file.read(Path("baseline.json")).cells
    assert first.regressed.attacked == second.regressed.clean == first.regressed.clean
    assert np.array_equal(second.regressed.attacked.array, (TRUTH + ERROR).astype(np.float32))
    assert np.array_equal(second.regressed.truth.array, TRUTH)
    assert Path("baseline.json").stat().st_size < 3 * N * 8 * 4 / 3 + 4000


def test_a_baseline_without_regressors_of_the_first_schema_is_still_read():
    old = GOLDEN / "baseline-schema-1.json"
    assert json.loads(old.read_text())["schema"] == 1
    assert len(baseline_file.read(old).cells) == 6
    judged(CLEAN, CLEAN)
    make(Path("old"), Made(outcomes()))
    fer_bench.baseline("old", "both.json")
    content = json.loads(Path("both.json").read_text())
    cells = [cell for cell in content["cells"] if "regressed" not in cell]
    Path("first.json").write_text(json.dumps({"schema": 1, "made_with": content["made_with"], "cells": cells}))
    check = fer_bench.check("old", "first.json")
    assert check.passed
    assert check.unguarded == ("toy pgd-va@8/255",)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda c: c["values"].update(dict.fromkeys(c["values"], "AAAAAAAAAAA=")), "are not those that were"),
        (lambda c: c["cells"][0]["regressed"]["clean"]["ccc"].__setitem__(0, 0.5), "says another CCC or RMSE"),
        (lambda c: c["cells"][0]["regressed"].update(truth="0" * 16), "lacks '0000"),
        (lambda c: c["cells"][0].update(n=99), "does not hold 99 predictions"),
        (lambda c: c["cells"][0]["regressed"].update(clean=None), "does not hold 100 predictions"),
        (lambda c: c.update(values=[]), "is no baseline that can be used"),
    ],
)
def test_damaged_predictions_are_one_line(edit, reason):
    judged(CLEAN, CLEAN)
    content = json.loads(Path("baseline.json").read_text())
    edit(content)
    Path("baseline.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match=reason) as caught:
        fer_bench.check("old", "baseline.json")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------------- the whole program


def test_a_regressor_is_run_guarded_and_caught_when_its_weights_are_worn(monkeypatch):
    monkeypatch.setattr("fer_bench.api.benchmark.open_data", lambda text, n=None: va_data(48))
    attacks = "pgd-3,pgd-3(tolerance=0.01),cw(steps=5)"
    card = dataclasses.replace(va_card(), build=lambda paths: AnySize().eval())
    worn = dataclasses.replace(card, build=lambda paths: AnySize(0.5, 0.3).eval(), revision=2)
    for model, folder in ((card, "old"), (worn, "new")):
        assert (
            benchmark.run_cells([model], attacks, "toy-va", eps="4/255", out=folder, device="cpu").summary.failures
            == ()
        )
    done = ferbench("baseline", "old")
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    assert ferbench("check", "old", "--baseline", "baseline.json", "--exact").exit_code == 0
    check = fer_bench.check("new", "baseline.json")
    assert {row.measure for row in check.shifts if row.status == "worse"} == {"CCC valence", "RMSE valence"}
    assert not any(row.failed for row in check.shifts if "arousal" in row.measure)
    readings = [(row.reading, row.measure) for row in check.comparisons]
    assert readings == [
        ("clean(loss=squared,tolerance=0.09)", "within tolerance"),
        ("cw-5@0.5", "within tolerance"),
        ("clean(loss=squared,tolerance=0.01)", "within tolerance"),
        ("pgd(steps=3,tolerance=0.01)@4/255", "within tolerance"),
    ]
    told = va_frame(Results(fer_bench.load("new")).regressions).set_index("attack").loc["pgd-3", "attacked_ccc_valence"]
    [row] = [row for row in check.shifts if row.reading == "pgd-3@4/255" and row.measure == "CCC valence"]
    assert row.after == pytest.approx(told, abs=1e-6)
