"""HopSkipJump: how near it comes to the optimum for its queries, that it sees decisions only, where it cannot start."""

from __future__ import annotations

import pytest
import torch
from observed import SEED, TwoWays, assert_alike, in_batches, judge, shard_of
from torch import nn
from toys import SmallConvToy, toy_images

from attacks import ATTACKS
from fer_bench.engine.judge import evaluate_shard

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("norm", "queries", "within"), [("L2", 1000, 1.2), ("Linf", 1000, 1.35)])
def test_it_comes_near_the_optimum_of_a_linear_model_for_the_stated_queries(norm, queries, within):
    model = TwoWays()
    shard = shard_of(model, toy_images(8).double())
    smallest = model.smallest(shard.images, norm).tolist()
    for verdict, optimum in zip(
        judge(model, shard, "hopskipjump", norm=norm, queries=queries).verdicts, smallest, strict=True
    ):
        assert verdict.fooled
        assert optimum * (1 - 1e-6) <= verdict.norm <= optimum * within
        assert queries * 0.95 < verdict.forwards - 3 <= queries  # besides: clean, confirmation, its 8-bit form
        assert verdict.backwards == 0


class Decision(nn.Module):
    """1 for the predicted class and 0 for the others: all that a decision-based attack may know."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(images)
        return nn.functional.one_hot(logits.argmax(1), logits.shape[1]).to(images.dtype)


def test_it_sees_the_predicted_class_and_nothing_else():
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(4, (1, 16, 16)).double())
    seen, told = (
        [v.norm for v in judge(target, shard, "hopskipjump", queries=300).verdicts]
        for target in (model, Decision(model))
    )
    assert seen == told
    assert None not in seen


@pytest.mark.parametrize("norm", ["L2", "Linf"])
def test_the_batch_changes_no_verdict_and_no_cost(norm):
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(5, (1, 16, 16)).double(), wrong=1)
    five, two = (in_batches(model, shard, n, "hopskipjump", None, queries=150, norm=norm) for n in (5, 2))
    assert_alike(five, two, rel=1e-7)


def test_a_sample_whose_class_no_random_image_leaves_stands():
    model = TwoWays()
    with torch.no_grad():
        model.weight.mul_(1e-3)
        model.bias[0] = 10
    (verdict,) = judge(model, shard_of(model, toy_images(1).double()), "hopskipjump", queries=300).verdicts
    assert not verdict.fooled
    assert verdict.forwards < 60


def test_with_a_budget_it_is_a_budget_attack():
    model = TwoWays()
    shard = shard_of(model, toy_images(8).double())
    smallest = model.smallest(shard.images, "L2")
    eps = float(smallest.median())
    made = ATTACKS.get("hopskipjump").attack({"queries": "500", "eps": repr(eps)})
    done = evaluate_shard(model, shard, made.spec, made.program, SEED)
    fooled = torch.tensor([v.fooled for v in done.result.verdicts])
    assert bool(fooled[smallest * 1.6 <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert 0 < int(fooled.sum()) < 8
