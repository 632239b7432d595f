"""The training loop: readable, resumable at any step, the same every time. It must know no model, attack or page."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fer_bench.errors import ModelError
from fer_bench.training import averaging, batches, methods, state
from fer_bench.training.methods import Attacked, Batch, Setting
from fer_bench.training.network import Network
from fer_bench.training.objectives import Objective
from fer_bench.training.recipe import Recipe
from fer_bench.training.state import EpochLog, State
from fer_bench.training.validation import judge, warnings

#: Seconds after which the state is written again within an epoch.
SAVE_SECONDS = 60.0
_WARM_UP = 0.05
_ONE_CYCLE_PEAK = 0.4


@dataclass(frozen=True)
class Material:
    """What is learned from, and what the epoch is chosen by."""

    #: `(n, channels, height, width)` in [0, 1].
    images: torch.Tensor
    #: As the objective makes them, one a row.
    targets: torch.Tensor
    #: Landmark masks, uint8 `(n, 1, height, width)`, 255 for 1; None where they are not needed.
    masks: torch.Tensor | None
    #: Images that the epoch is chosen by, as `images`.
    held_images: torch.Tensor
    #: Their targets.
    held_targets: torch.Tensor
    #: Identifies all of it.
    digest: str


class Callback:
    """Told what happens; the base does nothing. It must not change what is learned."""

    def begin(self, now: State, total: int) -> None:
        """Training starts, or goes on, at `now.step` of `total` steps."""

    def step(self, now: State, loss: float) -> None:
        """A step was made."""

    def epoch(self, now: State) -> None:
        """An epoch ended; `now.log[-1]` is its line."""


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """The rate of a step. Cosine: 5 % linear warm-up, then half a cosine to 0. One-cycle: up to 40 %, down to 0."""
    peak = _WARM_UP if recipe.schedule == "cosine" else _ONE_CYCLE_PEAK
    done = (step + 1) / (total + 1)
    if done < peak:
        return recipe.lr * done / peak
    left = (done - peak) / (1 - peak)
    return recipe.lr * (0.5 * (1 + math.cos(math.pi * left)) if recipe.schedule == "cosine" else 1 - left)


def train(
    network: Network,
    objective: Objective,
    material: Material,
    recipe: Recipe,
    folder: Path,
    identity: str,
    callbacks: Sequence[Callback] = (),
    save_seconds: float = SAVE_SECONDS,
) -> State:
    """Trains and returns the last state; its `best` are the weights to keep.

    - `network`: what is trained, on its device.
    - `objective`: what the task asks for.
    - `material`: what is learned from.
    - `recipe`: how.
    - `folder`: of the state. What it holds of the same training is gone on with, to the weights of an unbroken one.
    - `identity`: says which training that is.
    - `callbacks`: told what happens.
    - `save_seconds`: after so many the state is written within an epoch too.

    Raises ModelError where the loss is not finite, UsageError for a folder of another training.
    """
    model, device = network.model, network.device
    setting = Setting(network, objective, recipe)
    optimiser = _optimiser(model, recipe)
    per_epoch = batches.steps_per_epoch(len(material.images), recipe.batch_size)
    total = per_epoch * recipe.epochs
    now = state.read(folder, identity, device) or _beginning(network, recipe)
    state.write(folder, now, identity)  # a folder that cannot be written is found before the work
    _restore(model, optimiser, now)
    for callback in callbacks:
        callback.begin(now, total)
    saved = began = time.monotonic()
    first = now.step
    while now.step < total:
        epoch, within = divmod(now.step, per_epoch)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, now.step, total)
        batch = draw(material, recipe, epoch, within, now.step, device)
        value = _step(setting, batch, optimiser, now.step)
        if recipe.ema:
            averaging.average(now.mean, model, recipe.ema, now.step)
        now.step, now.running_loss = now.step + 1, now.running_loss + value
        for callback in callbacks:
            callback.step(now, value)
        if within + 1 == per_epoch:
            rate = (now.step - first) * recipe.batch_size / (time.monotonic() - began)
            _close_epoch(setting, material, now, EpochLog(epoch, now.running_loss / per_epoch, 0, 0, 0, 0, rate), total)
        if within + 1 == per_epoch or time.monotonic() - saved > save_seconds:
            _remember(model, optimiser, now)
            state.write(folder, now, identity)
            saved = time.monotonic()
        if within + 1 == per_epoch:
            for callback in callbacks:
                callback.epoch(now)
            first, began = now.step, time.monotonic()
    return now


def draw(material: Material, recipe: Recipe, epoch: int, within: int, step: int, device: torch.device) -> Batch:
    """One batch, augmented on the device: a function of the recipe's seed and the three numbers.

    - `material`: what is learned from.
    - `recipe`: seed, batch size and augmentation.
    - `epoch`: from 0.
    - `within`: the batch's number in its epoch, from 0.
    - `step`: its number in the training, from 0.
    - `device`: where the batch is to lie.
    """
    n = len(material.images)
    chosen = batches.order(recipe.seed, epoch, n)[within * recipe.batch_size : (within + 1) * recipe.batch_size]
    generator = batches.generator_of(recipe.seed, "step", step, device)
    images = material.images[chosen].to(device, non_blocking=True)
    channels = images.shape[1]
    if material.masks is not None:
        images = torch.cat([images, material.masks[chosen].to(device, non_blocking=True).float() / 255], 1)
    moved = batches.augment(images, recipe.shift, generator)
    masks = moved[:, channels:] if material.masks is not None else None
    return Batch(moved[:, :channels], material.targets[chosen].to(device, non_blocking=True), masks, generator)


def _step(setting: Setting, batch: Batch, optimiser: torch.optim.Optimizer, step: int) -> float:
    """One step of the weights; the loss before it."""
    # Dropout and the like draw from the global generator; they too must not remember what happened before.
    torch.manual_seed(batches.generator_of(setting.recipe.seed, "model", step, torch.device("cpu")).initial_seed())
    attacked = methods.attack(setting, batch)
    setting.network.model.train()
    with _weights(setting, attacked):
        loss = methods.loss(setting, attacked)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(
            f"training diverged: the loss of step {step} is {value}. Give a smaller --lr, or --precision float32; the "
            "epochs before are in the log."
        )
    optimiser.step()
    return value


def _weights(setting: Setting, attacked: Attacked) -> contextlib.AbstractContextManager[None]:
    """The weights at which the gradient is taken: their own, or the worst beside them (AWP)."""
    if not (setting.recipe.awp and setting.recipe.adversarial):
        return contextlib.nullcontext()
    return averaging.perturbed(setting.network.model, lambda: methods.loss(setting, attacked), setting.recipe.awp)


def _close_epoch(setting: Setting, material: Material, now: State, line: EpochLog, total: int) -> None:
    """Judges the epoch on the held-out images, with the averaged weights, and keeps it where it is the best.

    - `setting`: network, objective and recipe.
    - `material`: has the held-out images.
    - `now`: gets the line, and the weights where they are the best.
    - `line`: the epoch's, without scores and rate.
    - `total`: steps of the training.
    """
    model, recipe = setting.network.model, setting.recipe
    with averaging.swapped(model, now.mean) if recipe.ema else contextlib.nullcontext():
        scores = judge(setting, material.held_images, material.held_targets)
        rate = learning_rate(recipe, now.step - 1, total)
        judged = EpochLog(line.epoch, line.loss, rate, scores.clean, scores.fgsm, scores.robust, line.images_per_second)
        now.log, now.running_loss = (*now.log, judged), 0.0
        if now.best_epoch(recipe) is judged:
            now.best = averaging.snapshot(model)
    now.warnings = (*now.warnings, *warnings(now.log, setting.objective.task == "expression"))


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; no weight decay on biases and normalisations."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def _beginning(network: Network, recipe: Recipe) -> State:
    weights = averaging.snapshot(network.model)
    mean = averaging.snapshot(network.model) if recipe.ema else {}
    return State(step=0, precision=network.precision, weights=weights, mean=mean, momentum={})


def _restore(model: nn.Module, optimiser: torch.optim.Optimizer, now: State) -> None:
    model.load_state_dict(now.weights)
    for name, parameter in model.named_parameters():
        if name in now.momentum:
            optimiser.state[parameter]["momentum_buffer"] = now.momentum[name].clone()


def _remember(model: nn.Module, optimiser: torch.optim.Optimizer, now: State) -> None:
    now.weights = averaging.snapshot(model)
    buffers = {name: optimiser.state[p].get("momentum_buffer") for name, p in model.named_parameters()}
    now.momentum = {name: value.clone() for name, value in buffers.items() if value is not None}
