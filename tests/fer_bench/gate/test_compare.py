"""The gate: what fails it, what does not, and what cannot be compared; from stored verdicts to the check's rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from stored_results import NEVER, WRONG, Made, cw, make, outcomes, pgd

import fer_bench
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.errors import StoreError, UsageError
from fer_bench.gate.check import Check, Rule

N = 200


def guarded(tmp_path: Path, *cells: Made) -> Path:
    """The baseline file of these cells."""
    make(tmp_path / "old", *cells)
    fer_bench.baseline(tmp_path / "old", tmp_path / "baseline.json")
    return tmp_path / "baseline.json"


def judged(tmp_path: Path, old: Sequence[Made], new: Sequence[Made], rule: Rule | None = None) -> Check:
    """The check of `new` against the baseline of `old`, through the files."""
    file = guarded(tmp_path, *old)
    make(tmp_path / "new", *new)
    return fer_bench.check(tmp_path / "new", file, rule)


def states(check: Check) -> dict[str, str]:
    return {row.name: row.status for row in check.comparisons}


def reasons(check: Check) -> dict[str, str]:
    return {row.name: row.reason for row in check.not_comparable}


# ---------------------------------------------------------------------------------------------------- what fails


def test_the_same_results_pass_and_the_clean_accuracy_is_compared_once(tmp_path):
    cells = [Made(outcomes()), Made(outcomes(), pgd(2 / 255)), Made(outcomes(), model="b")]
    check = judged(tmp_path, cells, cells)
    assert check.passed
    assert states(check) == dict.fromkeys(
        ["toy clean", "toy pgd@8/255", "toy pgd@2/255", "b clean", "b pgd@8/255"], "held"
    )
    assert {(row.before, row.after, row.p_fell) for row in check.comparisons} == {(160, 160, 1), (120, 120, 1)}


def test_new_weights_that_stand_less_fail_the_cell_that_fell_and_no_other(tmp_path):
    """20 of 200 fell and none rose: p = 1 / 2^20, times the 3 comparisons."""
    old = [Made(outcomes()), Made(outcomes(), pgd(2 / 255))]
    new = [Made(outcomes(20), digest="b" * 64), Made(outcomes(), pgd(2 / 255), digest="b" * 64)]
    check = judged(tmp_path, old, new)
    assert not check.passed
    assert states(check) == {"toy clean": "held", "toy pgd@8/255": "fell", "toy pgd@2/255": "held"}
    [fallen] = [row for row in check.comparisons if row.status == "fell"]
    assert (fallen.before, fallen.after, fallen.fell, fallen.rose) == (120, 100, 20, 0)
    assert fallen.change == pytest.approx(-0.1)
    assert fallen.p_fell == pytest.approx(3 / 2**20)
    assert fallen.new_weights
    assert not fallen.blind


def test_a_fall_of_the_clean_accuracy_fails(tmp_path):
    check = judged(tmp_path, [Made(outcomes(wrong=40))], [Made(outcomes(wrong=60, robust=120))])
    assert states(check) == {"toy clean": "fell", "toy pgd@8/255": "held"}


@pytest.mark.parametrize(
    ("fell", "tolerance", "status"),
    [
        (8, 0.01, "fell"),  # p = 2 / 2^8 = 0.0078
        (7, 0.01, "held"),  # p = 2 / 2^7 = 0.0156: not significant
        (8, 0.04, "held"),  # exactly the tolerance
        (9, 0.04, "fell"),
    ],
)
def test_a_cell_fails_only_beyond_the_tolerance_and_below_alpha(tmp_path, fell, tolerance, status):
    check = judged(tmp_path, [Made(outcomes())], [Made(outcomes(fell))], Rule(tolerance=tolerance))
    assert states(check)["toy pgd@8/255"] == status


def test_paired_verdicts_matter_not_the_two_rates(tmp_path):
    """The same two rates, 60 and 56 %: without a rise the fall is significant, amid 30 changes each way it is not."""
    swapped = [NEVER] * 42 + [0.001] * 38 + [NEVER] * 70 + [0.001] * 10 + [WRONG] * 40
    old = [0.001] * 30 + [NEVER] * 120 + [0.001] * 10 + [WRONG] * 40
    plain = judged(tmp_path / "a", [Made(outcomes())], [Made(outcomes(8))])
    noisy = judged(tmp_path / "b", [Made(old)], [Made(swapped)])
    assert states(plain)["toy pgd@8/255"] == "fell"
    assert states(noisy)["toy pgd@8/255"] == "held"
    [row] = [row for row in noisy.comparisons if row.reading == "pgd@8/255"]
    assert (row.before, row.after, row.fell, row.rose) == (120, 112, 38, 30)


def test_holm_asks_more_where_more_is_compared(tmp_path):
    """Eight falls: 2 / 2^8 passes alpha, 11 / 2^8 does not."""
    many = [Made(outcomes(), pgd(k / 255)) for k in range(1, 11)]
    check = judged(tmp_path, many, [Made(outcomes(8), pgd(1 / 255)), *many[1:]])
    assert check.passed
    assert max(check.comparisons, key=lambda row: row.fell).p_fell == pytest.approx(11 / 2**8)


def test_a_rise_is_told_and_passes(tmp_path):
    check = judged(tmp_path, [Made(outcomes(20))], [Made(outcomes())])
    assert check.passed
    assert states(check) == {"toy clean": "held", "toy pgd@8/255": "rose"}


def test_a_cell_with_hardly_anything_to_lose_is_said_to_be_blind(tmp_path):
    """Seven robust samples: if all fell, p = 2 / 2^7."""
    cells = [Made(outcomes(robust=7))]
    check = judged(tmp_path, cells, [Made(outcomes(7, robust=7))])
    assert {row.reading: row.blind for row in check.comparisons} == {"clean": False, "pgd@8/255": True}
    assert check.passed


def test_exact_finds_one_other_prediction(tmp_path):
    new = outcomes()
    new[0], new[-41] = 0.001, NEVER  # one fell, one rose
    assert judged(tmp_path / "a", [Made(outcomes())], [Made(new)]).passed
    check = judged(tmp_path / "b", [Made(outcomes())], [Made(new)], Rule(exact=True))
    assert not check.passed
    assert states(check) == {"toy clean": "held", "toy pgd@8/255": "differs"}
    assert judged(tmp_path / "c", [Made(new)], [Made(new)], Rule(exact=True)).passed


def test_exact_sees_another_wrong_class_where_the_outcome_is_the_same(tmp_path):
    """The bits are equal: only the digest of the predictions tells."""
    labels = [0] * N
    file = guarded(tmp_path, Made(outcomes(), labels=labels))
    content = json.loads(file.read_text())
    content["cells"][0]["verdicts"] = "0" * 64
    file.write_text(json.dumps(content))
    assert fer_bench.check(tmp_path / "old", file).passed
    check = fer_bench.check(tmp_path / "old", file, Rule(exact=True))
    assert states(check) == {"toy clean": "held", "toy pgd@8/255": "differs"}


def test_a_minimum_norm_cell_is_compared_at_the_budgets_of_the_baseline(tmp_path):
    """The baseline read cw at L2 0.5 (the protocol's) and at 1.0, which another cell spent; now none does."""
    old = [Made([0.7] * N, cw()), Made([NEVER] * N, pgd(1.0, "pgdl2", "L2"))]
    check = judged(tmp_path, old, [Made([0.4] * 100 + [1.2] * 100, cw()), old[1]])
    assert {row.reading: (row.before, row.after) for row in check.comparisons} == {
        "clean": (200, 200),
        "cw@0.5": (200, 100),
        "cw@1": (0, 100),
        "pgdl2@1": (200, 200),
    }
    make(tmp_path / "alone", Made([0.4] * 100 + [1.2] * 100, cw()))
    alone = fer_bench.check(tmp_path / "alone", tmp_path / "baseline.json")
    assert {row.reading: row.after for row in alone.comparisons} == {"clean": 200, "cw@0.5": 100, "cw@1": 100}


# ------------------------------------------------------------------------------------------- what cannot be compared


def attack(version: int = 1, steps: int = 50, eps: float = 8 / 255) -> AttackSpec:
    return pgd(eps, version=version, steps=steps)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (Made(outcomes(), model="other"), "the results hold nothing of this model"),
        (Made(outcomes(), pgd(name="fgsm")), "the attack was not run on this model"),
        (Made(outcomes(), attack(version=2)), "attack version 1, now 2"),
        (Made(outcomes(), attack(eps=4 / 255)), "eps 8/255, now 4/255"),
        (Made(outcomes(), attack(steps=10)), "steps 50, now 10"),
        (Made(outcomes(), attack(steps=10), seed=3), "seed 0, now 3; steps 50, now 10"),
        (Made(outcomes(n=100, robust=60, wrong=20)), "n 200, now 100"),
        (Made(outcomes(), labels=[1] * N), "data digest "),
        (Made([], n=N, error="weights\nlost"), "it failed: weights\nlost"),
        (Made(outcomes()[:50], n=N, finished=False), "it is unfinished: 50 of 200 images judged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_differs_is_not_comparable_and_fails_unless_allowed(tmp_path, new, reason):
    other = Made(outcomes(), model="held")
    check = judged(tmp_path, [Made(outcomes()), other], [new, other])
    assert not check.passed
    assert set(reasons(check)) == {"toy clean", "toy pgd@8/255"}
    assert all(text.startswith(reason) for text in reasons(check).values())
    allowed = fer_bench.check(tmp_path / "new", tmp_path / "baseline.json", Rule(allow_missing=True))
    assert allowed.passed
    assert set(states(allowed)) == {"held clean", "held pgd@8/255"}


def test_nothing_compared_is_no_pass(tmp_path):
    check = judged(tmp_path, [Made(outcomes())], [], Rule(allow_missing=True))
    assert not check.passed
    assert check.failures == 0


def test_one_lost_cell_does_not_lose_the_clean_accuracy_that_another_brings(tmp_path):
    old = [Made(outcomes()), Made(outcomes(), pgd(2 / 255))]
    check = judged(tmp_path, old, old[1:])
    assert set(reasons(check)) == {"toy pgd@8/255"}
    assert set(states(check)) == {"toy clean", "toy pgd@2/255"}


def test_two_sets_of_weights_in_one_folder_are_never_chosen_between(tmp_path):
    """Not even where one of them failed: the other may be the old one."""
    both = [Made(outcomes()), Made(outcomes(), digest="b" * 64)]
    check = judged(tmp_path / "a", [Made(outcomes())], both)
    assert "several weights (aaaaaaaa, bbbbbbbb)" in reasons(check)["toy pgd@8/255"]
    failed = [Made(outcomes()), Made([], n=N, digest="b" * 64, error="broken")]
    assert "several weights" in reasons(judged(tmp_path / "b", [Made(outcomes())], failed))["toy pgd@8/255"]
    with pytest.raises(StoreError, match="2 sets of weights"):
        fer_bench.baseline(tmp_path / "a" / "new", tmp_path / "twice.json")


def test_a_required_cell_fails_although_others_may_be_missing(tmp_path):
    old = [Made(outcomes()), Made(outcomes(), model="b"), Made(outcomes(), model="c")]
    guarded(tmp_path, *old)
    make(tmp_path / "new", old[2])

    def check(*patterns: str) -> Check:
        rule = Rule(allow_missing=True, require=patterns)
        return fer_bench.check(tmp_path / "new", tmp_path / "baseline.json", rule)

    assert check().passed
    assert check("c *").passed
    assert not check("c *", "toy pgd@*").passed
    assert check("toy pgd@*").failures == 1
    assert check("toy clean", "b *").failures == 3
    with pytest.raises(UsageError, match=r"--require 'd \*' matches no cell of the baseline.*'c pgd@8/255'"):
        check("d *")


def test_a_new_cell_is_told_and_not_judged(tmp_path):
    check = judged(tmp_path, [Made(outcomes())], [Made(outcomes()), Made(outcomes(), model="new")])
    assert check.passed
    assert check.unguarded == ("new pgd@8/255",)


@pytest.mark.parametrize(
    "fields", [{"tolerance": -0.1}, {"tolerance": 1.0}, {"alpha": 0.0}, {"alpha": 1.0}, {"alpha": float("nan")}]
)
def test_numbers_out_of_range_are_refused(fields):
    with pytest.raises(UsageError, match=f"--{next(iter(fields))} .* cannot be used"):
        Rule(**fields)


# -------------------------------------------------------------------------------------------------------- the file


def test_the_baseline_file_is_the_same_for_the_same_results_and_holds_no_folder_or_time(tmp_path):
    cells = [Made(outcomes(), model="b"), Made(outcomes(n=13, robust=5, wrong=1), cw()), Made(outcomes(), pgd(2 / 255))]
    file = guarded(tmp_path, *cells)
    make(tmp_path / "again", *reversed(cells), command=f"ferbench run --out {tmp_path}")
    fer_bench.baseline(tmp_path / "again", tmp_path / "again.json")
    assert file.read_text() == (tmp_path / "again.json").read_text()
    assert str(tmp_path) not in file.read_text()
    assert file.read_text().isascii()
    content = json.loads(file.read_text())
    assert [(cell["model"], cell["attack"]["label"]) for cell in content["cells"]] == [
        ("b", "pgd"),
        ("toy", "cw"),
        ("toy", "pgd"),
    ]


def edited(file: Path, *path: str | int, to: object) -> Path:
    content = json.loads(file.read_text())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("schema",), 3, "has schema 3, and this fer_bench reads up to 2; update fer_bench"),
        (("schema",), "1", "is no baseline that can be used"),
        (("cells", 0, "robust", 0, "right"), 120, "says 120 right where its verdicts say 121"),
        (("cells", 0, "clean", "bits"), "AAAA", "does not hold 200 verdicts"),
        (("cells", 0, "clean", "bits"), "!", "is no baseline that can be used"),
        (("cells", 0, "n"), 199, "does not hold 199 verdicts"),
        (("cells", 0, "n"), 300, "does not hold 300 verdicts"),
        (("cells", 0), {}, "lacks"),
        (("cells",), None, "is no baseline that can be used"),
    ],
)
def test_a_newer_or_damaged_baseline_is_one_line(tmp_path, path, value, reason):
    file = edited(guarded(tmp_path, Made([*outcomes()[:-1], NEVER])), *path, to=value)
    with pytest.raises(StoreError) as caught:
        fer_bench.check(tmp_path / "old", file)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"schema": 1}'])
