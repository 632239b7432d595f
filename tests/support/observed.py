"""One attack on one shard under the Observer, and a model whose answers are known in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import LinearToy

from attacks import ATTACKS
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.outcome import ShardResult, Verdict
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.shard import Shard

SEED = 7


def shard_of(model: nn.Module, images: torch.Tensor, wrong: int = 0) -> Shard:
    """`images` with the model's own predictions as labels, but for the first `wrong`."""
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % 7
    return Shard(images, labels, tuple(f"{i:04d}" for i in range(len(images))))


def attack(name: str, eps: float | None = None, **settings: object) -> tuple[AttackSpec, object]:
    card = ATTACKS.get(name)
    return card.spec({key: str(value) for key, value in settings.items()}, eps), card.program


def judge(model: nn.Module, shard: Shard, name: str, eps: float | None = None, **settings: object) -> ShardResult:
    spec, program = attack(name, eps, **settings)
    return evaluate_shard(model, shard, spec, program, SEED).result


def in_batches(model: nn.Module, shard: Shard, size: int, name: str, eps: float | None, **settings: object) -> list:
    verdicts = []
    for start in range(0, len(shard.ids), size):
        part = slice(start, start + size)
        verdicts += judge(
            model, Shard(shard.images[part], shard.labels[part], shard.ids[part]), name, eps, **settings
        ).verdicts
    return verdicts


def assert_alike(some: Sequence[Verdict], others: Sequence[Verdict], rel: float) -> None:
    """The same verdicts at the same cost, with norms that differ by no more than rounding.

    A batch of another size sums in another order. What the tests are after, a draw, a direction or a stopping rule that
    depends on the batch, changes queries or predictions, or norms by more than a part in a hundred.
    """
    for one, other in zip(some, others, strict=True):
        assert replace(one, norm=None) == replace(other, norm=None)
        assert (one.norm or 0) == pytest.approx(other.norm or 0, rel=rel)


class TwoWays(LinearToy):
    """A linear model, double, whose classes 2 to 6 are out of reach.

    Between the two classes left the sign of any loss's gradient is that of w_1 - w_0: every Linf gradient attack is
    exact, and `smallest` is its closed form.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed=seed)
        with torch.no_grad():
            self.weight[2:] = 0
            self.bias[2:] = -50
        self.double()
