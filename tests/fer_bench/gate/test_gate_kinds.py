"""Cells of other kinds than one attack on the whole image: that the gate guards them, and what their tables say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from stored_kinds import carried, regressor_cell, suite_cell, transfer_cells
from stored_results import Made, make, outcomes, pgd

import fer_bench
from fer_bench.api import gating
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.gate.check import Rule
from reports.tables.results import Results
from reports.write.exports import TABLES


def regional() -> AttackSpec:
    """A budget attack on the mouth."""
    spec = pgd()
    return dataclasses.replace(spec, threat=dataclasses.replace(spec.threat, region="mouth"))


@pytest.mark.parametrize("spec", [regional(), carried()], ids=["regional", "transfer"])
def test_a_cell_is_found_again_and_fails_only_when_it_fell(tmp_path: Path, spec: AttackSpec) -> None:
    for folder, fell in (("old", 0), ("same", 0), ("worse", 60)):
        make(tmp_path / folder, Made(outcomes(fell), spec))
    guarded = gating.baseline(tmp_path / "old", tmp_path / "b.json")
    assert [cell.cell.attack.key_params() for cell in guarded.cells] == [spec.key_params()]
    assert gating.check(tmp_path / "same", tmp_path / "b.json").passed
    assert not gating.check(tmp_path / "worse", tmp_path / "b.json", Rule(allow_missing=True)).passed


def test_a_transfer_cell_of_a_minimum_norm_attack_is_named_as_not_gated(tmp_path: Path) -> None:
    spec = dataclasses.replace(carried(), record="smallest")
    make(tmp_path, Made(outcomes()), Made(outcomes(), spec))
    made = gating.baseline(tmp_path, tmp_path / "b.json")
    assert [row.reason for row in made.unmeasured] == ["transfer cells of minimum-norm attacks are not gated"]


def test_the_transfer_table_counts_the_carried_cell_beside_the_white_box(tmp_path: Path) -> None:
    transfer_cells(tmp_path)
    found = TABLES["transfer"].build(Results(fer_bench.load(tmp_path))).set_index("source")["robust_accuracy"].to_dict()
    assert found == {"other": 1.0, "toy": 0.5}


def test_the_stages_table_says_whom_each_stage_attacked_and_broke(tmp_path: Path) -> None:
    suite_cell(tmp_path)
    table = TABLES["stages"].build(Results(fer_bench.load(tmp_path)))
    found = table[["stage", "attacked", "fell"]].to_numpy().tolist()
    assert found == [["fgsm(eps=8/255,steps=1)", 3, 1], ["pgd", 2, 0]]


def test_the_va_table_says_the_agreement_before_and_under_attack(tmp_path: Path) -> None:
    """Equal predictions have CCC 1, those of the opposite sign -1 and an RMSE of twice the value."""
    regressor_cell(tmp_path)
    (row,) = TABLES["va"].build(Results(fer_bench.load(tmp_path))).to_dict("records")
    assert (row["clean_ccc_valence"], row["attacked_ccc_valence"]) == pytest.approx((1, -1))
    assert (row["clean_rmse_arousal"], row["attacked_rmse_arousal"]) == pytest.approx((0, 0.5))
