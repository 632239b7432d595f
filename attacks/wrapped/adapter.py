"""The only importer of torchattacks: builds its attacks around an Observer, fresh for every call, every setting given.

torchattacks' classes run unmodified; docs/design/torchattacks.md lists what is wrong with which of them and what is
done about it. This file must not define an attack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchattacks
from torch import nn

from fer_bench.engine.observer import Observer

Call = Callable[[torch.Tensor, torch.Tensor], "torch.Tensor | None"]


def build(kind: str, observer: Observer, shim: nn.Module | None = None, **settings: Any) -> Any:
    """A fresh torchattacks object of class `kind` that attacks `observer`, in the direction of its goal.

    It asks through `shim` where one is given.
    """
    attack = getattr(torchattacks, kind)(shim or observer, **settings)
    if observer.targets is not None:
        attack.set_mode_targeted_by_label(quiet=True)
    attack.set_device(observer.images.device)
    return attack


def whole(kind: str, observer: Observer, shim: nn.Module | None = None, **settings: Any) -> Call:
    """The attack's own call: one image in, one image out, row by row."""

    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        adversarial: torch.Tensor = build(kind, observer, shim, **settings)(images, labels)
        return adversarial

    return call


def with_both_labels(kind: str, observer: Observer, **settings: Any) -> Call:
    """As `whole`, for classes that, when targeted, compare the target with the true label."""

    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        attack = build(kind, observer, **settings)
        if observer.targets is not None:
            attack.set_mode_targeted_by_function(lambda images, true: labels, quiet=True)
        adversarial: torch.Tensor = attack(images, observer.goal.labels[observer.standing()])
        return adversarial

    return call


def apgd(observer: Observer, norm: str, eps: float, steps: int, loss: str, rho: float, eot: int) -> Call:
    """One run of APGD on a fixed set of rows, past torchattacks' own bookkeeping of restarts and clean errors.

    Every iterate is queried, so nothing is returned to be scored.

    `observer`: what is attacked.
    `norm`: 'Linf' or 'L2'.
    `eps`: the budget.
    `steps`: gradient steps.
    `loss`: 'ce' or 'dlr'.
    `rho`: the share of rising steps below which the step is halved, 0 to 1.
    `eot`: gradients averaged per step.
    """

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        attack = build(
            "APGD", observer, norm=norm, eps=eps, steps=steps, n_restarts=1, loss=loss, rho=rho, eot_iter=eot
        )
        attack.attack_single_run(images, labels)

    return call


def apgd_targeted(observer: Observer, eps: float, steps: int, target: int, rho: float, eot: int) -> Call:
    """One run of Linf APGD on the targeted DLR loss.

    `observer`: what is attacked.
    `eps`: the budget.
    `steps`: gradient steps.
    `target`: the rank of the class by the clean logits: 2 is the likeliest wrong one.
    `rho`: the share of rising steps below which the step is halved, 0 to 1.
    `eot`: gradients averaged per step.
    """

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        attack = build(
            "APGDT",
            observer,
            norm="Linf",
            eps=eps,
            steps=steps,
            n_restarts=1,
            rho=rho,
            eot_iter=eot,
            n_classes=observer.classes,
        )
        attack.target_class = target
        attack.attack_single_run(images, labels)

    return call


def fab_targeted(
    observer: Observer,
    norm: str,
    steps: int,
    target: int,
    start: float | None,
    alpha_max: float,
    eta: float,
    beta: float,
) -> Call:
    """One run of FAB towards one class. Every improvement is queried, nothing is returned.

    `observer`: what is attacked.
    `norm`: 'Linf' or 'L2'.
    `steps`: gradient steps.
    `target`: the rank of the class by the clean logits: 2 is the likeliest wrong one.
    `start`: the radius of a random start, in pixel units; None: the clean image.
    `alpha_max`: the largest pull back to the clean image, 0 to 1.
    `eta`: the overshoot across the boundary, from 1.
    `beta`: the step back towards the clean image, 0 to 1.
    """

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        attack = build(
            "FAB",
            observer,
            norm=norm,
            eps=start,  # read for a random start alone
            steps=steps,
            n_restarts=1,
            alpha_max=alpha_max,
            eta=eta,
            beta=beta,
            multi_targeted=True,
            n_classes=observer.classes,
        )
        attack.target_class = target
        with torch.no_grad():
            attack.attack_single_run_targeted(images, labels, use_rand_start=start is not None)

    return call


def square(observer: Observer, norm: str, eps: float, queries: int, p_init: float) -> Call:
    """One run of Square on the margin loss; rows whose margin reaches zero leave its queries.

    `observer`: what is attacked.
    `norm`: 'Linf' or 'L2'.
    `eps`: the budget.
    `queries`: at most so many.
    `p_init`: the share of pixels that the first windows cover, up to 1.
    """

    def call(images: torch.Tensor, labels: torch.Tensor) -> None:
        attack = build(
            "Square",
            observer,
            norm=norm,
            eps=eps,
            n_queries=queries,
            n_restarts=1,
            p_init=p_init,
            loss="margin",
            resc_schedule=True,
        )
        attack.init_hyperparam(images)
        attack.attack_single_run(images, labels)

    return call
