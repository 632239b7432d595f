"""Perturbations on several scales at once, after Pyramid Adversarial Training. Card and program, nothing else.

Herrmann et al., CVPR 2022, arXiv:2111.15121: the perturbation is a sum over cell sizes s of m_s times a field that is
constant on cells of s x s pixels, and every field takes sign steps. There it is a training method in which every field
is limited to eps, hence its part to m_s eps, and the sum is not limited at all; a threat needs a limit on what the
model sees. Here every field's part is limited to eps (so that the m_s fall out) and the sum lies in the Linf ball.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attacks.ascent import gradient, within
from attacks.card import AttackCard
from attacks.parameters import alpha, steps
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine.observer import Observer

#: The paper's cells at its resolution, in pixels; besides them there are single pixels.
_PAPER_CELLS, _PAPER_SIDE = (32, 16), 224


def cells(height: int, width: int) -> tuple[int, ...]:
    """Cell sizes in pixels, coarse to fine, on an image of that size: parts of its shorter side, then 1."""
    scaled = (round(size * min(height, width) / _PAPER_SIDE) for size in _PAPER_CELLS)
    return (*(size for size in scaled if size > 1), 1)


def pyramid(
    observer: Observer,
    images: torch.Tensor,
    labels: torch.Tensor,
    eps: float,
    step: float,
    count: int,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Images within the budget after `count` steps from the clean ones.

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `labels`: `(batch,)`, the classes to leave or to reach.
    `eps`: the Linf budget.
    `step`: the size of a step of each field.
    `count`: steps.
    `mask`: the budget in parts of `eps`, `(batch, 1, height, width)` in [0, 1]; None: `eps` everywhere.

    A field's gradient is the sum of the pixels' gradients over each of its cells. A field moves the pixels by at most
    eps; the finest by as many times eps as there are fields, so that it can undo the others and every point of the ball
    can be reached.
    """
    height, width = images.shape[2:]
    scales = cells(height, width)
    room = torch.full_like(images, eps) if mask is None else (eps * mask).expand_as(images)
    fields = [images.new_zeros(*images.shape[:2], -(-height // size), -(-width // size)) for size in scales]
    adversarial = images
    for _ in range(count):
        slope = gradient(observer, adversarial, labels) * (room / eps)
        for i, size in enumerate(scales):
            reach = eps * (len(scales) if size == 1 else 1)
            fields[i] = (fields[i] + step * _sum(slope, size).sign()).clamp(-reach, reach)
        moved = sum(_spread(field, size, height, width) for field, size in zip(fields, scales, strict=True))
        adversarial = within(images + moved * (room / eps), images, room)
    return adversarial


def _sum(slope: torch.Tensor, size: int) -> torch.Tensor:
    """Sums over cells of `size` x `size` pixels; cells at the right and lower edge may be smaller."""
    if size == 1:
        return slope
    padded = F.pad(slope, (0, -slope.shape[3] % size, 0, -slope.shape[2] % size))
    return F.avg_pool2d(padded, size) * size**2


def _spread(field: torch.Tensor, size: int, height: int, width: int) -> torch.Tensor:
    """Every cell's value on its pixels: `(batch, channels, height, width)`."""
    return field.repeat_interleave(size, 2).repeat_interleave(size, 3)[..., :height, :width]


def _pyramid(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return pyramid(observer, images, labels, spec.threat.eps, spec.number("alpha"), spec.integer("steps"))

    observer.attack(call)


CARDS = (
    AttackCard(
        name="pyramid",
        title="Sign steps on three scales at once, PyramidAT style",
        source="after Herrmann et al., CVPR 2022, arXiv:2111.15121; own implementation",
        norms=("Linf",),
        parameters=(steps(50), alpha("eps/4")),
        forwards="steps + 1",
        backwards="steps",
        program=_pyramid,
        targeted=True,
        notes=(
            "Budget: the Linf ball around the clean image, for the sum of all scales; the paper limits each scale and "
            "not the sum, which moves pixels by up to 31 times its eps.",
            "Cells of 1/7 and 1/14 of the shorter side and single pixels: the paper's 32, 16 and 1 pixels at 224.",
        ),
    ),
)
