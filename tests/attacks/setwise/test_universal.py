"""The universal perturbation: its optimum on a linear model, and that no half is judged on what it was fitted on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from observed import SEED, TwoWays, shard_of
from toys import SmallConvToy, sample_name, toy_images

from attacks import ATTACKS
from attacks.setwise.universal import fit, halves
from fer_bench.core.outcome import Verdict
from fer_bench.engine.attack import SetView
from fer_bench.engine.job import CellJob, Stage
from fer_bench.engine.local import run_cell
from fer_bench.engine.shard import Shard

CPU = torch.device("cpu")


def named(shard: Shard) -> Shard:
    return replace(shard, ids=tuple(sample_name(i) for i in range(len(shard.ids))))


def of_one_class(model: TwoWays, n: int) -> Shard:
    """`n` samples that the model puts into class 0."""
    shard = shard_of(model, toy_images(4 * n).double())
    kept = (shard.labels == 0).nonzero().squeeze(1)[:n]
    assert len(kept) == n
    return named(shard.at(kept))


def judged(model: torch.nn.Module, shard: Shard, eps: float, batch: int = 64, **settings: object) -> list[Verdict]:
    made = ATTACKS.get("universal").attack({key: str(value) for key, value in settings.items()}, eps)
    job = CellJob((Stage(made.spec, made.program, SEED),), shard, made.fit)
    parts = run_cell(job, model, range(len(shard.ids)), CPU, batch, torch.float64)
    return [verdict for part in parts for verdict in part.verdicts]


def proposals(model: torch.nn.Module, shard: Shard, eps: float, batch: int = 64) -> torch.Tensor:
    model.eval().requires_grad_(False)
    return fit(ATTACKS.get("universal").spec({}, eps), SetView(model, shard, CPU, batch, SEED))


def test_one_perturbation_for_a_class_of_a_linear_model_is_every_samples_optimum():
    model = TwoWays()
    shard = of_one_class(model, 20)
    smallest = model.smallest(shard.images, "Linf")
    eps = float(smallest.median())
    verdicts = judged(model, shard, eps)
    fooled = torch.tensor([v.fooled for v in verdicts])
    assert torch.equal(fooled, smallest < eps) or torch.equal(fooled, smallest <= eps)
    assert [v.forwards for v in verdicts] == [4 if hit else 2 for hit in fooled]


def test_both_halves_are_judged_under_the_other_halves_perturbation():
    model = SmallConvToy(gain=20).double()
    shard = named(shard_of(model, toy_images(20, (1, 16, 16)).double()))
    half = halves(shard.ids)
    assert 4 < int(half.sum()) < 16
    moved = proposals(model, shard, 0.03) - shard.images
    for mine in (0, 1):
        assert float((moved[half == mine] - moved[half == mine][:1]).abs().max()) < 1e-12
    assert float((moved[half == 0][0] - moved[half == 1][0]).abs().max()) > 0.01
    assert float(moved.abs().max()) <= 0.03 + 1e-12
    # Other images in one half change nothing for that half, and something for the other.
    changed = replace(shard, images=torch.where((half == 0)[:, None, None, None], 1 - shard.images, shard.images))
    again = proposals(model, changed, 0.03) - changed.images
    assert torch.allclose(again[half == 0][0], moved[half == 0][0], atol=1e-12)
    assert float((again[half == 1][0] - moved[half == 1][0]).abs().max()) > 0.01


def test_the_fit_leaves_out_samples_of_classes_that_the_model_lacks():
    model = SmallConvToy(gain=20).double()
    shard = named(shard_of(model, toy_images(12, (1, 16, 16)).double()))
    lacking = shard.labels.clone()
    lacking[3] = -1
    without = torch.tensor([i for i in range(12) if i != 3])
    moved = proposals(model, replace(shard, labels=lacking), 0.03) - shard.images
    part = shard.at(without)
    assert torch.allclose(moved[without], proposals(model, part, 0.03) - part.images, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 7])
def test_the_batch_changes_no_verdict(batch):
    model = SmallConvToy(gain=20).double()
    shard = named(shard_of(model, toy_images(16, (1, 16, 16)).double(), wrong=1))
    found, expected = ([(v.fooled, v.forwards) for v in judged(model, shard, 0.05, size)] for size in (batch, 64))
    assert found == expected
    assert len({fooled for fooled, _ in expected[1:]}) == 2


def test_a_region_is_kept_while_fitting():
    model = TwoWays()
    mask = torch.zeros(20, 1, 8, 8, dtype=torch.float64)
    mask[:, :, 2:6, 2:6] = 1
    shard = replace(of_one_class(model, 20), mask=mask)
    moved = proposals(model, shard, 0.02) - shard.images
    assert float((moved * (1 - mask)).abs().max()) == 0
    sign = (model.weight[1] - model.weight[0]).reshape(1, 1, 8, 8).sign()
    assert torch.allclose(moved, 0.02 * sign * mask, atol=1e-12)
