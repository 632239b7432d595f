"""Our own gate: no package-shipped or bundled model may be weaker on FER2013 than the committed baseline says.

The baseline was made by

    ferbench run --models mini-xception,wtf-active,pyemotion --attacks pgd-10 --eps 0.5/255,2/255 --n 500 \
        --data fer2013:FOLDER:validation --device cpu --out results
    slim=slim-standard,slim-pgd-at,slim-trades,slim-faat,slim-faat-random-mask,slim-faat-no-freq
    ferbench run --models $slim,slim-trades-tuned,slim-faat-tuned \
        --attacks pgd-10 --eps 4/255 --n 500 --data fer2013:FOLDER:validation --device cpu --out results
    ferbench run --models slim-va-standard,slim-va-faat \
        --attacks pgd-10 --eps 4/255 --n 500 --data fer2013-va:FOLDER:validation --device cpu --out results
    ferbench baseline results -o tests/golden/baseline-fer2013.json

with FOLDER holding the parquet form of the validation split. It is compared statistically, for processors differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from places import GOLDEN
from torch import nn

import fer_bench
from fer_bench import data as fer_bench_data
from fer_bench.api import benchmark
from fer_bench.core.model_card import ModelCard
from fer_bench.gate import baseline_file
from fer_bench.gate.check import Rule
from models_zoo import MODELS
from models_zoo.trained import bundled
from reports.write.gate import as_text

pytestmark = [pytest.mark.fer2013, pytest.mark.network, pytest.mark.slow]

BASELINE = GOLDEN / "baseline-fer2013.json"


def as_proxy(source: str) -> str:
    """The same images with the proxy's valence and arousal."""
    return source.replace("fer2013:", "fer2013-va:", 1)


@pytest.fixture(scope="module")
def data(fer2013: Path) -> str:
    """The data set as --data names it, where it is the one of the baseline."""
    source = f"fer2013:{fer2013}:validation"
    expected = {cell.cell.data_digest for cell in baseline_file.read(BASELINE).cells}
    if {fer_bench_data.open_data(name, 500).digest for name in (source, as_proxy(source))} != expected:
        pytest.skip(
            "this copy of FER2013 decodes to other pixels than the one of the baseline (csv, folders or parquet)"
        )
    return source


def test_the_package_shipped_and_the_bundled_models_pass_the_gate(data: str, tmp_path: Path) -> None:
    shipped = ["mini-xception", "wtf-active", "pyemotion"]
    ours, regressors = ([card.name for card in bundled.CARDS if card.task == task] for task in ("expression", "va"))
    benchmark.run_cells(shipped, "pgd-10", data, eps="0.5/255,2/255", n=500, out=tmp_path, device="cpu")
    benchmark.run_cells(ours, "pgd-10", data, eps="4/255", n=500, out=tmp_path, device="cpu")
    benchmark.run_cells(regressors, "pgd-10", as_proxy(data), eps="4/255", n=500, out=tmp_path, device="cpu")
    check = fer_bench.check(tmp_path, BASELINE)
    print(as_text(check))
    assert check.passed, as_text(check)
    assert {row.cell.model for row in check.comparisons} == {*shipped, *ours}
    assert len(check.comparisons) == 3 * len(shipped) + 2 * len(ours)
    assert {row.cell.model for row in check.shifts} == set(regressors)
    assert len(check.shifts) == 8 * len(regressors)  # CCC and RMSE of both dimensions, clean and attacked


def test_a_model_with_worn_weights_does_not_pass(data: str, tmp_path: Path) -> None:
    """One weight in forty is lost: the gate must see it under the old name, in 500 images."""
    card = MODELS.get("mini-xception")

    def worn(paths: Sequence[Path]) -> nn.Module:
        model = card.build(paths)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weights in model.parameters():
                weights[torch.rand(weights.shape, generator=generator) < 1 / 40] = 0
        return model

    fake: ModelCard = dataclasses.replace(card, build=worn, revision=card.revision + 1)
    benchmark.run_cells([fake], "pgd-10", data, eps="0.5/255", n=500, out=tmp_path, device="cpu")
    check = fer_bench.check(tmp_path, BASELINE, Rule(allow_missing=True))
    print(as_text(check))
    assert not check.passed
    assert "fell" in {row.status for row in check.comparisons}
    assert all(row.new_weights for row in check.comparisons)
