"""The gate on cells of other kinds than one attack on the whole image: regional, transfer; and the suites' table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from handmade import CONTEXT, NEVER, Made, make, outcomes, pgd

from fer_bench import readout
from fer_bench.types import AttackSpec
from reports.exports import TABLES, writer
from reports.stages import COLUMNS, stage_frame


def regional() -> AttackSpec:
    """A budget attack on the mouth."""
    spec = pgd()
    return dataclasses.replace(spec, params=(*spec.params, ("region", "mouth")))


def carried() -> AttackSpec:
    """A budget attack whose images were made on another model."""
    spec = pgd()
    own = (("source", "other"), ("source_digest", "b" * 64))
    return dataclasses.replace(spec, params=(*spec.params, *own), label="pgd from other")


@pytest.mark.parametrize("spec", [regional(), carried()], ids=["regional", "transfer"])
def test_a_cell_is_found_again_and_fails_only_when_it_fell(tmp_path: Path, spec: AttackSpec) -> None:
    context = dataclasses.replace(CONTEXT, attack_label=spec.label)
    for folder, fell in (("old", 0), ("same", 0), ("worse", 60)):
        make(tmp_path / folder, Made(outcomes(fell), spec, context=context))
    guarded = readout.baseline(tmp_path / "old", tmp_path / "b.json")
    assert [cell.cell.attack.params for cell in guarded.cells] == [spec.params]
    assert readout.check(tmp_path / "same", tmp_path / "b.json").passed
    assert not readout.check(tmp_path / "worse", tmp_path / "b.json").passed


@pytest.mark.parametrize("table", ["transfer", "va", "stages"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".md", ".tex"])
def test_a_table_without_rows_is_written_in_every_form(tmp_path: Path, table: str, suffix: str) -> None:
    frames = make(tmp_path, Made([NEVER, 0.01]))
    assert TABLES[table].build(frames).empty
    assert writer(table, suffix)(frames)


def test_the_transfer_table_counts_the_carried_cell_beside_the_white_box(tmp_path: Path) -> None:
    context = dataclasses.replace(CONTEXT, attack_label="pgd from other")
    frames = make(tmp_path, Made([NEVER, 0.01]), Made([NEVER, NEVER], carried(), context=context))
    found = TABLES["transfer"].build(frames).set_index("source")["robust_accuracy"].to_dict()
    assert found == {"other": 1.0, "toy": 0.5}


def test_an_empty_store_of_suites_has_the_columns(tmp_path: Path) -> None:
    assert list(stage_frame(make(tmp_path, Made([NEVER]))).columns) == COLUMNS
