"""Models on which plain torchattacks says something wrong, and this package does not. Each test shows both."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from attack_battery import Changed
from observed import SEED, TwoWays, judge, shard_of
from torch import nn
from toys import LinearToy, SmallConvToy, toy_images

from attacks import choose_attacks
from fer_bench.engine.job import CellJob, Stage
from fer_bench.engine.local import run_cell
from fer_bench.engine.shard import Shard

CPU = torch.device("cpu")
SMALL_STANDARD = "standard(apgd-ce.steps=10,apgd-t.steps=10,fab-t.steps=10,square.queries=50,eps={eps!r})"


def plainly(model: nn.Module, shard: Shard, *attacks: torchattacks.Attack) -> int:
    """Samples that some image returned by torchattacks, used as its README says, fools."""
    fooled = torch.zeros(len(shard.ids), dtype=torch.bool)
    for attack in attacks:
        images = attack(shard.images, shard.labels)
        with torch.no_grad():
            fooled |= model(images).argmax(1) != shard.labels
    return int(fooled.sum())


def standard(model: nn.Module, shard: Shard, eps: float) -> int:
    """Samples that fall to the suite `standard`."""
    (suite,) = choose_attacks(SMALL_STANDARD.format(eps=eps))
    job = CellJob(tuple(Stage(part.spec, part.program, SEED) for part in suite.stages), shard)
    parts = run_cell(job, model, range(len(shard.ids)), CPU)
    return sum(v.fooled for part in parts for v in part.verdicts)


def frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


@pytest.mark.slow
def test_logits_moved_down_blind_torchattacks_cw_and_not_ours():
    """torchattacks #184: its CW compares logits with zero, so that a shift by -5 is enough."""
    model = frozen(SmallConvToy(gain=20))
    shifted = Changed(model, shift=-5.0)
    shard = shard_of(model, toy_images(16, (1, 16, 16)))
    assert plainly(model, shard, torchattacks.CW(model, c=1, steps=60, lr=0.01)) == 16
    assert plainly(shifted, shard, torchattacks.CW(shifted, c=1, steps=60, lr=0.01)) == 0
    for name in ("cw", "cw-search"):
        ours, moved = (judge(m, shard, name, steps=60).verdicts for m in (model, shifted))
        assert all(v.fooled for v in (*ours, *moved))
        assert [v.norm for v in moved] == pytest.approx([v.norm for v in ours], rel=1e-2)


def test_logits_times_a_hundred_blind_a_set_of_cross_entropy_attacks_and_not_the_suite():
    model = frozen(LinearToy(scale=10))
    scaled = Changed(model, 100.0)
    shard = shard_of(model, toy_images(16))
    eps = float(model.smallest(shard.images, "Linf").max()) * 1.25

    def cross_entropy(target: nn.Module) -> int:
        iterated = {"eps": eps, "alpha": eps / 4, "steps": 20}
        return plainly(
            target,
            shard,
            torchattacks.FGSM(target, eps=eps),
            torchattacks.BIM(target, **iterated),
            torchattacks.PGD(target, **iterated),
            torchattacks.MIFGSM(target, **iterated),
        )

    assert cross_entropy(model) == 16
    assert cross_entropy(scaled) <= 8
    assert standard(model, shard, eps) == standard(scaled, shard, eps) == 16


class Cubed(TwoWays):
    """A margin that is the cube of a linear one: flat on its boundary, so that every linear estimate falls short."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = super().forward(images)
        cube = (logits[:, 0] - logits[:, 1]) ** 3
        return torch.cat([cube[:, None], -cube[:, None], logits[:, 2:]], 1)


@pytest.mark.slow
def test_deepfool_crosses_the_boundary_and_torchattacks_stalls_on_it():
    """Its overshoot lengthens each step by 2 %, of a distance that shrinks with it: it comes close and never across."""
    model = frozen(Cubed())
    shard = shard_of(model, toy_images(24).double())
    attack = torchattacks.DeepFool(model, steps=50, overshoot=0.02)
    assert plainly(model, shard, attack) == 0
    stalled = model(attack(shard.images, shard.labels))
    assert float((stalled[:, 0] - stalled[:, 1]).abs().max()) < 1e-9
    smallest = TwoWays().smallest(shard.images, "L2").tolist()  # the cube of a margin is 0 where the margin is
    for size in (1, 7, 24):
        rows = torch.arange(24).split(size)
        verdicts = [v for part in rows for v in judge(model, shard.at(part), "deepfool").verdicts]
        assert all(v.fooled for v in verdicts)
        assert all(least <= v.norm <= 1.03 * least + 1e-4 for v, least in zip(verdicts, smallest, strict=True))


def test_seven_classes_break_torchattacks_autoattack_and_not_ours():
    model = frozen(SmallConvToy(gain=20))
    shard = shard_of(model, toy_images(8, (1, 16, 16)))
    with pytest.raises(IndexError):
        torchattacks.AutoAttack(model, norm="Linf", eps=0.005)(shard.images, shard.labels)
    assert 0 < standard(model, shard, 0.005) <= 8
