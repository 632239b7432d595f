"""The baseline file as text: what is read is written again byte for byte, and whatever damage is one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from damage import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from places import GOLDEN
from stored_kinds import regressor

import fer_bench
from fer_bench.errors import StoreError
from fer_bench.gate import baseline_file

TRUTH = np.random.default_rng(0).uniform(-0.9, 0.9, (9, 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Baselines of a classifier and of a regressor."""
    folder = tmp_path_factory.mktemp("baselines")
    regressor(folder / "results", TRUTH, TRUTH + 0.1, TRUTH + 0.2)
    fer_bench.baseline(folder / "results", folder / "va.json")
    return [GOLDEN / "baseline-fer2013.json", folder / "va.json"]


def test_what_is_read_is_written_again_byte_for_byte(files):
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert baseline_file.to_json(baseline_file.read(file)) == text
    old = GOLDEN / "baseline-schema-1.json"
    renewed = old.read_text(encoding="utf-8").replace('"schema": 1', '"schema": 2')
    assert baseline_file.to_json(baseline_file.read(old)) == renewed


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_baseline_is_read_or_refused_in_one_line(files, tmp_path_factory, data):
    text = data.draw(st.sampled_from(files)).read_text(encoding="utf-8")
    file = tmp_path_factory.mktemp("damaged") / "baseline.json"
    file.write_bytes(data.draw(damaged(text)).encode())
    said = ""
    try:
        cells = baseline_file.read(file).cells
    except StoreError as error:
        cells, said = (), str(error)
    assert said.isprintable()
    assert all(type(cell.cell.seed) is int and type(cell.samples) is str for cell in cells)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"n": 9', '"n": 9.0', "cells.0.n: Input should be a valid integer, not 9.0"),
        ('"seed": 0', '"seed": "0"', "cells.0.seed: Input should be a valid integer, not '0'"),
        ('"seed": 0,', "", "lacks cells.0.seed"),
        ('"schema": 2', '"schema": true', "schema: Input should be a valid integer, not True"),
        ('"norm": "Linf"', '"norm": "L9"', "cells.0.attack.norm: Input should be 'Linf', "),
    ],
)
def test_the_line_names_the_field_and_what_is_there(files, tmp_path, old, new, said):
    text = files[1].read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "b.json").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        baseline_file.read(tmp_path / "b.json")
    assert said in str(caught.value)


def test_a_field_that_a_newer_program_added_is_ignored(files, tmp_path):
    """Raising SCHEMA is how a newer program says that its file must not be read."""
    text = files[1].read_text(encoding="utf-8")
    (tmp_path / "b.json").write_text(text.replace('"seed": 0', '"seed": 0, "moon": "full"'), encoding="utf-8")
    assert baseline_file.read(tmp_path / "b.json") == baseline_file.read(files[1])
