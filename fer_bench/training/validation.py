"""How good a network is on the held-out images, clean and attacked, for choosing an epoch; and whether that is sane.

Scores made here choose and warn. They are not results: those are measured by the benchmark, on other images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fer_bench.training import inner_maximisation
from fer_bench.training.batches import generator_of
from fer_bench.training.inner_maximisation import Budget
from fer_bench.training.methods import Setting
from fer_bench.training.state import EpochLog

_BATCH = 250
#: PGD below this share of its best while FGSM is not: the sign of catastrophic overfitting.
_COLLAPSED = 0.5
#: FGSM this far above PGD, in accuracy.
_GAP = 0.2


@dataclass(frozen=True)
class Scores:
    """Mean scores on the held-out images: clean, under one step of size eps, under PGD."""

    clean: float
    fgsm: float
    robust: float


def judge(setting: Setting, images: torch.Tensor, targets: torch.Tensor) -> Scores:
    """Scores of the network in eval mode. The draws are the same at every epoch, so that epochs can be compared."""
    recipe, objective, network = setting.recipe, setting.objective, setting.network
    budgets = (
        Budget(recipe.eps, recipe.eps, 1, "zero"),
        Budget(recipe.eps, recipe.eps / 4, recipe.judge_steps),
    )
    sums = [0.0, 0.0, 0.0]
    with network.still(), torch.no_grad():
        for number, (batch, truth) in enumerate(
            zip(torch.split(images, _BATCH), torch.split(targets, _BATCH), strict=True)
        ):
            x, y = batch.to(network.device), truth.to(network.device)
            generator = generator_of(recipe.seed, "judge", number, network.device)
            climb: inner_maximisation.Climb = lambda z, y=y: objective.climb(network(z), y).sum()  # type: ignore[misc]  # noqa: E731
            asked = [x, *(inner_maximisation.pgd(climb, x, budget, generator) for budget in budgets)]
            for i, z in enumerate(asked):
                sums[i] += float(objective.score(network(z), y).sum())
    clean, fgsm, robust = (total / len(images) for total in sums)
    return Scores(clean, fgsm, robust)


def warnings(log: Sequence[EpochLog], classification: bool) -> list[str]:
    """What is wrong with the latest epoch, in words a user can act on; empty where nothing is."""
    latest = log[-1]
    found = []
    if not all(math.isfinite(value) for value in (latest.loss, latest.clean, latest.robust)):
        found.append(f"epoch {latest.epoch}: the loss is not finite; training has diverged. Lower --lr.")
    best = max(line.robust for line in log)
    if classification and latest.robust < _COLLAPSED * best and latest.fgsm - latest.robust > _GAP:
        found.append(
            f"epoch {latest.epoch}: catastrophic overfitting: accuracy under PGD fell to {latest.robust:.1%} (best "
            f"{best:.1%}) while under FGSM it is {latest.fgsm:.1%}. The network defends against one step only; take "
            "more --steps, a smaller --alpha or fewer --epochs. The best epoch before is kept."
        )
    return found
