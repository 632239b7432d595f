"""The Keras net of the package `facemood` (E. K. Ozdemir 2024): five convolutions on 170x170 RGB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.preprocessing import resize, to_rgb
from models_zoo.weights.state_dict import Weights, conv, fill, norm, read_keras

_WIDTHS = (32, 60, 80, 100, 120)


_KERAS_EPSILON = 1e-3


class Facemood(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: RGB, 170x170; five times a 3x3 convolution without padding, ReLU, batch normalisation and 2x2 max
    pooling, down to 3x3x120, then a linear layer of 128, batch normalisation and the output. The softmax is
    cut.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *_WIDTHS[:-1])
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3) for i, o in zip(inputs, _WIDTHS, strict=True))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=_KERAS_EPSILON) for width in _WIDTHS)
        self.hidden = nn.Linear(3 * 3 * _WIDTHS[-1], 128)
        self.hidden_norm = nn.BatchNorm1d(128, eps=_KERAS_EPSILON)
        self.head = nn.Linear(128, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_rgb(images), 170, 170)
        for layer, normalise in zip(self.convs, self.norms, strict=True):
            x = F.max_pool2d(normalise(F.relu(layer(x))), 2)
        logits: torch.Tensor = self.head(self.hidden_norm(self.hidden(x.flatten(1))))
        return logits


def _renamed(keras: Weights) -> Weights:
    """Keras' names and axes -> ours."""
    ours: Weights = {}
    for i in range(len(_WIDTHS)):
        suffix = f"_{i}" if i else ""
        ours[f"convs.{i}.weight"] = conv(keras[f"conv2d{suffix}/kernel"])
        ours[f"convs.{i}.bias"] = keras[f"conv2d{suffix}/bias"]
        ours |= norm(keras, f"batch_normalization{suffix}", f"norms.{i}")
    # Keras flattens (height, width, channels), PyTorch (channels, height, width).
    hidden = keras["dense/kernel"].reshape(3, 3, _WIDTHS[-1], 128).permute(3, 2, 0, 1)
    ours |= {"hidden.weight": hidden.reshape(128, -1), "hidden.bias": keras["dense/bias"]}
    ours |= norm(keras, "batch_normalization_5", "hidden_norm")
    ours |= {"head.weight": keras["dense_1/kernel"].T.contiguous(), "head.bias": keras["dense_1/bias"]}
    return ours


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the one HDF5 file of the package."""
    model = Facemood()
    fill(model, _renamed(read_keras(paths[0])))
    return model
