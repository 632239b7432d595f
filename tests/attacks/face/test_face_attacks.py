"""The attacks made for faces, each against the optimum of its own threat on a linear model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from observed import SEED, TwoWays, assert_alike, attack, in_batches, judge, shard_of
from scipy.optimize import linprog
from torch import nn
from toys import LinearToy, SmallConvToy, seeded, toy_images

from attacks import choose_attacks
from attacks.corruptions.cards import corrupted
from attacks.corruptions.functions import CORRUPTIONS
from attacks.face.band_pgd import band, filtered, into_ball
from attacks.face.cam import grad_cam
from attacks.face.pyramid import cells
from fer_bench.engine.goals import Goal
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.observer import Observer
from fer_bench.errors import AttackError, UsageError

# ------------------------------------------------------------------------------------------ class-activation-map masks


class ConvLinear(nn.Module):
    """Logits linear in the image, through one convolution: z_k = sum of p_k * conv_k(x - 1/2); two classes in reach."""

    def __init__(self, side: int = 10, channels: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 7, 3, padding=1, bias=False)
        self.places = nn.Parameter(seeded((7, side, side), 5, -0.6, 1.0))
        self.bias = nn.Parameter(torch.tensor([0.0, 0, -50, -50, -50, -50, -50]))
        with torch.no_grad():
            self.conv.weight.copy_(seeded(self.conv.weight.shape, 6, -1, 1))
            self.conv.weight[2:] = 0
        self.double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (self.conv(images - 0.5) * self.places).sum((2, 3)) + self.bias

    def difference(self, images: torch.Tensor) -> torch.Tensor:
        """Gradient of z_1 - z_0, the same at every image: `(1, channels, height, width)`."""
        point = images[:1].clone().requires_grad_()
        logits = self(point)
        (slope,) = torch.autograd.grad(logits[0, 1] - logits[0, 0], point)
        return slope

    def cam(self, images: torch.Tensor) -> torch.Tensor:
        """Grad-CAM by hand: the class's own map alone has a slope, whose mean only scales it."""
        with torch.no_grad():
            own = self(images).argmax(1)
            assert bool((self.places.mean((1, 2))[own] > 0).all())
            found = self.conv(images - 0.5)[torch.arange(len(images)), own][:, None].clamp_min(0)
            return found / found.amax((2, 3), keepdim=True)