def test_a_file_that_is_no_baseline_is_one_line(tmp_path, text):
    make(tmp_path / "new")
    (tmp_path / "baseline.json").write_text(text)
    with pytest.raises(StoreError, match="is no baseline that can be used"):
        fer_bench.check(tmp_path / "new", tmp_path / "baseline.json")
    with pytest.raises(StoreError, match=r"nowhere\.json cannot be read \(No such file or directory\)"):
        fer_bench.check(tmp_path / "new", tmp_path / "nowhere.json")


def test_nothing_finished_is_no_baseline(tmp_path):
    make(tmp_path / "empty")
    with pytest.raises(StoreError, match=r"no finished cell that a baseline could guard \(it is empty\)"):
        fer_bench.baseline(tmp_path / "empty", tmp_path / "b.json")
    make(tmp_path / "failed", Made([], n=3, error="weights lost"))
    with pytest.raises(StoreError, match="it failed: weights lost"):
        fer_bench.baseline(tmp_path / "failed", tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


# --------------------------------------------------------------------------------------------------------- compare


def test_compare_is_two_sided_without_tolerance_and_takes_folders_and_files(tmp_path):
    """Seven falls alone: 2 sides, 2 comparisons: p = 4 / 2^7 = 0.031."""
    file = guarded(tmp_path, Made(outcomes()))
    make(tmp_path / "new", Made(outcomes(7), digest="b" * 64), Made(outcomes(), model="only-b"))
    for a in (file, tmp_path / "old"):
        found = fer_bench.compare(a, tmp_path / "new")
        assert states(found) == {"toy clean": "held", "toy pgd@8/255": "fell"}
        assert found.unguarded == ("only-b pgd@8/255",)
    assert states(fer_bench.compare(tmp_path / "new", file))["toy pgd@8/255"] == "rose"
    assert states(fer_bench.compare(file, tmp_path / "new", alpha=0.03))["toy pgd@8/255"] == "held"
    with pytest.raises(UsageError, match="--alpha 2 cannot be used"):
        fer_bench.compare(file, file, alpha=2)
