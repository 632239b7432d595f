"""Fast minimum-norm attacks on the margin and on the cross-entropy: FMN and DDN, own implementations. Cards, programs.

The adv-lib package has both, but importing its DDN needs visdom (a web server), its FMN counts an L0 budget in channel
values where ours counts pixels, and its L2 projection stretches a perturbation that is inside the ball already.
"""

from __future__ import annotations

import math

import torch

from attacks.card import AttackCard
from attacks.parameters import steps
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.norms import norms, onto_ball
from fer_bench.engine.observer import Observer

#: Norm of the gradient that measures a distance in the norm of the perturbation.
_DUAL = {"Linf": "L1", "L2": "L2", "L1": "Linf"}


def _wide(values: torch.Tensor) -> torch.Tensor:
    """`(batch,)` as `(batch, 1, 1, 1)`."""
    return values[:, None, None, None]


def _unit(gradient: torch.Tensor) -> torch.Tensor:
    """Each row divided by its L2 norm; a row of zeros stays.

    By its largest entry first: the squares of a confident model's gradient are below the smallest float32.
    """
    scaled = gradient / _wide(norms(gradient, "Linf").clamp_min(1e-38))
    return scaled / _wide(norms(scaled, "L2").clamp_min(1e-12))


def fast_minimum_norm(
    observer: Observer,
    images: torch.Tensor,
    norm: str,
    steps: int,
    alpha: float,
    gamma: float,
) -> torch.Tensor:
    """Follows the gradient of the margin inside a ball whose radius closes in on the boundary.

    Pintor et al., NeurIPS 2021, arXiv:2102.12827, algorithm 1: the radius shrinks by 1 - gamma where the point fools
    and grows by 1 + gamma where it does not; before the first success it is the linear estimate of the distance,
    lengthened by 1 + gamma too, because on the boundary itself the estimate stands still. Returns the last point, which
    has not been asked about.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `norm`: "L2", "Linf", "L1" or "L0".
    `steps`: so many.
    `alpha`: the L2 length of the first step; down to a hundredth of it along a cosine.
    `gamma`: by what part the radius changes at first; down to 0.001 along a cosine.
    """
    delta = torch.zeros_like(images)
    widest = norms(torch.maximum(images, 1 - images), norm)
    best = widest.clone()
    eps = torch.ones_like(widest) if norm == "L0" else torch.full_like(widest, torch.inf)
    found = torch.zeros_like(widest, dtype=torch.bool)
    for step in range(steps):
        share = (1 + math.cos(math.pi * step / steps)) / 2
        rate, pull = alpha / 100 + alpha * 0.99 * share, 0.001 + max(gamma - 0.001, 0) * share
        point = (images + delta).requires_grad_()
        with torch.enable_grad():
            margin = observer.margins(observer(point))
            (gradient,) = torch.autograd.grad(margin.sum(), point)
        margin, size = margin.detach(), norms(delta, norm)
        fooled = margin < 0
        best = torch.where(fooled, torch.minimum(size, best), best)
        found |= fooled
        if norm == "L0":
            shrunk = torch.minimum(torch.minimum(eps - 1, (eps * (1 - pull)).floor()), best)
            grown = torch.maximum(eps + 1, (eps * (1 + pull)).floor())
            eps = torch.where(fooled, shrunk, grown).clamp_min(0)
        else:
            estimate = size + margin.abs() / norms(gradient, _DUAL[norm]).clamp_min(1e-30)
            grown = torch.where(found, eps, estimate) * (1 + pull)
            eps = torch.where(fooled, torch.minimum(eps * (1 - pull), best), grown)
        eps = torch.minimum(eps, widest)
        delta = onto_ball(delta - rate * _unit(gradient), norm, eps)
        delta = (images + delta).clamp(0, 1) - images
    return images + delta


def decoupled_direction_norm(
    observer: Observer,
    images: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
    gamma: float,
    start: float,
) -> torch.Tensor:
    """Follows the gradient of the cross-entropy on a sphere whose radius closes in on the boundary.

    Rony et al., CVPR 2019, arXiv:1811.09600, algorithm 1, without its rounding to 8 bits (the verdict has that). Steps
    of L2 length 1 down to 0.01 along a cosine. Returns the last point, which has not been asked about.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `labels`: `(batch,)`, the classes to leave or to reach.
    `steps`: so many.
    `gamma`: by what part the radius changes.
    `start`: the first radius.
    """
    delta = torch.zeros_like(images)
    widest = norms(torch.maximum(images, 1 - images), "L2")
    eps = torch.full_like(widest, start)
    towards = 1.0 if observer.targets is None else -1.0
    for step in range(steps):
        rate = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
        point = (images + delta).requires_grad_()
        with torch.enable_grad():
            logits = observer(point)
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            (gradient,) = torch.autograd.grad(towards * loss, point)
        fooled = observer.margins(logits.detach()) < 0
        delta = delta + rate * _unit(gradient)
        eps = torch.minimum(torch.where(fooled, eps * (1 - gamma), eps * (1 + gamma)), widest)
        delta = (images + _unit(delta) * _wide(eps)).clamp(0, 1) - images
    return images + delta


def _fmn(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return fast_minimum_norm(
            observer,
            images,
            norm=spec.norm,
            steps=spec.integer("steps"),
            alpha=spec.number("alpha"),
            gamma=spec.number("gamma"),
        )

    observer.attack(call, freeze=False)


def _ddn(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return decoupled_direction_norm(
            observer,
            images,
            labels,
            steps=spec.integer("steps"),
            gamma=spec.number("gamma"),
            start=spec.number("start"),
        )

    observer.attack(call, freeze=False)


_GAMMA = Parameter("gamma", 0.05, "factor by which the radius changes in a step", low=0, high=0.9, open_low=True)

CARDS = (
    AttackCard(
        name="fmn",
        title="Fast minimum-norm attack on the margin",
        source="Pintor et al., NeurIPS 2021, arXiv:2102.12827; own implementation",
        norms=("L2", "Linf", "L1", "L0"),
        parameters=(
            steps(100),
            Parameter("alpha", 1.0, "first step, in L2; the last is a hundredth", low=0, high=1000, open_low=True),
            _GAMMA,
        ),
        forwards="steps + 1",
        backwards="steps",
        program=_fmn,
        freeze=False,
        record="smallest",
        targeted=True,
        notes=("A minimum-norm attack: one cell is read at every eps of its norm.",),
    ),
    AttackCard(
        name="ddn",
        title="Decoupled direction and norm, L2",
        source="Rony et al., CVPR 2019, arXiv:1811.09600; own implementation",
        norms=("L2",),
        parameters=(
            steps(100),
            _GAMMA,
            Parameter("start", 1.0, "first radius, in L2", low=0, high=1000, open_low=True),
        ),
        forwards="steps + 1",
        backwards="steps",
        program=_ddn,
        freeze=False,
        record="smallest",
        targeted=True,
        masked_by_scale=True,
        notes=("A minimum-norm attack: one cell is read at every L2 eps.",),
    ),
)
