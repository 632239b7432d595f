"""Every attack against a linear model whose smallest perturbation is known in closed form, in every norm."""

from __future__ import annotations

import math
import re

import pytest
import torch
import torchattacks
from attack_battery import BUDGET, CONTROLS, ELSEWHERE, MINIMUM, PIXELS, refused
from observed import SEED, TwoWays, attack, judge, shard_of
from places import TESTS
from toys import toy_images

from attacks import ATTACKS, SUITES
from attacks.minimum.cw import search_weight
from fer_bench.engine.goals import Goal
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.norms import norms
from fer_bench.engine.observer import Observer


def test_every_attack_stands_in_a_closed_form_test():
    tested = {case.name for case in (*BUDGET, *MINIMUM, *PIXELS)} | {*CONTROLS, *ELSEWHERE, *refused()}
    assert tested == set(ATTACKS.names())
    assert all((TESTS / file).exists() for file in ELSEWHERE.values())


def test_every_class_of_torchattacks_has_a_row():
    rows = " ".join(f"{card.source} {card.title}" for card in (*ATTACKS, *SUITES))
    for kind in torchattacks.__all__:
        assert re.search(rf"torchattacks(?:\.|' parts, not its ){kind}\b", rows), f"torchattacks.{kind} has no row"


@pytest.mark.parametrize("case", BUDGET, ids=str)
def test_a_budget_attack_fools_at_a_quarter_above_the_optimum_and_never_below_it(case):
    model = TwoWays()
    shard = shard_of(model, toy_images(24).double())
    smallest = model.smallest(shard.images, case.norm)
    eps = float(smallest.median()) * max(1.0, case.slack / 2)
    spec, program = attack(case.name, eps, **case.overrides)
    done = evaluate_shard(model, shard, spec, program, SEED)
    fooled = torch.tensor([v.fooled for v in done.result.verdicts])
    assert bool(fooled[smallest * case.slack <= eps].all()), case.reason
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert 0 < int(fooled.sum()) < 24
    assert float(norms(done.images - shard.images, case.norm).max()) <= eps * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("case", MINIMUM, ids=str)
def test_a_minimum_norm_attack_comes_within_a_quarter_of_the_optimum_and_not_below_it(case):
    model = TwoWays()
    shard = shard_of(model, toy_images(12).double())
    smallest = model.smallest(shard.images, case.norm).tolist()
    for verdict, optimum in zip(judge(model, shard, case.name, **case.overrides).verdicts, smallest, strict=True):
        assert verdict.fooled
        assert optimum * (1 - 1e-5) <= verdict.norm <= optimum * case.slack, case.reason


@pytest.mark.parametrize("norm", ["L2", "Linf"])
def test_deepfool_goes_beyond_the_boundary_by_its_overshoot_and_no_further(norm):
    model = TwoWays()
    shard = shard_of(model, toy_images(12).double())
    smallest = model.smallest(shard.images, norm).tolist()
    for verdict, optimum in zip(
        judge(model, shard, "deepfool", norm=norm, overshoot=0.1).verdicts, smallest, strict=True
    ):
        assert verdict.norm == pytest.approx(1.1 * optimum, rel=1e-6, abs=2e-4)


def test_the_search_on_c_closes_in_on_the_smallest_weight_that_fools():
    """Against samples that fall from a weight of their own on."""
    model = TwoWays()
    shard = shard_of(model, toy_images(4).double())
    spec, _ = attack("cw-search")
    least = torch.tensor([0.0003, 0.02, 0.7, 80.0], dtype=torch.float64)
    tried: list[torch.Tensor] = []

    def run(images, weight):
        tried.append(weight.clone())
        return weight >= least

    search_weight(Observer(model, shard, Goal(shard.labels), spec, SEED), 0.01, 16, run)
    successes = torch.stack([torch.where(weight >= least, weight, torch.inf) for weight in tried]).amin(0)
    assert len(tried) == 16
    assert bool((successes <= 1.1 * least).all())


def test_jsma_is_within_a_pair_of_the_optimum_among_pairs_that_only_brighten():
    model = TwoWays()
    shard = shard_of(model, toy_images(12).double())
    smallest = model.smallest(shard.images, "L0", brighten=True)
    verdicts = judge(model, shard, "jsma", gamma=0.9).verdicts
    for verdict, count in zip(verdicts, smallest.tolist(), strict=True):
        pairs = 2 * math.ceil(count / 2)
        assert pairs <= verdict.norm <= pairs + 2  # it ranks by slope, not by what the slope can gain in the box


@pytest.mark.parametrize("case", PIXELS, ids=str)
@pytest.mark.parametrize("pixels", [1, 2])
def test_an_attack_on_few_pixels_finds_those_that_are_enough_and_no_others(case, pixels):
    model = TwoWays()
    shard = shard_of(model, toy_images(12).double())
    fewest = model.smallest(shard.images, "L0").tolist()
    verdicts = judge(model, shard, case.name, float(pixels), **case.overrides).verdicts
    assert [v.fooled for v in verdicts] == [count <= pixels for count in fewest]
    assert {True, False} == {v.fooled for v in verdicts}
    assert all(v.norm <= pixels for v in verdicts if v.fooled)


def test_no_attack_fools_nobody_and_gaussian_noise_counts_at_its_own_size():
    model = TwoWays()
    shard = shard_of(model, toy_images(40).double())
    assert not any(v.fooled for v in judge(model, shard, "vanila", 0.5).verdicts)
    fooled = [v for v in judge(model, shard, "gn", std=0.05).verdicts if v.fooled]
    # 64 squares of N(0, 0.05) have mean 0.4^2 and a standard deviation of 0.18 of it
    assert 3 < len(fooled) < 37
    assert all(0.2 < v.norm < 0.6 for v in fooled)
