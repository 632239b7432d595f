"""What must hold on real images and real models: FER2013 validation, the package-shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from attacks import ATTACKS
from fer_bench.core.evalset import EvalSet
from fer_bench.core.labels import match
from fer_bench.core.outcome import Verdict
from fer_bench.data import open_data
from fer_bench.engine.job import cell_job
from fer_bench.engine.local import run_cell
from models_zoo import MODELS
from models_zoo.loading import load

pytestmark = [pytest.mark.fer2013, pytest.mark.network, pytest.mark.slow]


def validation(folder: Path, n: int) -> EvalSet:
    return open_data(f"fer2013:{folder}:validation", n)


def judge(model: str, data: EvalSet, attack: str, eps: float, batch_size: int = 64, **settings: str) -> list[Verdict]:
    card = MODELS.get(model)
    chosen = ATTACKS.get(attack).attack(settings, eps)
    job = cell_job(chosen, 1, data, match(card.classes, data.classes), card.classes)
    parts = run_cell(job, load(card), range(len(data)), torch.device("cpu"), batch_size)
    return [verdict for part in parts for verdict in part.verdicts]


@pytest.mark.parametrize(
    ("model", "n"),
    [
        ("mini-xception", 200),
        ("face-api", 200),
        ("human", 200),
        ("wtf-active", 200),
        ("wtf-last-active", 200),
        ("pyemotion", 200),
        ("facemood", 60),
    ],
)
def test_pgd_10_at_8_255_leaves_under_two_percent_of_a_plainly_trained_model(fer2013, model, n):
    verdicts = judge(model, validation(fer2013, n), "pgd", 8 / 255, steps="10")
    assert sum(v.clean_right for v in verdicts) > 0.25 * n
    assert sum(v.clean_right and not v.fooled for v in verdicts) < 0.02 * n


def test_batch_sizes_disagree_on_at_most_two_in_a_thousand_verdicts_in_float32(fer2013):
    data = validation(fer2013, 500)
    runs = [judge("mini-xception", data, "pgd", 2 / 255, size, steps="10") for size in (64, 7, 1)]
    assert 20 < sum(v.clean_right and not v.fooled for v in runs[0]) < 250
    for other in runs[1:]:
        differing = sum(
            (a.clean_right, a.fooled) != (b.clean_right, b.fooled) for a, b in zip(runs[0], other, strict=True)
        )
        print(f"{differing} of {len(data)} verdicts differ")
        assert differing <= 0.002 * len(data)


def test_pgd_50_at_2_255_needs_at_most_a_quarter_of_the_forward_rows_of_torchattacks(fer2013):
    """torchattacks' PGD computes every image at every step: 256 x 50 rows (benchmarks/forward_rows.py runs it)."""
    verdicts = judge("mini-xception", validation(fer2013, 256), "pgd", 2 / 255, steps="50")
    rows = sum(v.forwards for v in verdicts)
    print(f"{rows} forward rows, {256 * 50 / rows:.2f} times fewer than torchattacks")
    assert rows * 4 <= 256 * 50
