"""Carlini and Wagner's L2 attack, own implementation. Card and program, nothing else.

torchattacks.CW is not used: it clamps logits at zero, so that shifting all logits of a model by -5 takes its success
from 100 % to 0; it never moves a pixel that is exactly 0 or 1; and it stops the whole batch as soon as the batch's
summed cost rises, so that a sample's verdict depends on its neighbours.
"""

from __future__ import annotations

import torch

from attacks.card import AttackCard
from attacks.gradient import steps
from fer_bench.observer import Observer
from fer_bench.types import AttackSpec, Parameter

#: Pixels are squeezed into [SQUEEZE, 1 - SQUEEZE], where the inverse tanh is finite and its slope is not zero.
SQUEEZE = 1e-6


def carlini_wagner_l2(
    observer: Observer,
    images: torch.Tensor,
    c: float,
    kappa: float,
    steps: int,
    lr: float,
) -> None:
    """Minimises |x - x0|^2 + c max(margin(x) + kappa, 0) over w, x = (tanh(w) + 1) / 2, with Adam.

    Carlini and Wagner, S&P 2017, arXiv:1608.04644, section VI-A, with c fixed; the margin is the Observer's, negative
    where the attack has succeeded, so that it serves targeted goals too. `images` `(batch, channels, height,
    width)` in [0, 1]. A sample stops, for itself alone, when its best cost has not fallen for `patience(steps)` steps
    (the authors' code stops at the first rise between checks; while Adam still swings, that is too early). Every
    iterate is a query, so the Observer keeps the smallest that fools.
    """
    w = torch.atanh(images.clamp(SQUEEZE, 1 - SQUEEZE) * 2 - 1)
    moment, second_moment = torch.zeros_like(w), torch.zeros_like(w)
    best_cost = torch.full_like(images[:, 0, 0, 0], torch.inf)
    waited = torch.zeros_like(best_cost)
    for step in range(1, steps + 1):
        w.requires_grad_()
        with torch.enable_grad():
            adversarial = (torch.tanh(w) + 1) / 2
            size = (adversarial - images).square().flatten(1).sum(1)
            hinge = (observer.margins(observer(adversarial)) + kappa).clamp_min(0)
            cost = size + c * hinge
            (gradient,) = torch.autograd.grad(cost.sum(), w)
        w = w.detach()
        moment = 0.9 * moment + 0.1 * gradient
        second_moment = 0.999 * second_moment + 0.001 * gradient.square()
        rate = lr * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
        w = w - rate * moment / (second_moment.sqrt() + 1e-8)
        fell = cost.detach() < best_cost
        best_cost = torch.where(fell, cost.detach(), best_cost)
        waited = torch.where(fell, 0, waited + 1)
        going = waited < patience(steps)
        if not bool(going.all()):
            if not bool(going.any()):
                return
            observer.narrow(going)
            w, images = w[going], images[going]
            moment, second_moment = moment[going], second_moment[going]
            best_cost, waited = best_cost[going], waited[going]


def patience(steps: int) -> int:
    """Steps without a lower cost after which a sample stops: half of all, at least 10."""
    return max(steps // 2, 10)


def _cw(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        carlini_wagner_l2(
            observer,
            images,
            c=spec.number("c"),
            kappa=spec.number("kappa"),
            steps=spec.integer("steps"),
            lr=spec.number("lr"),
        )

    observer.attack(call, rows="own", freeze=False)


CARDS = (
    AttackCard(
        name="cw",
        title="Carlini and Wagner, L2, fixed c",
        source="Carlini and Wagner, S&P 2017, arXiv:1608.04644; own implementation",
        norms=("L2",),
        parameters=(
            Parameter("c", 1.0, "weight of the misclassification term", low=0, high=1e6, open_low=True),
            Parameter("kappa", 0.0, "margin asked for beyond the boundary", low=0, high=1e6),
            steps(200),
            Parameter("lr", 0.01, "learning rate of Adam", low=0, high=10, open_low=True),
        ),
        forwards="steps",
        backwards="steps",
        program=_cw,
        targeted=True,
        regressors="tolerance",
        rows="own",
        freeze=False,
        record="smallest",
        status="corrected",
        notes=(
            "torchattacks.CW reports 100 % robust accuracy for any model whose logits are negative (a shift by -5 "
            "or a log-softmax head is enough), leaves pixels of exactly 0 or 1 in place, and stops a whole batch "
            "when its summed cost rises. This one takes margins of any sign, squeezes pixels into [1e-6, 1 - 1e-6] "
            "and stops each sample by its own cost.",
            "A minimum-norm attack: one cell is read at every L2 eps.",
        ),
    ),
)
