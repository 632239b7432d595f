"""From a data set to what is learned from: held-out part, targets, landmark masks. It must not know the network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from fer_bench import progress
from fer_bench.core.digest import digest
from fer_bench.core.evalset import EvalSet
from fer_bench.faces import landmarks
from fer_bench.training import batches, masks
from fer_bench.training.loop import Material
from fer_bench.training.objectives import Objective
from fer_bench.training.recipe import Recipe

_BATCH = 64


@dataclass(frozen=True)
class Prepared:
    """The material of a training, and what a reader should know of how it was made."""

    material: Material
    notes: tuple[str, ...]


def prepare(data: EvalSet, objective: Objective, recipe: Recipe, avoid: Collection[str] = ()) -> Prepared:
    """Splits `data`, and finds the landmark masks where the recipe uses them.

    `avoid`: ids of images that will be evaluated on; equal ones are neither trained on nor held out. Raises UsageError
    for a set without the task's targets or too small, FetchError where the landmark predictor cannot be fetched.
    """
    targets = objective.targets(data)
    part = batches.split(data, recipe.held_out, avoid)
    notes = [
        f"{len(part.train)} images to learn from, {len(part.held_out)} held out to choose the epoch; {part.dropped} "
        f"left out because they are also in a set to be evaluated on; {part.repeated} have an equal one and are not "
        "held out"
    ]
    found = None
    if recipe.uses_landmarks:
        found, missing = _landmark_masks(data, part.train)
        notes.append(f"no face found on {missing} of {len(part.train)} training images: they have the mean face's mask")
    identity = digest({"data": data.digest, "train": part.train.tolist(), "held_out": part.held_out.tolist()})
    material = Material(
        images=data.images[part.train],
        targets=targets[part.train],
        masks=found,
        held_images=data.images[part.held_out],
        held_targets=targets[part.held_out],
        digest=identity,
    )
    return Prepared(material, tuple(notes))


def _landmark_masks(data: EvalSet, chosen: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The soft masks of the chosen images, uint8 `(n, 1, height, width)`, and how many are the mean face's."""
    height, width = data.images.shape[-2:]
    parts, missing = [], 0
    with progress.steps("landmarks", len(chosen)) as advance:
        for batch in torch.split(chosen, _BATCH):
            faces = landmarks.find(data.images[batch], [data.ids[i] for i in batch.tolist()])
            soft = masks.landmark_masks(faces.points, height, width)
            parts.append((soft * 255).round().to(torch.uint8))
            missing += int((~faces.detected).sum())
            advance(len(batch))
    return torch.cat(parts), missing
