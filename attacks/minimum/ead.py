"""The elastic-net attack (EAD), own implementation. Cards and programs, nothing else.

torchattacks' classes are not used: their iterate shares its memory with the clean image and drifts away with it
(by 0.16 at a weight of 10), is not reset between the runs of the search, and stops the whole batch together.
"""

from __future__ import annotations

import torch

from attacks.card import AttackCard
from attacks.minimum.cw import search_weight
from attacks.parameters import steps
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.core.threat import Norm
from fer_bench.engine.observer import Observer


def elastic_net(
    observer: Observer,
    images: torch.Tensor,
    weight: torch.Tensor,
    beta: float,
    kappa: float,
    steps: int,
    lr: float,
) -> torch.Tensor:
    """Minimises weight max(margin(x) + kappa, 0) + |x - x0|^2 + beta |x - x0|_1 by accelerated shrinkage (FISTA).

    Chen et al., AAAI 2018, arXiv:1709.04114, equations (3) to (5) and algorithm 1. Returns which samples an iterate
    fooled, `(batch,)`. Every iterate is a query.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `weight`: of each sample's margin, `(batch,)`; it stays.
    `beta`: the weight of the L1 norm beside the squared L2 norm.
    `kappa`: the margin asked for beyond the boundary.
    `steps`: of FISTA.
    `lr`: the first learning rate; it falls with the square root of the share of steps left.
    """
    ahead, last = images.clone(), images
    fooled = torch.zeros_like(weight, dtype=torch.bool)
    for step in range(steps):
        ahead.requires_grad_()
        with torch.enable_grad():
            hinge = (observer.margins(observer(ahead)) + kappa).clamp_min(0)
            loss = (weight * hinge).sum() + (ahead - images).square().sum()
            (gradient,) = torch.autograd.grad(loss, ahead)
        rate = lr * (1 - step / steps) ** 0.5
        delta = ahead.detach() - rate * gradient - images
        delta = (delta.abs() - beta).clamp_min(0) * delta.sign()
        point = (images + delta).clamp(0, 1)
        with torch.no_grad():
            fooled |= observer.margins(observer(point)) + kappa < 0
        ahead = point + (step + 1) / (step + 4) * (point - last)
        last = point
    return fooled


def _ead(spec: AttackSpec, observer: Observer) -> None:
    def run(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return elastic_net(
            observer,
            images,
            weight,
            beta=spec.number("beta"),
            kappa=spec.number("kappa"),
            steps=spec.integer("steps"),
            lr=spec.number("lr"),
        )

    search_weight(observer, spec.number("c"), spec.integer("searches"), run)


def _card(name: str, title: str, norm: Norm, beta: float, kind: str) -> AttackCard:
    return AttackCard(
        name=name,
        title=title,
        source=f"Chen et al., AAAI 2018, arXiv:1709.04114; own implementation, not torchattacks.{kind}",
        norms=(norm,),
        parameters=(
            Parameter("beta", beta, "weight of the L1 term, and the shrinkage of a step", low=0, high=1),
            Parameter("c", 0.01, "first weight of the misclassification term", low=0, high=1e6, open_low=True),
            Parameter("kappa", 0.0, "margin asked for beyond the boundary", low=0, high=1e6),
            steps(100),
            Parameter("lr", 0.01, "step of the gradient, falling", low=0, high=10, open_low=True),
            Parameter("searches", 9, "runs of the search on c, per sample", low=1, high=100),
        ),
        forwards="2 searches x steps",
        backwards="searches x steps",
        program=_ead,
        rows="own",
        freeze=False,
        record="smallest",
        targeted=True,
        status="corrected",
        notes=(
            f"torchattacks.{kind} changes the clean image that it measures against, carries its iterate over from one "
            "run of the search to the next and stops the whole batch together. This one resets each run and lets each "
            "sample search its own weight.",
            "eadl1 and eaden make the same iterates; the one keeps the smallest in L1, the other in L2 (the "
            "elastic-net distance itself is no norm).",
            "A minimum-norm attack: one cell is read at every eps.",
        ),
    )


CARDS = (
    _card("eadl1", "Elastic-net attack, smallest in L1", "L1", 0.01, "EADL1"),
    _card("eaden", "Elastic-net attack, smallest in L2", "L2", 0.001, "EADEN"),
)
