"""What holds for every attack: shapes, saturated pixels, moved and scaled logits, targets, batches, what it leaves."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from attack_battery import BATCH_DEPENDENT, Changed, budget, runnable, small
from observed import SEED, assert_alike, attack, in_batches, judge, shard_of
from torch import nn
from toys import LinearToy, SmallConvToy, toy_images

from attacks import ATTACKS
from fer_bench.engine.goals import Goal
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.norms import norms
from fer_bench.engine.observer import Observer
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError

EVERY = runnable()
#: Whether an attack falls short at a budget so large that a first step decides: those that draw at random may.
RANDOM = ("square", "noise", "vanila", "gn", "onepixel", "pixle", "spsa", "tpgd")


def conv(n: int = 8, gain: float = 20) -> tuple[nn.Module, Shard]:
    """A smooth model, double, and samples that it has right."""
    model = SmallConvToy(gain=gain).double()
    return model, shard_of(model, toy_images(n, (1, 16, 16)).double())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("shape", "classes", "saturated"),
    [((1, 6, 9), 7, False), ((3, 10, 6), 8, False), ((3, 8, 8), 7, True), ((1, 8, 8), 8, True)],
    ids=["gray 6x9", "colour 10x6, 8 classes", "colour, black and white", "gray, black and white, 8 classes"],
)
def test_every_attack_serves_every_shape_in_float32_and_stays_in_the_box_and_the_budget(
    name, shape, classes, saturated
):
    model = LinearToy(*shape, classes=classes)
    card = ATTACKS.get(name)
    images = toy_images(5, shape)
    images = images.round() if saturated else images
    shard = shard_of(model, images)
    eps = float(model.smallest(images, card.norms[0]).max()) * 5 if card.norms[0] == "L2" else 1.0
    eps = min(eps, float(model.smallest(images, "Linf").max()) * 5) if card.norms[0] == "Linf" else eps
    spec, program = attack(name, budget(card, eps), **small(card))
    done = evaluate_shard(model, shard, spec, program, SEED)
    assert 0 <= float(done.images.min()) <= float(done.images.max()) <= 1  # false for NaN too
    sizes = norms(done.images - images, spec.norm)
    assert float(sizes.max()) <= spec.threat.eps * (1 + 1e-5)
    for verdict, size in zip(done.result.verdicts, sizes.tolist(), strict=True):
        assert verdict.norm is None or verdict.norm == pytest.approx(size, rel=1e-4, abs=1e-6)
    if not saturated and name not in RANDOM and not card.minimum_norm:
        assert sum(v.fooled for v in done.result.verdicts) >= 3


def count(model: nn.Module, shard: Shard, name: str, eps: float, **settings: object) -> int:
    """Samples that fall: at `eps`, or to a minimum-norm attack at any size."""
    return sum(v.fooled for v in judge(model, shard, name, budget(ATTACKS.get(name), eps), **settings).verdicts)


@pytest.mark.parametrize("name", EVERY)
def test_logits_moved_by_a_constant_change_nothing(name):
    """The canary of torchattacks #184: its CW compares logits with zero."""
    model, shard = conv()
    card = ATTACKS.get(name)
    eps = 0.01 if card.norms[0] == "Linf" else 0.1
    assert count(Changed(model, shift=-5.0), shard, name, eps, **small(card)) == count(
        model, shard, name, eps, **small(card)
    )


#: What it takes to see that a search among pixels goes blind.
MASKED: dict[str, dict[str, object]] = {
    "onepixel": {"generations": 30, "population": 100},
    "pixle": {"rounds": 20, "tries": 10, "side": 2},
}


def masked(name: str) -> tuple[int, int]:
    """Samples that fall in float32, with logits that differ by about 10, and by 300."""
    model = LinearToy(scale=10)
    shard = shard_of(model, toy_images(12))
    card = ATTACKS.get(name)
    eps = 8.0 if card.norms[0] == "L0" else float(model.smallest(shard.images, card.norms[0]).max()) * 1.5
    settings = small(card) | {p.name: 60 for p in card.parameters if p.name == "steps"} | MASKED.get(name, {})
    given = None if card.minimum_norm else eps
    plain, scaled = (judge(m, shard, name, given, **settings).verdicts for m in (model, Changed(model, 30.0)))
    return sum(v.fooled for v in plain), sum(v.fooled for v in scaled)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EVERY if ATTACKS.get(name).masked_by_scale])
