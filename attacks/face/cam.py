"""FGSM, PGD and the pyramid attack behind a class-activation map: perturbed where the model looks. Cards and programs.

The mask is Grad-CAM (Selvaraju et al., ICCV 2017, arXiv:1610.02391) of the model's own prediction on the clean image,
in [0, 1]. A pixel's budget is eps times its mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from attacks.ascent import gradient, within
from attacks.card import AttackCard
from attacks.face.pyramid import pyramid
from attacks.parameters import RESTARTS, alpha, steps
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine.observer import Observer
from fer_bench.errors import AttackError

#: From images and their mask to adversarial images.
_Masked = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@contextmanager
def _feature_maps(model: nn.Module) -> Iterator[list[torch.Tensor]]:
    """While active, a list of the feature maps that the model makes, in order, from its first convolution on."""
    maps: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if (maps or isinstance(module, nn.Conv2d)) and isinstance(output, torch.Tensor):
            maps.append(output)

    hooks = [module.register_forward_hook(keep) for module in model.modules()]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def grad_cam(observer: Observer, images: torch.Tensor) -> torch.Tensor:
    """Grad-CAM of the predicted class, enlarged to the image: `(batch, 1, height, width)`, its largest value 1.

    The feature map is the last output of a module, from the first convolution on, that has more than one pixel. Where
    no pixel speaks for the class the mask is 1 everywhere. Takes one query and a part of a backward pass. Raises
    AttackError for a model without a convolutional feature map.
    """
    with torch.enable_grad(), _feature_maps(observer.model) as maps:
        score = observer(images.detach().requires_grad_()).amax(1).sum()
        spatial = [found for found in maps if found.ndim == 4 and found.shape[2] * found.shape[3] > 1]
        if not spatial:
            raise AttackError(
                f"{observer.spec.name} needs a model with a convolutional feature map (an nn.Conv2d whose output has "
                "more than one pixel); this one has none. Use pgd or a region instead."
            )
        features = spatial[-1]
        (slope,) = torch.autograd.grad(score, features)
    weights = slope.mean((2, 3), keepdim=True)
    map_ = (weights * features.detach()).sum(1, keepdim=True).clamp_min(0)
    largest = map_.amax((2, 3), keepdim=True)
    map_ = torch.where(largest > 0, map_ / largest.clamp_min(1e-30), torch.ones_like(map_))
    mask = F.interpolate(map_, images.shape[2:], mode="bilinear", align_corners=False)
    return mask / mask.amax((2, 3), keepdim=True)


def masked_pgd(
    observer: Observer,
    images: torch.Tensor,
    labels: torch.Tensor,
    mask: torch.Tensor,
    eps: float,
    step: float,
    count: int,
    random_start: bool,
) -> torch.Tensor:
    """Images after sign steps, each of size `step` x mask, no pixel moved further than `eps` x mask.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `labels`: `(batch,)`, the classes to leave or to reach.
    `mask`: `(batch, 1, height, width)` in [0, 1].
    `eps`: the Linf budget where the mask is 1.
    `step`: the size of a step there.
    `count`: steps.
    `random_start`: begin at a random place of the budget instead of the clean image.
    """
    room = eps * mask
    adversarial = images
    if random_start:
        adversarial = within(images + room * (2 * torch.rand_like(images) - 1), images, room)
    for _ in range(count):
        slope = gradient(observer, adversarial, labels)
        adversarial = within(adversarial + step * mask * slope.sign(), images, room)
    return adversarial


def _behind_a_map(observer: Observer, attack: _Masked, restarts: int = 1) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return attack(images, labels, grad_cam(observer, images))

    for restart in range(restarts):
        observer.attack(call, stream=f"restart {restart}")


def _fgsm_cam(spec: AttackSpec, observer: Observer) -> None:
    eps = spec.threat.eps
    _behind_a_map(
        observer,
        lambda images, labels, mask: masked_pgd(observer, images, labels, mask, eps, eps, 1, random_start=False),
    )


def _pgd_cam(spec: AttackSpec, observer: Observer) -> None:
    eps, step, count = spec.threat.eps, spec.number("alpha"), spec.integer("steps")
    _behind_a_map(
        observer,
        lambda images, labels, mask: masked_pgd(observer, images, labels, mask, eps, step, count, random_start=True),
        restarts=spec.integer("restarts"),
    )


def _pyramid_cam(spec: AttackSpec, observer: Observer) -> None:
    eps, step, count = spec.threat.eps, spec.number("alpha"), spec.integer("steps")
    _behind_a_map(observer, lambda images, labels, mask: pyramid(observer, images, labels, eps, step, count, mask))


_SOURCE = "Grad-CAM: Selvaraju et al., ICCV 2017, arXiv:1610.02391; own implementation"
_BUDGET = (
    "Budget: eps times the mask, a part of the Linf ball of eps. Weaker than the unmasked attack by construction: it "
    "says what perturbing only where the model looks can do."
)
_MASK = "The mask is made once, on the clean image, from the predicted class; models without a convolution are refused."

CARDS = (
    AttackCard(
        name="fgsm-cam",
        title="FGSM where the model's class-activation map is",
        source=f"Goodfellow et al., ICLR 2015, arXiv:1412.6572. {_SOURCE}",
        norms=("Linf",),
        parameters=(),
        forwards="1 (the mask) + 1 + 1 (the returned image)",
        backwards="1",
        program=_fgsm_cam,
        targeted=True,
        notes=(_BUDGET, _MASK),
    ),
    AttackCard(
        name="pgd-cam",
        title="PGD where the model's class-activation map is",
        source=f"Madry et al., ICLR 2018, arXiv:1706.06083. {_SOURCE}",
        norms=("Linf",),
        parameters=(steps(50), alpha("eps/4"), RESTARTS),
        forwards="restarts x (steps + 2)",
        backwards="restarts x steps",
        program=_pgd_cam,
        targeted=True,
        draws="per row",
        notes=(_BUDGET, _MASK),
    ),
    AttackCard(
        name="pyramid-cam",
        title="Sign steps on three scales where the model's class-activation map is",
        source=f"after Herrmann et al., CVPR 2022, arXiv:2111.15121. {_SOURCE}",
        norms=("Linf",),
        parameters=(steps(50), alpha("eps/4")),
        forwards="steps + 2",
        backwards="steps",
        program=_pyramid_cam,
        targeted=True,
        notes=(_BUDGET, _MASK),
    ),
)