def smallest_masked(model: ConvLinear, images: torch.Tensor) -> torch.Tensor:
    """Smallest eps at which moving every pixel by eps x mask changes the class: |z_1 - z_0| / sum(mask |w_1 - w_0|)."""
    with torch.no_grad():
        logits = model(images)
    reach = (model.cam(images) * model.difference(images).abs()).sum((1, 2, 3))
    return (logits[:, 1] - logits[:, 0]).abs() / reach


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "settings"),
    [("fgsm-cam", {}), ("pgd-cam", {"steps": 20}), ("pyramid-cam", {"steps": 30})],
)
def test_a_masked_attack_reaches_the_optimum_over_its_mask_and_no_more(name, settings, channels):
    model = ConvLinear(channels=channels)
    shard = shard_of(model, toy_images(20, (channels, 10, 10)).double())
    smallest = smallest_masked(model, shard.images)
    eps = float(smallest.median())
    spec, program = attack(name, eps, **settings)
    done = evaluate_shard(model, shard, spec, program, SEED)
    fooled = torch.tensor([v.fooled for v in done.result.verdicts])
    assert bool(fooled[smallest * 1.02 <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert 0 < int(fooled.sum()) < 20
    moved = (done.images - shard.images).abs()
    assert bool((moved <= eps * model.cam(shard.images) + 1e-9).all())


def test_the_mask_is_enlarged_from_the_last_feature_map_and_its_largest_value_is_one():
    """Independent: hooks set by hand on the last convolution of a smooth net, weights by hand."""
    model = SmallConvToy().double()
    shard = shard_of(model, toy_images(5, (1, 16, 16)).double())
    spec, _ = attack("pgd-cam", 0.1)
    observer = Observer(model, shard, Goal(shard.labels), spec, SEED)
    masks: list[torch.Tensor] = []
    observer.attack(lambda images, labels: masks.append(grad_cam(observer, images)))
    features = model.layers((shard.images - 0.5) * 2).detach().requires_grad_()
    pooled = F.adaptive_avg_pool2d(features, (4, 4))
    score = (8.0 * model.head(pooled.flatten(1))).amax(1).sum()
    (slope,) = torch.autograd.grad(score, features)
    expected = F.relu((slope.mean((2, 3), keepdim=True) * features.detach()).sum(1, keepdim=True))
    expected = F.interpolate(expected, (16, 16), mode="bilinear")
    assert torch.allclose(masks[0], expected / expected.amax((2, 3), keepdim=True), atol=1e-12)
    assert torch.allclose(masks[0].amax((1, 2, 3)), torch.ones(5).double(), atol=1e-12)
    assert not model.layers[0]._forward_hooks


def test_a_model_without_a_convolution_is_refused_in_one_line():
    model = TwoWays()
    with pytest.raises(AttackError, match=r"pgd-cam needs a model with a convolutional feature map.*Use pgd") as error:
        judge(model, shard_of(model, toy_images(2).double()), "pgd-cam", 0.1)
    assert "\n" not in str(error.value)


def test_where_nothing_speaks_for_the_class_the_mask_is_everywhere():
    model = ConvLinear()
    with torch.no_grad():
        model.places.neg_()
        model.conv.weight.abs_()
    shard = shard_of(model, toy_images(4, (1, 10, 10), low=0.6, high=0.9).double())
    spec, _ = attack("pgd-cam", 0.1)
    observer = Observer(model, shard, Goal(shard.labels), spec, SEED)
    masks: list[torch.Tensor] = []
    observer.attack(lambda images, labels: masks.append(grad_cam(observer, images)))
    assert torch.equal(masks[0], torch.ones(4, 1, 10, 10).double())


# ----------------------------------------------------------------------------------------------------------- pyramid


def test_the_cells_are_the_papers_at_its_resolution_and_scale_with_the_image():
    assert cells(224, 224) == (32, 16, 1)
    assert cells(48, 60) == (7, 3, 1)
    assert cells(8, 8) == (1,)


@pytest.mark.parametrize("side", [8, 21])
def test_pyramid_reaches_every_corner_of_the_ball(side):
    """The optimum on a linear model is eps times the sign of a pixel's own weight, against its cell's if need be."""
    model = LinearToy(1, side, side)
    with torch.no_grad():
        model.weight[2:] = 0
        model.bias[2:] = -50
    model.double()
    shard = shard_of(model, toy_images(20, (1, side, side)).double())
    smallest = model.smallest(shard.images, "Linf")
    eps = float(smallest.median())
    fooled = torch.tensor([v.fooled for v in judge(model, shard, "pyramid", eps, steps=30).verdicts])
    assert bool(fooled[smallest * 1.02 <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())


# ------------------------------------------------------------------------------------------------------- frequencies


def best_in_band(weights: np.ndarray, kept: torch.Tensor) -> float:
    """Largest w . delta over perturbations of the band with |delta| <= 1: a linear program over the 64 pixels."""
    basis = torch.eye(64, dtype=torch.float64).reshape(64, 1, 8, 8)
    outside = (basis - filtered(basis, kept)).reshape(64, 64).numpy()
    found = linprog(-weights, A_eq=outside, b_eq=np.zeros(64), bounds=(-1, 1), method="highs")
    assert found.success
    return -float(found.fun)


@pytest.mark.parametrize("name", ["pgd-low", "pgd-high"])
@pytest.mark.parametrize("radius", [0.3, 0.6])
def test_a_band_attack_comes_near_the_optimum_of_its_band_and_not_beyond(name, radius):
    model = TwoWays()
    shard = shard_of(model, toy_images(20).double())
    kept = band(8, 8, radius, name == "pgd-high", shard.images)
    weights = (model.weight[1] - model.weight[0]).detach().numpy()
    with torch.no_grad():
        logits = model(shard.images)
    smallest = (logits[:, 1] - logits[:, 0]).abs() / best_in_band(weights, kept)
    eps = float(smallest.median())
    spec, program = attack(name, eps, steps=30, radius=radius)
    done = evaluate_shard(model, shard, spec, program, SEED)
    fooled = torch.tensor([v.fooled for v in done.result.verdicts])
    assert bool(fooled[smallest * 1.1 <= eps].all())
    assert not bool(fooled[smallest > eps * (1 + 1e-6)].any())
    assert 0 < int(fooled.sum()) < 20
    moved = done.images[fooled] - shard.images[fooled]
    assert float((moved - filtered(moved, kept)).abs().max()) < 1e-9
    assert float(moved.abs().max()) <= eps * (1 + 1e-9)


@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (13, 6)])
def test_the_bands_share_the_spectrum_out(shape):
    image = toy_images(2, (3, *shape)).double()
    low, high = (filtered(image, band(*shape, 0.4, side, image)) for side in (False, True))
    assert torch.allclose(low + high, image, atol=1e-12)
    assert float((low * high).sum().abs()) < 1e-9
    assert torch.allclose(low.mean((2, 3)), image.mean((2, 3)))
    assert torch.allclose(filtered(low, band(*shape, 0.4, False, image)), low, atol=1e-12)


def test_a_cosine_is_in_the_band_of_its_own_frequency():
    x = torch.arange(16.0).double()
    wave = torch.cos(2 * torch.pi * 3 * x / 16).expand(1, 1, 16, 16)  # 3 / 8 of Nyquist
    assert torch.allclose(filtered(wave, band(16, 16, 3 / 8, False, wave)), wave, atol=1e-12)
    assert float(filtered(wave, band(16, 16, 0.37, False, wave)).abs().max()) < 1e-12
    both = wave * wave.transpose(2, 3)  # both axes: radius 3 / 8 times the root of 2
    assert float(filtered(both, band(16, 16, 0.5, False, wave)).abs().max()) < 1e-12
    assert torch.allclose(filtered(both, band(16, 16, 0.54, False, wave)), both, atol=1e-12)


def test_the_projection_is_in_the_band_and_in_the_ball_and_leaves_what_is_already_there():
    kept = band(12, 12, 0.5, False, toy_images(1).double())
    rough = seeded((4, 1, 12, 12), 3, -1, 1)
    inside = into_ball(rough, kept, 0.2)
    assert float(inside.abs().max()) <= 0.2 * (1 + 1e-12)
    assert torch.allclose(filtered(inside, kept), inside, atol=1e-12)
    assert torch.allclose(into_ball(inside * 0.5, kept, 0.2), inside * 0.5, atol=1e-12)
    assert torch.equal(into_ball(torch.zeros_like(rough), kept, 0.2), torch.zeros_like(rough))


# ------------------------------------------------------------------------------------------------------ what all keep


@pytest.mark.parametrize("name", ["fgsm-cam", "pgd-cam", "pyramid-cam", "pyramid", "pgd-low", "pgd-high"])
def test_the_batch_changes_no_verdict(name):
    model = SmallConvToy(gain=20).double()
    shard = shard_of(model, toy_images(9, (1, 16, 16)).double(), wrong=1)
    settings = {} if name == "fgsm-cam" else {"steps": 4}

    eps = 0.015 if name == "pgd-low" else 0.008
    nine, two = (in_batches(model, shard, size, name, eps, **settings) for size in (9, 2))
    assert_alike(nine, two, rel=1e-9)
    assert len({v.fooled for v in nine[1:]}) == 2


# -------------------------------------------------------------------------------------------------------- corruptions


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_judged_on_its_one_image_in_8_bits_whatever_the_batch(name, channels):
    model = LinearToy(channels, 12, 20)
    pixels = (toy_images(6, (channels, 12, 20), low=0.1, high=0.9) * 255).round() / 255
    shard = shard_of(model, pixels)
    spec, program = attack(name, 4)
    done = evaluate_shard(model, shard, spec, program, SEED)
    fooled = [v.fooled for v in done.result.verdicts]
    alone = [evaluate_shard(model, shard.take([i]), spec, program, SEED) for i in range(6)]
    assert [part.result.verdicts[0].fooled for part in alone] == fooled
    assert [v.forwards for v in done.result.verdicts] == [4 if hit else 2 for hit in fooled]
    for i, verdict in enumerate(done.result.verdicts):
        if verdict.fooled:
            assert verdict.norm == 4
            assert torch.allclose(done.images[i], alone[i].images[0], atol=1e-6)  # another draw: grey levels of 0.004
            assert torch.allclose((done.images[i] * 255).round() / 255, done.images[i], atol=1e-6)
            assert verdict.eight_bit


def test_corruptions_are_asked_for_together_or_by_level():
    chosen = choose_attacks("corruptions", "severity:1,severity:5")
    assert len(chosen) == 36
    assert {a.spec.name for a in chosen} == set(CORRUPTIONS)
    assert {a.spec.threat.eps for a in chosen} == {1.0, 5.0}
    assert [a.spec.threat.eps for a in choose_attacks("gaussian-noise(severity=2),jpeg")] == [2.0, 3.0]
    assert len(choose_attacks("corruptions(severity=4)")) == 18
    for wrong in ("jpeg(severity=6)", "jpeg(severity=2.5)", "jpeg(severity=0)"):
        with pytest.raises(UsageError, match="a whole number from 1 to 5"):
            choose_attacks(wrong)


def test_the_noise_of_a_sample_is_its_own():
    images = torch.full((3, 1, 10, 10), 0.5)
    first = corrupted("gaussian-noise", images, 1, torch.tensor([1, 2, 1]))
    assert torch.equal(first[0], first[2])  # numpy is asked for each image by itself: the very same call
    assert torch.equal(first[0], corrupted("gaussian-noise", images[:1], 1, torch.tensor([1]))[0])
    assert not torch.equal(first[0], first[1])
