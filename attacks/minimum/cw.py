"""Carlini and Wagner's L2 attack, with c fixed and with c searched, own implementation. Cards and programs.

torchattacks.CW is not used: it clamps logits at zero, so that shifting all logits of a model by -5 takes its success
from 100 % to 0; it never moves a pixel that is exactly 0 or 1; and it stops the whole batch as soon as the batch's
summed cost rises, so that a sample's verdict depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from attacks.card import AttackCard
from attacks.parameters import steps
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer

#: Pixels are squeezed into [SQUEEZE, 1 - SQUEEZE], where the inverse tanh is finite and its slope is not zero.
SQUEEZE = 1e-6


def carlini_wagner_l2(
    observer: Observer,
    images: torch.Tensor,
    c: torch.Tensor,
    kappa: float,
    steps: int,
    lr: float,
) -> torch.Tensor:
    """Minimises |x - x0|^2 + c max(margin(x) + kappa, 0) over w, x = (tanh(w) + 1) / 2, with Adam.

    Carlini and Wagner, S&P 2017, arXiv:1608.04644, section VI-A; the margin is the Observer's, negative where the
    attack has succeeded, so that it serves targeted goals too. Returns which samples an iterate fooled, `(batch,)`. A
    sample stops, for itself alone, when its best cost has not fallen for `patience(steps)` steps (the authors' code
    stops at the first rise between checks; while Adam still swings, that is too early). Every iterate is a query, so
    the Observer keeps the smallest that fools.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `c`: the weight of each sample's margin, `(batch,)`; it stays.
    `kappa`: the margin asked for beyond the boundary.
    `steps`: of Adam.
    `lr`: its learning rate.
    """
    w = torch.atanh(images.clamp(SQUEEZE, 1 - SQUEEZE) * 2 - 1)
    moment, second_moment = torch.zeros_like(w), torch.zeros_like(w)
    best_cost = torch.full_like(images[:, 0, 0, 0], torch.inf)
    waited = torch.zeros_like(best_cost)
    rows = torch.arange(len(images), device=images.device)
    fooled = torch.zeros_like(rows, dtype=torch.bool)
    for step in range(1, steps + 1):
        w.requires_grad_()
        with torch.enable_grad():
            adversarial = (torch.tanh(w) + 1) / 2
            size = (adversarial - images).square().flatten(1).sum(1)
            margin = observer.margins(observer(adversarial))
            cost = size + c * (margin + kappa).clamp_min(0)
            (gradient,) = torch.autograd.grad(cost.sum(), w)
        fooled[rows] |= margin.detach() + kappa < 0
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
                break
            observer.narrow(going)
            rows, c = rows[going], c[going]
            w, images = w[going], images[going]
            moment, second_moment = moment[going], second_moment[going]
            best_cost, waited = best_cost[going], waited[going]
    return fooled


def patience(steps: int) -> int:
    """Steps without a lower cost after which a sample stops: half of all, at least 10."""
    return max(steps // 2, 10)


def search_weight(
    observer: Observer,
    first: float,
    searches: int,
    run: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    """Searches, for each sample alone, the smallest weight of the misclassification term that still fools.

    `run(images, weight)` is one run at the weights `(batch,)`; it returns which samples fell. After a success
    the weight is halved towards the largest that failed, after a failure it is multiplied by ten until one succeeds
    (Carlini and Wagner, section V-C; Chen et al., AAAI 2018, have the same search).
    """
    count, device, dtype = len(observer.images), observer.images.device, observer.images.dtype
    weight = torch.full((count,), first, device=device, dtype=dtype)
    low, high = torch.zeros_like(weight), torch.full_like(weight, torch.inf)

    for search in range(searches):
        rows = observer.standing()

        def call(images: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor = rows) -> None:
            fell = run(images, weight[rows])
            high[rows] = torch.where(fell, torch.minimum(high[rows], weight[rows]), high[rows])
            low[rows] = torch.where(fell, low[rows], torch.maximum(low[rows], weight[rows]))

        observer.attack(call, stream=f"search {search}", rows="own", freeze=False)
        weight.copy_(torch.where(high.isinf(), low * 10, (low + high) / 2))


def _cw(spec: AttackSpec, observer: Observer) -> None:
    def run(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return carlini_wagner_l2(
            observer,
            images,
            c=weight,
            kappa=spec.number("kappa"),
            steps=spec.integer("steps"),
            lr=spec.number("lr"),
        )

    searches = spec.integer("searches") if spec.name == "cw-search" else 1
    search_weight(observer, spec.number("c"), searches, run)


def _parameters(c: float, count: int, lr: float) -> tuple[Parameter, ...]:
    return (
        Parameter("c", c, "weight of the misclassification term", low=0, high=1e6, open_low=True),
        Parameter("kappa", 0.0, "margin asked for beyond the boundary", low=0, high=1e6),
        steps(count),
        Parameter("lr", lr, "learning rate of Adam", low=0, high=10, open_low=True),
    )


CARDS = (
    AttackCard(
        name="cw",
        title="Carlini and Wagner, L2, fixed c",
        source="Carlini and Wagner, S&P 2017, arXiv:1608.04644; own implementation, not torchattacks.CW",
        norms=("L2",),
        parameters=_parameters(1.0, 200, 0.01),
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
    AttackCard(
        name="cw-search",
        title="Carlini and Wagner, L2, c searched for each sample",
        source="Carlini and Wagner, S&P 2017, arXiv:1608.04644; own implementation",
        norms=("L2",),
        parameters=(
            *_parameters(0.01, 200, 0.01),
            Parameter("searches", 9, "runs of the search on c, per sample", low=1, high=100),
        ),
        forwards="searches x steps",
        backwards="searches x steps",
        program=_cw,
        rows="own",
        freeze=False,
        record="smallest",
        targeted=True,
        notes=(
            "As cw; c starts small, grows tenfold until a sample falls and is then halved towards the largest that "
            "failed. torchattacks.CW has no search.",
            "A minimum-norm attack: one cell is read at every L2 eps.",
        ),
    ),
)
