"""The training methods: from a batch to the loss that the weights descend. One function a method, and nothing else.

Notation: x clean images, y targets, x' adversarial images, f the network. Every inner maximisation runs in eval mode
and climbs a sum of per-sample losses; every outer loss is taken in train mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from fer_bench.training import inner_maximisation, masks
from fer_bench.training.frequency_loss import focal_frequency_loss, relative_frequency_loss
from fer_bench.training.inner_maximisation import Budget
from fer_bench.training.network import Network
from fer_bench.training.objectives import Objective
from fer_bench.training.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """One augmented batch on the device.

    `images` `(n, channels, height, width)` in [0, 1]; `targets` `(n,)` or `(n, 2)`; `masks` `(n, 1, height, width)` in
    [0, 1], the landmark masks moved with their images, None where the recipe uses none; `generator`: of all draws.
    """

    images: torch.Tensor
    targets: torch.Tensor
    masks: torch.Tensor | None
    generator: torch.Generator


@dataclass(frozen=True)
class Setting:
    """What every method works with."""

    network: Network
    objective: Objective
    recipe: Recipe

    @property
    def budget(self) -> Budget:
        """The inner maximisation's."""
        return Budget(self.recipe.eps, self.recipe.step_size, self.recipe.steps)


@dataclass(frozen=True)
class Attacked:
    """A batch and its adversarial images; None for standard training."""

    batch: Batch
    images: torch.Tensor | None


#: The loss of a batch whose adversarial images are known.
Outer = Callable[[Setting, Attacked], torch.Tensor]
#: The adversarial images of a batch.
Inner = Callable[[Setting, Batch], torch.Tensor]


def task_climb(setting: Setting, batch: Batch) -> inner_maximisation.Climb:
    """What PGD-AT climbs: the task's loss, summed over samples."""
    return lambda images: setting.objective.climb(setting.network(images), batch.targets).sum()


def _pgd(setting: Setting, batch: Batch) -> torch.Tensor:
    return inner_maximisation.pgd(task_climb(setting, batch), batch.images, setting.budget, batch.generator)


def _fgsm(setting: Setting, batch: Batch) -> torch.Tensor:
    """One step of 1.25 eps from a random start (Wong, Rice, Kolter: "Fast is better than free", ICLR 2020)."""
    once = Budget(setting.recipe.eps, setting.recipe.step_size, 1)
    return inner_maximisation.pgd(task_climb(setting, batch), batch.images, once, batch.generator)


def _divergence(setting: Setting, batch: Batch) -> torch.Tensor:
    """PGD on the distance from the clean answer, from a start a little beside it (TRADES, algorithm 1)."""
    return inner_maximisation.pgd(divergence_climb(setting, batch), batch.images, _beside(setting), batch.generator)


def divergence_climb(setting: Setting, batch: Batch) -> inner_maximisation.Climb:
    """What TRADES climbs: the distance from the clean answer, summed over samples."""
    with torch.no_grad():
        clean = setting.network(batch.images)
    return lambda images: setting.objective.apart(setting.network(images), clean).sum()


def _beside(setting: Setting) -> Budget:
    """The budget with TRADES' start: at the clean image the divergence has no gradient."""
    return replace(setting.budget, start="gaussian")


def _pyramid(setting: Setting, batch: Batch) -> torch.Tensor:
    return inner_maximisation.pyramid(task_climb(setting, batch), batch.images, setting.budget)


def _masked(setting: Setting, batch: Batch) -> torch.Tensor:
    """FAAT's inner maximisation: PGD under floor + (1 - floor) M, on the task's loss or, as TRADES, on the distance."""
    recipe = setting.recipe
    mask = _mask(setting, batch)
    if mask is not None:
        mask = masks.with_floor(mask, recipe.floor)
    if recipe.outer == "task":
        climb, budget = task_climb(setting, batch), setting.budget
    else:
        climb, budget = divergence_climb(setting, batch), _beside(setting)
    return inner_maximisation.pgd(climb, batch.images, budget, batch.generator, mask, recipe.mask_on)


def _mask(setting: Setting, batch: Batch) -> torch.Tensor | None:
    if setting.recipe.mask == "none":
        return None
    if setting.recipe.mask == "cam":
        return masks.cam_masks(setting.network.with_maps, batch.images, batch.targets)
    if batch.masks is None:
        raise ValueError(f"mask {setting.recipe.mask} needs the landmark masks of the batch")
    return batch.masks if setting.recipe.mask == "landmark" else masks.moved(batch.masks, batch.generator)


