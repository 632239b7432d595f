"""AVCE (Kim and Song, ECCV 2022): valence and arousal from AlexNet or ResNet-18 through a narrow regressor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import alexnet, resnet18

from models_zoo.cards.avce import RESIZED, SIDE, Backbone
from models_zoo.inputs import IMAGENET_MEAN, IMAGENET_STD
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import normalise, resize, to_rgb
from models_zoo.weights.state_dict import fill, known, read_torch


class Regressor(nn.Module):
    """Features `(batch, inputs)` through 32 and 256 rectified units to two numbers. No dropout: it is inference.

    `classes`: width of the ImageNet classifier that the ResNet variant keeps in front (`last_linear`).
    """

    def __init__(self, inputs: int, classes: int | None) -> None:
        super().__init__()
        self.last_linear = nn.Identity() if classes is None else nn.Linear(inputs, classes)
        self.lin0 = nn.Linear(classes or inputs, 32)
        self.lin1 = nn.Linear(32, 256)
        self.va_regressor = nn.Linear(256, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Valence and arousal `(batch, 2)`, not bounded."""
        answers: torch.Tensor = self.va_regressor(F.relu(self.lin1(F.relu(self.lin0(self.last_linear(x))))))
        return answers


class AVCE(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> valence and arousal `(batch, 2)` in [-1, 1].

    Inside: RGB, 256x256, the central 224x224, ImageNet's normalisation; the backbone's maps, pooled to 6x6 (AlexNet)
    or to their means (ResNet-18); the regressor.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        if backbone == "alexnet":
            self.encoder.add_module("features", alexnet().features)
            self.pooled = 6
            self.regressor = Regressor(256 * 6 * 6, None)
        else:
            for name, layer in list(resnet18().named_children())[:-2]:
                self.encoder.add_module(name, layer)
            self.pooled = 1
            self.regressor = Regressor(512, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Valence and arousal."""
        margin = (RESIZED - SIDE) // 2
        x = resize(to_rgb(images), RESIZED, RESIZED)[..., margin:-margin, margin:-margin]
        maps = self.encoder(normalise(x, IMAGENET_MEAN, IMAGENET_STD))
        return clamped(self.regressor(F.adaptive_avg_pool2d(maps, self.pooled).flatten(1)))


def build(backbone: Backbone, paths: Sequence[Path]) -> nn.Module:
    """The model from the encoder's and the regressor's state dict.

    AlexNet's regressor file also holds layers (`lin2`, `pw_conv`) that the authors' network has no longer.
    """
    model = AVCE(backbone)
    for part, path in zip((model.encoder, model.regressor), paths, strict=True):
        fill(part, known(part, read_torch(path)))
    return model.eval()
