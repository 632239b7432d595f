"""Inner maximisations, masks, losses and averages of the trainer, against closed forms and plain rewritings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toys import SmallConvToy, seeded, toy_images

from fer_bench.errors import UsageError
from fer_bench.training import averaging, inner_maximisation, masks, methods
from fer_bench.training.features import default_stage, stages
from fer_bench.training.frequency_loss import focal_frequency_loss, relative_frequency_loss
from fer_bench.training.inner_maximisation import Budget
from fer_bench.training.methods import Attacked, Batch, Setting
from fer_bench.training.network import Network
from fer_bench.training.objectives import Expression, ValenceArousal, correlations
from fer_bench.training.recipe import Recipe
from models_zoo.families.slim import Slim

CPU = torch.device("cpu")
WEIGHT = seeded((1, 1, 6, 6), 3, -1, 1).float()


def climb(images: torch.Tensor) -> torch.Tensor:
    """Linear: the gradient is WEIGHT everywhere."""
    return (images * WEIGHT).sum()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def half_mask() -> torch.Tensor:
    mask = torch.zeros(2, 1, 6, 6)
    mask[..., 1] = 0.5
    mask[..., 2:] = 1
    return mask


# ------------------------------------------------------------------------------------------------ inner maximisation


def test_pgd_on_a_linear_loss_reaches_the_corner() -> None:
    images = toy_images(2, (1, 6, 6))
    found = inner_maximisation.pgd(climb, images, Budget(0.1, 0.05, 5), generator())
    torch.testing.assert_close(found, images + 0.1 * WEIGHT.sign())


def test_a_mask_on_delta_scales_the_budget() -> None:
    images = toy_images(2, (1, 6, 6))
    found = inner_maximisation.pgd(climb, images, Budget(0.1, 0.05, 5), generator(), half_mask(), "delta")
    torch.testing.assert_close(found, images + half_mask() * 0.1 * WEIGHT.sign())


def test_a_mask_on_the_step_scales_the_speed() -> None:
    """Three steps of 0.02 from zero: full mask 0.06, half mask 0.03; with many steps both reach the budget."""
    images = toy_images(2, (1, 6, 6))
    few = inner_maximisation.pgd(climb, images, Budget(0.1, 0.02, 3, "zero"), generator(), half_mask(), "step")
    torch.testing.assert_close(few, images + half_mask() * 0.06 * WEIGHT.sign())
    many = inner_maximisation.pgd(climb, images, Budget(0.1, 0.02, 20, "zero"), generator(), half_mask(), "step")
    torch.testing.assert_close(many, images + (half_mask() > 0) * 0.1 * WEIGHT.sign())


def test_images_stay_images() -> None:
    images = torch.cat([torch.zeros(1, 1, 6, 6), torch.ones(1, 1, 6, 6)])
    found = inner_maximisation.pgd(climb, images, Budget(0.3, 0.1, 4), generator())
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_the_pyramid_moves_squares_together_within_the_budget() -> None:
    """One step from zero: each level's move is the sign of its square's mean gradient; the sum is projected."""
    images = toy_images(1, (1, 16, 16))
    direction = seeded((1, 1, 16, 16), 5, -1, 1).float()
    moved = inner_maximisation.pyramid(lambda z: (z * direction).sum(), images, Budget(0.1, 0.04, 1)) - images
    coarse = F.interpolate(F.avg_pool2d(direction, 8).sign(), scale_factor=8)
    middle = F.interpolate(F.avg_pool2d(direction, 4).sign(), scale_factor=4)
    expected = (0.04 * (coarse + middle + direction.sign())).clamp(-0.1, 0.1)
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


# ------------------------------------------------------------------------------------------------------------- masks


def points() -> torch.Tensor:
    """Two faces whose eyes are 10 pixels apart; every core landmark of the first at an eye."""
    face = torch.full((2, 68, 2), 1000.0)
    face[:, 17:] = torch.tensor([8.0, 10.0])
    face[:, 42:48] = torch.tensor([18.0, 10.0])
    return face


def test_the_mask_is_a_bump_on_each_landmark() -> None:
    mask = masks.landmark_masks(points(), 24, 24, sigma=0.25)[0, 0]
    assert float(mask[10, 8]) == pytest.approx(1)
    assert float(mask[10, 18]) == pytest.approx(1)
    assert float(mask[14, 8]) == pytest.approx(math.exp(-16 / (2 * 2.5**2)))
    assert float(mask[10, 13]) == pytest.approx(math.exp(-25 / (2 * 2.5**2))), "the nearer of two, not their sum"


def test_a_moved_mask_is_the_same_mask_elsewhere() -> None:
    own = masks.landmark_masks(points(), 24, 24)
    found = masks.moved(own, generator())
    assert not torch.equal(found, own)
    torch.testing.assert_close(found.flatten(1).sort().values, own.flatten(1).sort().values)


def test_grad_cam_of_a_linear_head() -> None:
    """logit_y = sum_k W_yk mean(A_k): the weights are W_yk / (h w), and the scale cancels."""
    maps = seeded((2, 3, 4, 4), 0, -1, 1).float()
    head = seeded((7, 3), 1, -1, 1).float()
    labels = torch.tensor([2, 5])

    def forward(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own = maps + 0 * images.sum()
        return own.mean((2, 3)) @ head.T, own

    found = masks.cam_masks(forward, torch.zeros(2, 1, 4, 4), labels)
    raw = F.relu((head[labels][:, :, None, None] * maps).sum(1, keepdim=True))
    torch.testing.assert_close(found, raw / raw.amax((2, 3), keepdim=True))


def test_the_floor_lifts_the_lowest_and_leaves_the_top() -> None:
    assert masks.with_floor(torch.tensor([0.0, 0.5, 1.0]), 0.2).tolist() == pytest.approx([0.2, 0.6, 1.0])


# ------------------------------------------------------------------------------------------------------------ losses


def setting(method: str, **fields: object) -> Setting:
    recipe = Recipe(method=method, steps=2, mask="none", stage="layers.2", **fields)  # type: ignore[arg-type]
    return Setting(Network(SmallConvToy(), CPU, "float32", recipe.stage), Expression(), recipe)


def attacked() -> Attacked:
    batch = Batch(toy_images(4, (1, 16, 16)), torch.tensor([0, 1, 2, 3]), None, generator())
    return Attacked(batch, (batch.images + 0.05).clamp(0, 1))


def probabilities(given: Setting, images: torch.Tensor | None) -> torch.Tensor:
    assert images is not None
    return F.softmax(given.network.model(images), 1)


def test_the_loss_of_trades() -> None:
    given, pair = setting("trades", beta=3.0), attacked()
    p, q = probabilities(given, pair.batch.images), probabilities(given, pair.images)
    divergence = (p * (p / q).log()).sum(1).mean()
    expected = -p[range(4), range(4)].log().mean() + 3 * divergence
    torch.testing.assert_close(methods.loss(given, pair), expected, atol=1e-5, rtol=1e-4)


def test_the_loss_of_mart() -> None:
    given, pair = setting("mart", beta=3.0), attacked()
    p, q = probabilities(given, pair.batch.images), probabilities(given, pair.images)
    expected = torch.zeros(())
    for i in range(4):
        wrong = max(float(q[i, k].detach()) for k in range(7) if k != i)
        expected = expected - q[i, i].log() - math.log(1 - wrong)
        expected = expected + 3 * (p[i] * (p[i] / q[i]).log()).sum() * (1 - p[i, i])
    torch.testing.assert_close(methods.loss(given, pair), expected / 4, atol=1e-5, rtol=1e-4)


def test_the_loss_of_faat() -> None:
    given, pair = setting("faat", clean_weight=0.25, freq_weight=5.0), attacked()
    assert pair.images is not None
    model = given.network.model
    maps = [model.layers[:3](2 * (z - 0.5)) for z in (pair.batch.images, pair.images)]  # type: ignore[operator, index]
    p, q = probabilities(given, pair.batch.images), probabilities(given, pair.images)
    own, other = -p[range(4), range(4)].log().mean(), -q[range(4), range(4)].log().mean()
    expected = other + 0.25 * own + 5 * focal_frequency_loss(maps[0], maps[1])
    torch.testing.assert_close(methods.loss(given, pair), expected, atol=1e-5, rtol=1e-4)
    off = replace(given, recipe=replace(given.recipe, freq=False))
    torch.testing.assert_close(methods.loss(off, pair), other + 0.25 * own, atol=1e-5, rtol=1e-4)


def test_the_frequency_loss_of_faat_can_be_relative() -> None:
    given, pair = setting("faat", freq_weight=5.0, freq_scale="relative"), attacked()
    assert pair.images is not None
    model = given.network.model
    maps = [model.layers[:3](2 * (z - 0.5)) for z in (pair.batch.images, pair.images)]  # type: ignore[operator, index]
    without = methods.loss(replace(given, recipe=replace(given.recipe, freq=False)), pair)
    expected = without + 5 * relative_frequency_loss(maps[0], maps[1])
    torch.testing.assert_close(methods.loss(given, pair), expected, atol=1e-5, rtol=1e-4)


def test_faat_with_the_outer_loss_of_trades_is_trades_and_the_frequency_loss() -> None:
    """Loss and adversarial images; without mask and frequency loss both are those of TRADES itself."""
    given, pair = setting("faat", outer="trades", beta=3.0, freq_weight=5.0), attacked()
    assert pair.images is not None
    plain = setting("trades", beta=3.0)
    plain.network.model.load_state_dict(given.network.model.state_dict())
    model = given.network.model
    maps = [model.layers[:3](2 * (z - 0.5)) for z in (pair.batch.images, pair.images)]  # type: ignore[operator, index]
    expected = methods.loss(plain, pair) + 5 * focal_frequency_loss(maps[0], maps[1])
    torch.testing.assert_close(methods.loss(given, pair), expected, atol=1e-5, rtol=1e-4)
    found = [methods.attack(one, replace(pair.batch, generator=generator())).images for one in (given, plain)]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)  # one step is 0.008
    assert "beta=3.0" in given.recipe.describe()
    assert "clean_weight" not in given.recipe.describe()


@pytest.mark.parametrize("method", ["pgd-at", "fgsm-rs", "trades", "mart", "pyramid-at", "faat"])
def test_adversarial_images_are_in_the_budget_and_hurt(method: str) -> None:
    given, batch = setting(method, eps=0.05), attacked().batch
    given.network.model.train()
    found = methods.attack(given, batch).images
    assert found is not None
    assert float((found - batch.images).abs().max()) <= 0.05 + 1e-6
    assert given.network.model.training, "the attack's eval mode ends with it"
    losses = [F.cross_entropy(given.network(z), batch.targets) for z in (batch.images, found)]
    assert losses[1].item() > losses[0].item()


def test_standard_training_looks_for_nothing() -> None:
    assert methods.attack(setting("standard"), attacked().batch).images is None


def test_valence_and_arousal_losses() -> None:
    """Two points off by a constant: PCC 1, CCC = 2 v / (2 v + gap^2), v the variance."""
    targets = torch.tensor([[0.0, -0.5], [0.4, 0.5]])
    outputs = targets + 0.1
    pearson, concordance = correlations(outputs, targets)
    assert pearson.tolist() == pytest.approx([1, 1])
    expected = [2 * v / (2 * v + 0.01) for v in (0.04, 0.25)]
    assert concordance.tolist() == pytest.approx(expected)
    assert float(ValenceArousal(False).loss(outputs, targets)) == pytest.approx(0.02)
    assert float(ValenceArousal(True).loss(outputs, targets)) == pytest.approx(0.02 + 0.5 * (1 - sum(expected) / 2))


def test_what_has_no_form_for_regression_is_refused() -> None:
    with pytest.raises(UsageError, match="mart"):
        Recipe(method="mart").fits("va")
    with pytest.raises(UsageError, match="cam"):
        Recipe(method="faat", mask="cam").fits("va")
    Recipe(method="trades").fits("va")


@pytest.mark.parametrize(("field", "value"), [("method", "fat"), ("eps", -1.0), ("steps", 0), ("mask", "face")])
def test_a_recipe_refuses_what_makes_no_sense(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"--{field} {value}"):
        Recipe(**{field: value})  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------- averages


def test_the_average_forgets_its_start() -> None:
    model = nn.Linear(1, 1, bias=False)
    mean = {"weight": torch.full((1, 1), 5.0)}
    for step, value in enumerate((1.0, 2.0)):
        with torch.no_grad():
            model.weight.fill_(value)
        averaging.average(mean, model, 0.99, step)
    first = 5 * 0.1 + 1 * 0.9
    assert float(mean["weight"]) == pytest.approx(first * 2 / 11 + 2 * 9 / 11)


def test_awp_climbs_by_a_fraction_of_the_norm_and_leaves_no_trace() -> None:
    model = nn.Linear(3, 2)
    before = averaging.snapshot(model)
    gradient = seeded((2, 3), 0, -1, 1).float()
    with averaging.perturbed(model, lambda: (model.weight * gradient).sum() + model.bias.sum(), 0.1):
        move = model.weight.detach() - before["weight"]
        torch.testing.assert_close(move, 0.1 * before["weight"].norm() * gradient / gradient.norm())
        assert torch.equal(model.bias, before["bias"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_slim_network_and_its_stages() -> None:
    network = Slim(7)
    image = torch.zeros(1, 1, 48, 48)
    found = stages(network, image)
    assert [found[f"stage{i}"] for i in (1, 2, 3)] == [(32, 12, 12), (64, 6, 6), (128, 3, 3)]
    assert default_stage(network, image).startswith("stage2")
    assert 300_000 <= sum(p.numel() for p in network.parameters()) <= 1_000_000
