"""The two plain convolutional nets of the package `what_the_face_classification` (J. Rodgers)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from models_zoo.preprocessing import resize, to_gray
from models_zoo.weights.state_dict import fill, read_torch


class WhatTheFace(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: gray, 48x48; three times a 3x3 convolution without padding, tanh and 2x2 max pooling (28, 56 and
    112 channels, down to 4x4), then rectified linear layers of the widths `hidden` and the output.
    """

    def __init__(self, hidden: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 28, 3)
        self.conv2 = nn.Conv2d(28, 56, 3)
        self.conv3 = nn.Conv2d(56, 112, 3)
        self.pool = nn.MaxPool2d(2)
        sizes = (112 * 4 * 4, *hidden, 7)
        self.depth = len(sizes) - 1
        for i in range(self.depth):
            self.add_module(f"fc{i + 1}", nn.Linear(sizes[i], sizes[i + 1]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_gray(images), 48, 48)
        for layer in (self.conv1, self.conv2, self.conv3):
            x = self.pool(torch.tanh(layer(x)))
        x = x.flatten(1)
        for i in range(1, self.depth):
            x = torch.relu(self.get_submodule(f"fc{i}")(x))
        logits: torch.Tensor = self.get_submodule(f"fc{self.depth}")(x)
        return logits


def build_active(paths: Sequence[Path]) -> nn.Module:
    """The net that the package uses: two hidden layers."""
    return _build(paths[0], (2000, 304))


def build_last_active(paths: Sequence[Path]) -> nn.Module:
    """The net that the package used before: one hidden layer."""
    return _build(paths[0], (305,))


def _build(path: Path, hidden: Sequence[int]) -> nn.Module:
    model = WhatTheFace(hidden)
    fill(model, read_torch(path))
    return model
