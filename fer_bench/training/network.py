"""A network as the trainer runs it: precision, memory layout, stage maps, eval-mode attacks. It knows no loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fer_bench.training.features import taps
from fer_bench.training.recipe import Precision

_TRIES = 3


class Network:
    """Runs `model` on a device in a precision; answers are float32 whatever the precision.

    `stage`: the module whose output `with_maps` gives besides; "" where nobody asks.
    """

    def __init__(self, model: nn.Module, device: torch.device, precision: Precision, stage: str = "") -> None:
        self.model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device, self.precision, self.stage = device, precision, stage

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The answers `(n, outputs)` for images `(n, channels, height, width)` in [0, 1]."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            answers: torch.Tensor = self.model(images.contiguous(memory_format=torch.channels_last))
        return answers.float()

    def with_maps(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The answers, and the maps `(n, k, h, w)` of the stage."""
        with taps(self.model, [self.stage]) as seen:
            answers = self(images)
        return answers, seen[self.stage]

    @contextmanager
    def still(self) -> Iterator[None]:
        """In eval mode while open: an attack on it must not move its batch statistics, nor be met by its dropout."""
        was_training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(was_training)


def fastest(model: nn.Module, images: torch.Tensor, device: torch.device) -> Precision:
    """The precision in which a gradient with respect to `images` takes less time here: measured, not guessed.

    On processors without bfloat16 arithmetic it is much slower than float32, on those with it twice as fast.
    """
    seconds: dict[Precision, float] = {}
    choices: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in choices:
        network = Network(model, device, precision)
        with network.still():
            seconds[precision] = min(_gradient_seconds(network, images.to(device)) for _ in range(_TRIES))
    return min(choices, key=lambda choice: seconds[choice])


def _gradient_seconds(network: Network, images: torch.Tensor) -> float:
    leaf = images.detach().clone().requires_grad_()
    started = time.perf_counter()
    (found,) = torch.autograd.grad(network(leaf).square().sum(), leaf)
    found.sum().item()  # waits for the device
    return time.perf_counter() - started
