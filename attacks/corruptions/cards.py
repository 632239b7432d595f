"""The corruptions of RAF-DB-C as cards: one fixed image a sample and level, asked about once. Cards and program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from attacks.card import AttackCard
from attacks.corruptions.functions import CORRUPTIONS, corrupt
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine.observer import Observer


def corrupted(name: str, images: torch.Tensor, level: int, seeds: torch.Tensor) -> torch.Tensor:
    """`images` `(batch, 1 or 3, height, width)` in [0, 1] as 8-bit pictures with the corruption `name` at `level`.

    A row's noise is a function of its own one of the `seeds` `(batch,)`.
    """
    pixels = (images.detach().cpu().permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    changed = [
        corrupt(name, image, level, np.random.default_rng(seed))
        for image, seed in zip(pixels, seeds.tolist(), strict=True)
    ]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).to(images.device).to(images.dtype) / 255


def _program(name: str) -> Callable[[AttackSpec, Observer], None]:
    def program(spec: AttackSpec, observer: Observer) -> None:
        level = int(spec.threat.eps)

        def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            # Four dimensions: one draw a row, keyed by its sample.
            seeds = torch.randint(2**53, (len(images), 1, 1, 1), device=images.device).flatten()
            observer.declare(torch.full((len(images),), float(level), device=images.device))
            return corrupted(name, images, level, seeds)

        observer.attack(call)

    return program


CARDS = tuple(
    AttackCard(
        name=name,
        title=f"Corruption: {kind.title[0].lower()}{kind.title[1:]}",
        source="RAF-DB-C: Greco et al., Multimedia Tools and Applications 82 (2023), doi:10.1007/s11042-022-12790-7; "
        "own implementation",
        norms=("severity",),
        parameters=(),
        forwards="1",
        backwards="0",
        program=_program(name),
        gradient=False,
        draws="one seed per row",
        notes=("Budget: one of five levels of strength; one 8-bit image a sample, not a search.",),
    )
    for name, kind in CORRUPTIONS.items()
)
