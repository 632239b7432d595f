"""An attack ready to run: its settings and the code that carries them out. It must not know where either comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine.draws import KeyedDraws, key_of
from fer_bench.engine.observer import Observer
from fer_bench.engine.shard import Shard

Program = Callable[[AttackSpec, Observer], None]


@dataclass(frozen=True)
class Attack:
    """An attack in the matrix: its settings and the program that carries it out.

    `fit`: its set-level stage, for attacks of a set. `stages`: the attacks of a suite or a curve, in order, each of
    which gets the samples that the ones before left standing; `program` is then not called.
    """

    spec: AttackSpec
    program: Program
    fit: Fit | None = None
    stages: tuple[Attack, ...] = ()


def by_proposals(spec: AttackSpec, observer: Observer) -> None:
    """The program of an attack whose images a set-level stage, or another model, made before: it asks about them."""
    observer.attack(lambda images, labels: observer.proposed())


def by_stages(spec: AttackSpec, observer: Observer) -> None:
    """The program of a suite or a curve, which the engine runs stage by stage and never as a whole."""
    raise AssertionError(f"{spec.name} is run stage by stage")


class SetView:
    """The samples of a cell and its model, for a fit; `forward_rows` and `backward_rows` count what was computed.

    `model`: in eval mode; its parameters take no gradient.
    `shard`: all samples, on the CPU: `images` `(n, channels, height, width)` in [0, 1], `labels` `(n,)`.
    `device`: where the model is, and where batches go.
    `batch_size`: how many samples `batches` gives at a time.
    `draw_seed`: 63 bits that key the random draws.
    """

    def __init__(self, model: nn.Module, shard: Shard, device: torch.device, batch_size: int, draw_seed: int) -> None:
        self.model, self.shard, self.device, self.batch_size = model, shard, device, batch_size
        self.forward_rows = 0
        self.backward_rows = 0
        self._keys = torch.tensor([key_of(name) for name in shard.ids], dtype=torch.int64)
        self._draws = KeyedDraws(draw_seed)

    def batches(self, rows: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """The positions `rows` (all where None) in their order, `batch_size` at a time, as int64 tensors."""
        positions = torch.arange(len(self.shard.ids)) if rows is None else rows
        for start in range(0, len(positions), self.batch_size):
            yield positions[start : start + self.batch_size]

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        """The clean images at `rows`, on the device."""
        return self.shard.images[rows].to(self.device)

    def labels(self, rows: torch.Tensor) -> torch.Tensor:
        """The labels at `rows`, on the device."""
        return self.shard.labels[rows].to(self.device)

    def outputs(self, images: torch.Tensor) -> torch.Tensor:
        """The model's outputs for `images`; counted, and their gradients too."""
        self.forward_rows += len(images)
        if images.requires_grad:
            images = images.view_as(images)
            images.register_hook(self._count)  # type: ignore[no-untyped-call]
        self._draws.paused, before = True, self._draws.paused
        try:
            outputs: torch.Tensor = self.model(images)
        finally:
            self._draws.paused = before
        return outputs

    def _count(self, gradient: Any) -> None:
        self.backward_rows += len(gradient)

    @contextmanager
    def draws(self, stream: str, rows: torch.Tensor) -> Iterator[None]:
        """Within it torch's random functions are keyed by the samples at `rows`, as in an attack."""
        self._draws.begin(stream, self._keys[rows].to(self.device))
        with self._draws:
            yield


Fit = Callable[[AttackSpec, SetView], torch.Tensor]
