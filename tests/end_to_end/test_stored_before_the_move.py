"""A results folder that 0.1.0 wrote before the house was moved: it is read, resumed and replayed by today's code.

`golden/results-0.1.0` was made by commit cab3213 with, for eight images of the demo set,
`ferbench run --models slim-standard,slim-pgd-at --transfer --attacks
"pgd(steps=5,eps=2/255),fmn,universal(eps=4/255),jpeg,pgd(steps=3,eps=8/255,region=eyes)"` and then
`ferbench run --models slim-standard --attacks "pgd(steps=3)" --eps 1/255:4/255:log3`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from places import GOLDEN

import fer_bench
from fer_bench.api.benchmark import run_cells
from fer_bench.store.results import ResultStore

STORED = GOLDEN / "results-0.1.0"
ATTACKS = "pgd(steps=5,eps=2/255),fmn,universal(eps=4/255),jpeg,pgd(steps=3,eps=8/255,region=eyes)"
FOOLED = "pgd(steps=3,region=eyes)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy, because readers of a store may migrate it."""
    shutil.copytree(STORED, tmp_path / "results")
    return tmp_path / "results"


def test_every_key_is_the_one_that_was_stored(folder):
    """The key is stored beside the definition that it is the digest of; a baseline holds definitions alone."""
    with ResultStore(folder, create=False) as store:
        cells = store.cells()
    assert len(cells) == 15
    assert [cell.cell.key for cell in cells] == [cell.key for cell in cells]


def test_it_is_read_as_it_was_written(folder):
    frames = fer_bench.load(folder)
    assert set(frames.cells["status"]) == {"done"}
    assert len(frames.verdicts) == 15 * 8
    assert sorted(frames.cells["attack"].unique()) == [
        "fmn",
        "jpeg",
        "pgd(steps=3,region=eyes)",
        "pgd(steps=3,region=eyes) from slim-pgd-at",
        "pgd(steps=3,region=eyes) from slim-standard",
        "pgd-3 curve",
        "pgd-5",
        "pgd-5 from slim-pgd-at",
        "pgd-5 from slim-standard",
        "universal",
    ]
    page = fer_bench.report(folder)
    assert "slim-pgd-at" in page.read_text(encoding="utf-8")


@pytest.mark.network
def test_it_is_resumed_without_running_a_stored_cell_again(folder):
    models = ["slim-standard", "slim-pgd-at"]
    before = fer_bench.load(folder).verdicts
    same = run_cells(models, ATTACKS, "demo", n=8, out=folder, device="cpu", transfer=True)
    assert (same.summary.ran, same.summary.present) == (0, 14)
    more = run_cells(models[:1], ATTACKS + ",fgsm(eps=2/255)", "demo", n=8, out=folder, device="cpu")
    assert (more.summary.ran, more.summary.present) == (1, 5)
    after = fer_bench.load(folder).verdicts
    assert after[after["cell"].isin(before["cell"])].reset_index(drop=True).equals(before)


@pytest.mark.network
def test_its_verdicts_are_replayed(folder):
    with ResultStore(folder, create=False) as store:
        fooled = [
            (cell, stored.verdict.sample)
            for cell in store.cells()
            for stored in store.verdicts([cell.id])
            if stored.verdict.fooled
        ]
    kinds = {cell.context.attack_label.split(" from ")[0]: (cell, sample) for cell, sample in fooled}
    assert len(kinds) >= 4, "the folder holds too few attacks that fooled anybody for this to be a test"
    for cell, sample in kinds.values():
        again = fer_bench.replay(folder, cell.key, sample, device="cpu")
        assert again.same, (cell.context.attack_label, again.differences)


def test_the_gates_own_baseline_keeps_its_keys():
    """tests/golden/keys-fer2013.json holds the keys of its cells as the code before the move computed them."""
    from fer_bench.gate import baseline_file

    stored = json.loads((GOLDEN / "keys-fer2013.json").read_text(encoding="utf-8"))
    snapshot = baseline_file.read(GOLDEN / "baseline-fer2013.json")
    assert [cell.cell.key for cell in snapshot.cells] == stored
