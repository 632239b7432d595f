"""Networks with fresh weights, by the name of their architecture. It must not know how they are trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from fer_bench.errors import UsageError
from models_zoo.families.slim import Slim
from models_zoo.inputs import IMAGENET_MEAN, IMAGENET_STD, SLIM_INPUT, Input
from models_zoo.own import timm_model
from models_zoo.preprocessing import Prepared


@dataclass(frozen=True)
class Fresh:
    """A network with random weights.

    `model` maps images in [0, 1] to outputs; `core` is the part of it whose weights are stored; `given` is what the
    core sees, as a card says it.
    """

    model: nn.Module
    core: nn.Module
    given: Input


def build(architecture: str, outputs: int, seed: int = 0) -> Fresh:
    """'slim' or 'timm:NAME' with `outputs` outputs and random weights that follow from `seed`.

    A timm network sees RGB at the images' own size, normalised as ImageNet's. Raises UsageError, with near misses,
    for any other name.
    """
    kind, _, name = architecture.partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == "slim":
            slim = Slim(outputs)
            return Fresh(slim, slim, SLIM_INPUT)
        if kind != "timm" or not name:
            raise UsageError(f"--arch {architecture} cannot be used; give slim, or timm:NAME such as timm:resnet18.")
        given = Input(0, 0, 3, IMAGENET_MEAN, IMAGENET_STD)
        core = timm_model.create(name, outputs)
        return Fresh(Prepared(core, given), core, given)
