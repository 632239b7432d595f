"""Attacks on few pixels that ask without gradients: one pixel, and rearranged pixels. Cards and programs, nothing else.

Both draw from numpy's generator and work on one sample at a time; the Observer seeds the generator for each sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from attacks.card import AttackCard
from attacks.wrapped import adapter
from attacks.wrapped.shims import Once
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer


def _onepixel(spec: AttackSpec, observer: Observer) -> None:
    population = spec.integer("population")
    call = adapter.whole(
        "OnePixel",
        observer,
        pixels=int(spec.threat.eps),
        steps=spec.integer("generations"),
        popsize=population,
        inf_batch=max(population, 128),
    )
    observer.attack(call, rows="single")


def rearranged(
    source: torch.Tensor, solution: Sequence[object], destination: torch.Tensor | None = None
) -> torch.Tensor:
    """`destination` with a patch of `source` written to given places, both `(1, channels, height, width)`.

    `solution`: the patch's left, top, width and height, then a (column, row) for each of its pixels, row by row.
    """
    left, top, width, height = (int(number) for number in np.asarray(solution[:4], dtype=np.int64))
    places = torch.as_tensor(np.asarray(solution[4:], dtype=np.int64), device=source.device)
    moved = (source if destination is None else destination).clone()
    patch = source[0, :, top : top + height, left : left + width]
    moved[0, :, places[:, 1], places[:, 0]] = patch.flatten(1)
    return moved


def _pixle(spec: AttackSpec, observer: Observer) -> None:
    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        sides = (1, spec.integer("side"))
        attack = adapter.build(
            "Pixle",
            observer,
            Once(observer),
            x_dimensions=sides,
            y_dimensions=sides,
            restarts=spec.integer("rounds"),
            max_iterations=spec.integer("tries"),
        )
        attack._perturb = rearranged
        moved: torch.Tensor = attack(images, labels)
        return moved

    observer.attack(call, rows="single", freeze=False)


CARDS = (
    AttackCard(
        name="onepixel",
        title="A few pixels by differential evolution, black box",
        source="Su et al., IEEE TEVC 2019, arXiv:1710.08864; torchattacks.OnePixel",
        norms=("L0",),
        parameters=(
            Parameter("generations", 100, "generations of the evolution", low=1, high=100_000),
            Parameter("population", 400, "candidates of a generation", low=5, high=1_000_000),
        ),
        forwards="about (generations + 1) x (population + 1) + 1",
        backwards="0",
        program=_onepixel,
        gradient=False,
        masked_by_scale=True,
        rows="single",
        targeted=True,
        draws="numpy's, seeded by the sample",
        status="corrected",
        notes=(
            "torchattacks' defaults (population 10, 10 generations: 120 queries) find next to nothing; here they are "
            "the paper's. eps is the number of pixels.",
            "torchattacks draws from numpy's global generator, which no torch seed reaches: here it is seeded by the "
            "sample, and each sample is attacked alone.",
        ),
    ),
    AttackCard(
        name="pixle",
        title="Pixels of a patch written elsewhere, black box",
        source="Pomponi et al., IJCNN 2022, arXiv:2202.02236; torchattacks.Pixle",
        norms=("L0",),
        parameters=(
            Parameter("rounds", 20, "rounds; each starts from the best image of the one before", low=1, high=100_000),
            Parameter("tries", 10, "patches tried in a round", low=1, high=100_000),
            Parameter("side", 10, "largest side of a patch, in pixels", low=1, high=10_000),
        ),
        forwards="rounds x tries + 2",
        backwards="0",
        program=_pixle,
        gradient=False,
        masked_by_scale=True,
        rows="single",
        freeze=False,
        record="smallest",
        targeted=True,
        draws="numpy's, seeded by the sample",
        status="corrected",
        notes=(
            "torchattacks swaps rows and columns, which breaks on images that are not square, asks every question "
            "twice, and draws from numpy's global generator, which no torch seed reaches. All three are put right.",
            "It has no budget and stops at its first success: one cell is read at every L0 budget.",
        ),
    ),
)
