"""The inner maximisation of adversarial training: plain PGD and its kin, under a mask where there is one.

For training only: it records nothing and is judged by nobody. Attacks that are reported run under the Observer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from fer_bench.training.recipe import MaskOn

#: Maps adversarial images to a scalar: a sum over samples, so that no sample's gradient depends on another's.
Climb = Callable[[torch.Tensor], torch.Tensor]
Start = Literal["uniform", "gaussian", "zero"]
#: Sides of the squares on which PyramidAT moves pixels together.
PYRAMID = (8, 4, 1)


@dataclass(frozen=True)
class Budget:
    """Linf radius, step and number of steps of an inner maximisation, for pixels in [0, 1]; where it starts."""

    eps: float
    alpha: float
    steps: int
    start: Start = "uniform"


def gradient(climb: Climb, images: torch.Tensor) -> torch.Tensor:
    """d climb / d images, in the shape of `images`; no gradient of any weight is computed."""
    with torch.enable_grad():
        leaf = images.detach().requires_grad_()
        (found,) = torch.autograd.grad(climb(leaf), leaf)
    return found


def pgd(
    climb: Climb,
    images: torch.Tensor,
    budget: Budget,
    generator: torch.Generator,
    mask: torch.Tensor | None = None,
    mask_on: MaskOn = "delta",
) -> torch.Tensor:
    """Images within the budget on which `climb` is large: `(n, channels, height, width)` in [0, 1].

    - `climb`: what is to be large.
    - `images`: `(n, channels, height, width)` in [0, 1].
    - `budget`: radius, step, number of steps, and start: uniform in the ball (Madry), Gaussian of 0.001 (TRADES), zero.
    - `generator`: of the random start.
    - `mask`: M, in [0, 1], `(n, 1, height, width)`; None: 1 everywhere.
    - `mask_on`: what is masked.

    Without a mask: delta <- clip(delta + alpha sign g, -eps, eps), x' = clip(x + delta, 0, 1), g the gradient at x'
    (Madry et al., ICLR 2018). With one:

    - `mask_on` "delta": x' = clip(x + M delta, 0, 1). |x' - x| <= M eps everywhere.
    - "step": delta <- clip(delta + M alpha sign g, -eps, eps), x' = clip(x + delta, 0, 1), starting at M times the
      random start. Places of small M move slowly, but may reach eps where there are steps enough.
    """
    delta = _start(images, budget, generator)
    on_delta, on_step = (mask, None) if mask_on == "delta" else (None, mask)
    delta = _times(delta, on_step)
    for _ in range(budget.steps):
        move = budget.alpha * gradient(climb, (images + _times(delta, on_delta)).clamp(0, 1)).sign()
        delta = (delta + _times(move, on_step)).clamp(-budget.eps, budget.eps)
    return (images + _times(delta, on_delta)).clamp(0, 1)


def pyramid(climb: Climb, images: torch.Tensor, budget: Budget) -> torch.Tensor:
    """PyramidAT (Herrmann et al., CVPR 2022): squares of several sides are moved together, each level by its own step.

    x' = clip(x + clip(sum_s up(delta_s), -eps, eps), 0, 1), delta_s on a grid of squares of side s. The paper weighs
    coarse levels 20 and 10 times and leaves the sum outside any one ball; here all weigh 1 and the sum is projected, so
    that every method trains within the same Linf budget. Starts at zero.
    """
    height, width = images.shape[-2:]
    shapes = [(-(-height // side), -(-width // side)) for side in PYRAMID]
    levels = [images.new_zeros(*images.shape[:2], *shape) for shape in shapes]

    def attacked() -> torch.Tensor:
        total = torch.zeros_like(images)
        for level, side in zip(levels, PYRAMID, strict=True):
            total = total + _enlarged(level, side, height, width)
        return (images + total.clamp(-budget.eps, budget.eps)).clamp(0, 1)

    for _ in range(budget.steps):
        found = gradient(climb, attacked())
        for number, side in enumerate(PYRAMID):
            padded = F.pad(found, (0, -width % side, 0, -height % side))
            pooled = F.avg_pool2d(padded, side) if side > 1 else padded
            levels[number] = (levels[number] + budget.alpha * pooled.sign()).clamp(-budget.eps, budget.eps)
    return attacked()


def _enlarged(level: torch.Tensor, side: int, height: int, width: int) -> torch.Tensor:
    return level.repeat_interleave(side, 2).repeat_interleave(side, 3)[..., :height, :width]


def _start(images: torch.Tensor, budget: Budget, generator: torch.Generator) -> torch.Tensor:
    if budget.start == "zero":
        return torch.zeros_like(images)
    draw = torch.empty_like(images)
    if budget.start == "gaussian":
        return draw.normal_(0, 1e-3, generator=generator).clamp_(-budget.eps, budget.eps)
    return draw.uniform_(-budget.eps, budget.eps, generator=generator)


def _times(value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return value if mask is None else value * mask