def _plain(setting: Setting, attacked: Attacked) -> torch.Tensor:
    """L(f(x), y)."""
    return setting.objective.loss(setting.network(attacked.batch.images), attacked.batch.targets)


def _madry(setting: Setting, attacked: Attacked) -> torch.Tensor:
    """L(f(x'), y) (Madry et al., ICLR 2018, equation 2.1)."""
    return setting.objective.loss(setting.network(_images(attacked)), attacked.batch.targets)


def _trades(setting: Setting, attacked: Attacked) -> torch.Tensor:
    """L(f(x), y) + beta mean D(f(x'), f(x)), D the KL divergence from the clean answer (Zhang et al., ICML 2019).

    For valence and arousal D is the squared distance.
    """
    clean, other = _both(setting, attacked)
    apart = setting.objective.apart(other, clean).mean()
    return setting.objective.loss(clean, attacked.batch.targets) + setting.recipe.beta * apart


def _mart(setting: Setting, attacked: Attacked) -> torch.Tensor:
    """BCE(p', y) + beta mean KL(p || p') (1 - p_y) (Wang et al., ICLR 2020, equation 9).

    BCE = -log p'_y - log(1 - max_{k != y} p'_k); p and p' are the probabilities of x and x'.
    """
    clean, other = _both(setting, attacked)
    targets = attacked.batch.targets
    wrong = F.softmax(other, 1).scatter(1, targets[:, None], 0).amax(1)
    boosted = F.cross_entropy(other, targets, reduction="none") - torch.log1p(-wrong.clamp_max(1 - 1e-6))
    own = F.softmax(clean, 1).gather(1, targets[:, None])[:, 0]
    weighted = setting.objective.apart(other, clean) * (1 - own)
    return boosted.mean() + setting.recipe.beta * weighted.mean()


def _faat(setting: Setting, attacked: Attacked) -> torch.Tensor:
    """L(f(x'), y) + c L(f(x), y) + lambda FFL(phi(x), phi(x')); with `outer` "trades" TRADES' loss + lambda FFL.

    phi are the maps of the recipe's stage, FFL `frequency.focal_frequency_loss` or, with `freq_scale` "relative",
    `frequency.relative_frequency_loss`, c `clean_weight`, lambda `freq_weight`; both images go through the network in
    one batch. See docs/design/faat.md.
    """
    recipe, batch = setting.recipe, attacked.batch
    pair = torch.cat([batch.images, _images(attacked)])
    answers, maps = setting.network.with_maps(pair) if recipe.uses_freq else (setting.network(pair), None)
    clean, other = answers.chunk(2)
    objective, targets = setting.objective, batch.targets
    if recipe.outer == "task":
        loss = objective.loss(other, targets) + recipe.clean_weight * objective.loss(clean, targets)
    else:
        loss = objective.loss(clean, targets) + recipe.beta * objective.apart(other, clean).mean()
    if maps is not None:
        own, moved = maps.chunk(2)
        distance = relative_frequency_loss if recipe.freq_scale == "relative" else focal_frequency_loss
        loss = loss + recipe.freq_weight * distance(own, moved)
    return loss


def _both(setting: Setting, attacked: Attacked) -> tuple[torch.Tensor, torch.Tensor]:
    """f(x) and f(x'), through the network in one batch."""
    clean, other = setting.network(torch.cat([attacked.batch.images, _images(attacked)])).chunk(2)
    return clean, other


def _images(attacked: Attacked) -> torch.Tensor:
    if attacked.images is None:
        raise ValueError("an adversarial method needs adversarial images")
    return attacked.images


@dataclass(frozen=True)
class MethodParts:
    """One method: how it looks for adversarial images (None: it does not), and its loss."""

    inner: Inner | None
    outer: Outer


METHODS: dict[str, MethodParts] = {
    "standard": MethodParts(None, _plain),
    "pgd-at": MethodParts(_pgd, _madry),
    "fgsm-rs": MethodParts(_fgsm, _madry),
    "trades": MethodParts(_divergence, _trades),
    "mart": MethodParts(_pgd, _mart),
    "pyramid-at": MethodParts(_pyramid, _madry),
    "faat": MethodParts(_masked, _faat),
}


def attack(setting: Setting, batch: Batch) -> Attacked:
    """The batch with the adversarial images of the recipe's method, found in eval mode."""
    search = METHODS[setting.recipe.method].inner
    if search is None:
        return Attacked(batch, None)
    with setting.network.still():
        return Attacked(batch, search(setting, batch).detach())


def loss(setting: Setting, attacked: Attacked) -> torch.Tensor:
    """The outer loss of the recipe's method, a scalar with gradients of the weights."""
    return METHODS[setting.recipe.method].outer(setting, attacked)