def test_what_is_said_to_be_masked_by_large_logits_is(name):
    plain, scaled = masked(name)
    assert scaled < plain


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EVERY if not ATTACKS.get(name).masked_by_scale])
def test_what_is_not_said_to_be_masked_by_large_logits_is_not(name):
    plain, scaled = masked(name)
    assert scaled >= plain


#: What an attack needs to reach a class that is not the nearest.
TARGETED: dict[str, dict[str, object]] = {
    "cw": {"c": 10, "steps": 300},
    "cw-search": {"steps": 60, "searches": 5, "lr": 0.03},
    "eadl1": {"steps": 60, "searches": 5},
    "eaden": {"steps": 60, "searches": 5},
    "jsma": {"gamma": 0.9},
    "spsa": {"samples": 64},
    "onepixel": {"generations": 30, "population": 400},
    "pixle": {"rounds": 40, "tries": 10},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EVERY if ATTACKS.get(name).targeted])
def test_a_targeted_attack_raises_the_target_above_the_true_class(name):
    """torchattacks' SPSA and PIFGSM++ lower it, where the target comes from their own map."""
    model = LinearToy().double()
    shard = shard_of(model, toy_images(6).double())
    with torch.no_grad():
        clean = model(shard.images)
    goal = Goal(shard.labels, clean.argsort(1)[:, -3])  # not the runner-up, whom an attack without a target would find
    card = ATTACKS.get(name)
    eps = float(model.boundaries(shard.images, card.norms[0]).gather(1, goal.targets[:, None]).max()) * 1.5
    eps = 12 if card.norms[0] == "L0" else eps
    settings = small(card) | {p.name: 20 for p in card.parameters if p.name == "steps"} | TARGETED.get(name, {})
    spec, program = attack(name, None if card.minimum_norm else eps, target="least-likely", **settings)
    observer = Observer(model, shard, goal, spec, SEED, freeze=False)
    program(spec, observer)
    with torch.no_grad():
        after = model(observer.recording.images)
    at = torch.arange(6)
    rise = (after - clean)[at, goal.targets] - (after - clean)[at, shard.labels]
    found = observer.recording.found
    assert bool((rise[found] > 0).all())
    assert int(found.sum()) >= 3, f"{found.tolist()} {rise.tolist()}"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EVERY if name not in BATCH_DEPENDENT])
def test_the_batch_changes_no_verdict_in_float64(name):
    model, shard = conv(7)
    card = ATTACKS.get(name)
    eps = budget(card, 0.006 if card.norms[0] == "Linf" else 0.1)
    settings = small(card) | ({"noise": 3, "steps": 10} if name == "jitter" else {})  # noise enough to turn a sign
    together = judge(model, shard, name, eps, **settings).verdicts
    for size in (1, 3):
        assert_alike(together, in_batches(model, shard, size, name, eps, **settings), rel=1e-7)


class Normed(nn.Module):
    """A model with BatchNorm and dropout, which an attack could put into training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 7)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits


def state() -> tuple[object, ...]:
    """The three global generators."""
    numpy_state = np.random.get_state()
    return random.getstate(), numpy_state[1].tolist(), numpy_state[2:], torch.get_rng_state().tolist()


@pytest.fixture(scope="module")
def normed() -> tuple[Normed, Shard]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Normed().eval()
    return model, shard_of(model, toy_images(3))


@pytest.mark.parametrize("name", EVERY)
def test_an_attack_leaves_model_gradients_and_generators_as_they_were(name, normed):
    model, shard = normed
    card = ATTACKS.get(name)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    before = state()
    judge(model, shard, name, budget(card, 0.01), **small(card))
    assert state() == before
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_an_attack_that_breaks_leaves_everything_as_it_was(normed):
    model, shard = normed
    before = state()

    def breaks(spec, observer):
        def call(images, labels):
            random.random()
            np.random.rand()
            torch.manual_seed(1)
            model.train()
            raise ValueError("no luck")

        observer.attack(call)

    spec, _ = attack("fgsm", 0.1)
    with pytest.raises(AttackError, match="fgsm broke: ValueError: no luck"):
        evaluate_shard(model, shard, spec, breaks, SEED)
    assert state() == before
    judge(model, shard, "fgsm", 0.01)
    assert not any(module.training for module in model.modules())
