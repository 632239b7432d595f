"""Throughput of the trainer against the bare passes that its inner maximisation consists of.

`python benchmarks/training_throughput.py [METHOD] [ARCH]`: gradient passes per second of whole training steps
(augmentation, attack, outer loss, optimiser), beside those of forward and backward alone, on random images. FAAT runs
whole: under the mean face's mask, moved with each image's augmentation, and with the frequency loss. The masks
themselves are made once before a training and are not counted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from fer_bench.engine.local import choose_device
from fer_bench.faces.landmarks import mean_face
from fer_bench.training import inner_maximisation
from fer_bench.training.features import default_stage
from fer_bench.training.loop import Callback, Material, train
from fer_bench.training.masks import landmark_masks
from fer_bench.training.network import Network, fastest
from fer_bench.training.objectives import Expression
from fer_bench.training.recipe import Recipe
from fer_bench.training.state import State
from models_zoo import untrained

STEPS, BATCH = 40, 128


class Clock(Callback):
    """Seconds of every step, and of a block of bare passes after each: both meet the same disturbances."""

    def __init__(self, bare: Callable[[], object]) -> None:
        self._bare, self._last = bare, 0.0
        self.steps: list[float] = []
        self.blocks: list[float] = []

    def step(self, now: State, loss: float) -> None:
        """The time since the step before, then the block."""
        here = time.perf_counter()
        self._bare()
        there = time.perf_counter()
        if now.step > 1:  # the first has no step before it
            self.steps.append(here - self._last)
            self.blocks.append(there - here)
        self._last = there


def mean_masks(n: int) -> torch.Tensor:
    """`n` times the mask of the mean face, uint8 `(n, 1, 48, 48)`: what an image without a face found has."""
    soft = landmark_masks(mean_face(48, 48)[None], 48, 48)
    return (soft * 255).round().to(torch.uint8).expand(n, -1, -1, -1).contiguous()


def main() -> None:
    method = sys.argv[1] if len(sys.argv) > 1 else "pgd-at"
    arch = sys.argv[2] if len(sys.argv) > 2 else "slim"
    device = choose_device("auto")
    recipe = Recipe(method=method, epochs=1, batch_size=BATCH, held_out=8)  # type: ignore[arg-type]
    model = untrained.build(arch, 7).model
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(BATCH * STEPS, 1, 48, 48, generator=generator)
    labels = torch.randint(7, (len(images),), generator=generator)
    if recipe.uses_stage:
        recipe = replace(recipe, stage=default_stage(model, images[:1]))
    masks = mean_masks(len(images)) if recipe.uses_landmarks else None
    net = Network(model, device, fastest(model, images[:BATCH], device), recipe.stage)

    passes = recipe.steps + {"standard": 1 - recipe.steps, "fgsm-rs": 2 - recipe.steps}.get(method, 1)
    passes += 1 if method in ("trades", "mart", "faat") else 0
    x, y = images[:BATCH].to(device), labels[:BATCH].to(device)

    def bare() -> None:
        with net.still():
            for _ in range(passes):
                inner_maximisation.gradient(lambda z: F.cross_entropy(net(z), y, reduction="sum"), x).sum().item()

    clock = Clock(bare)
    with tempfile.TemporaryDirectory() as folder:
        material = Material(images, labels, masks, images[:8], labels[:8], "random")
        train(net, Expression(), material, recipe, Path(folder), "throughput", [clock])
    block, whole = min(clock.blocks), min(clock.steps)  # the least disturbed: other programs only add time
    pairs = statistics.median(one / other for one, other in zip(clock.blocks, clock.steps, strict=True))
    print(f"{method} on {arch}, batch {BATCH}, {net.precision} on {device}, {torch.get_num_threads()} threads")
    print(f"bare passes    {BATCH * passes / block:10,.0f} images a second")
    print(f"training       {BATCH * passes / whole:10,.0f} images a second, {passes} passes a step")
    print(f"ratio          {block / whole:10.2f} (median of neighbours {pairs:.2f})")


if __name__ == "__main__":
    main()
