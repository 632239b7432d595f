"""A cell made ready to run: its stages, its samples, what it aims at. It runs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import draw_seed
from fer_bench.core.evalset import EvalSet
from fer_bench.core.labels import ClassMap, expression
from fer_bench.engine.attack import Attack, Fit, Program
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError


@dataclass(frozen=True)
class Stage:
    """One attack of a cell, with the seed (63 bits) that keys its random draws."""

    spec: AttackSpec
    program: Program
    draw_seed: int


@dataclass(frozen=True)
class CellJob:
    """A cell ready to run: at least one stage, and all its samples.

    `samples`: labels in the model's classes (-1: it has no such class). `target_class`: the index of the class that a
    targeted attack names. `fit`: the set-level stage, run before the first shard.
    """

    stages: tuple[Stage, ...]
    samples: Shard
    fit: Fit | None = None
    target_class: int | None = None


def cell_job(
    attack: Attack,
    seed: int,
    data: EvalSet,
    classes: ClassMap,
    model_classes: tuple[str, ...],
    mask: torch.Tensor | None = None,
) -> CellJob:
    """The job of a cell. A stage of a suite draws as the same attack alone would.

    Raises AttackError where the attack aims at a class that the model does not have.

    `attack`: the attack, suite or curve.
    `seed`: the user's.
    `data`: the samples.
    `classes`: from the data's classes to the model's.
    `model_classes`: the model's, in the order of its logits.
    `mask`: where the attack's region may be touched, `(n, 1, height, width)`; None: everywhere.
    """
    parts = attack.stages or (attack,)
    return CellJob(
        stages=tuple(Stage(part.spec, part.program, draw_seed(seed, part.spec)) for part in parts),
        samples=Shard(
            images=data.images,
            labels=labels_of(data, classes),
            ids=data.ids,
            mask=mask,
            values=data.values if attack.spec.loss else None,
        ),
        fit=attack.fit,
        target_class=_index(attack.spec.target, model_classes),
    )


def labels_of(data: EvalSet, classes: ClassMap) -> torch.Tensor:
    """The labels in the model's classes; for a regressor 0 throughout, "within the tolerance"."""
    if data.task == "va":
        return torch.zeros(len(data), dtype=torch.int64)
    return torch.tensor([classes.to_model[label] for label in data.labels.tolist()], dtype=torch.int64)


def _index(target: str, classes: tuple[str, ...]) -> int | None:
    if target in ("", "least-likely", "random"):
        return None
    words = [expression(word) for word in classes]
    if expression(target) not in words:
        raise AttackError(f"the model has no class '{target}' to aim at; it has {', '.join(words)}.")
    return words.index(expression(target))
