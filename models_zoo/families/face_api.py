"""FaceExpressionNet of face-api.js (V. Muehler 2018), with the weights of npm's @vladmandic/face-api."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.layers.convolution import SeparableConv, pad_same
from models_zoo.preprocessing import resize, to_rgb
from models_zoo.weights.state_dict import Weights, conv, depthwise, fill, read_tfjs

_WIDTHS = (32, 64, 128, 256)


#: Mean of red, green and blue in 0..255, subtracted before the division by 255.
_MEAN = (122.782, 117.001, 104.298)


class EntryConv(nn.Module):
    """The net's only plain convolution: 3x3, stride 2, 'same' padding."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, height, width)` -> `(batch, outputs, ceil(height / 2), ceil(width / 2))`."""
        result: torch.Tensor = self.conv(pad_same(x, 3, 2))
        return result


class DenseBlock(nn.Module):
    """Four convolutions; each reads the rectified sum of all before it, and the first halves the size."""

    def __init__(self, inputs: int, outputs: int, entry: bool) -> None:
        super().__init__()
        self.conv0 = EntryConv(inputs, outputs) if entry else SeparableConv(inputs, outputs, stride=2, bias=True)
        self.conv1, self.conv2, self.conv3 = (SeparableConv(outputs, outputs, bias=True) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, height, width)` -> `(batch, outputs, ceil(height / 2), ceil(width / 2))`."""
        total = F.relu(self.conv0(x))
        rectified = total
        for layer in (self.conv1, self.conv2, self.conv3):
            total = total + layer(rectified)
            rectified = F.relu(total)
        return rectified


class FaceExpressionNet(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, neutral first.

    Inside: RGB, 112x112, mean subtracted; four densely connected blocks of separable convolutions down to
    7x7x256, their mean, one linear layer. The softmax of the original is in its JavaScript and left out.
    """

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *_WIDTHS[:-1])
        self.blocks = nn.Sequential(
            *(DenseBlock(i, o, entry=k == 0) for k, (i, o) in enumerate(zip(inputs, _WIDTHS, strict=True)))
        )
        self.head = nn.Linear(_WIDTHS[-1], 7)
        mean = torch.tensor(_MEAN, dtype=torch.float64).div(255).view(1, 3, 1, 1)
        self.register_buffer("mean", mean.float(), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_rgb(images), 112, 112) - self.mean
        features: torch.Tensor = self.blocks(x)
        logits: torch.Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


def _renamed(tfjs: Weights) -> Weights:
    """face-api's names and TensorFlow's axes -> ours."""
    ours: Weights = {"head.weight": tfjs["fc/weights"].T.contiguous(), "head.bias": tfjs["fc/bias"]}
    for i in range(len(_WIDTHS)):
        for j in range(4):
            theirs, name = f"dense{i}/conv{j}", f"blocks.{i}.conv{j}"
            if i == j == 0:
                ours[f"{name}.conv.weight"] = conv(tfjs[f"{theirs}/filters"])
                ours[f"{name}.conv.bias"] = tfjs[f"{theirs}/bias"]
                continue
            ours[f"{name}.depthwise.weight"] = depthwise(tfjs[f"{theirs}/depthwise_filter"])
            ours[f"{name}.pointwise.weight"] = conv(tfjs[f"{theirs}/pointwise_filter"])
            ours[f"{name}.pointwise.bias"] = tfjs[f"{theirs}/bias"]
    return ours


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the manifest and its shard, in this order."""
    model = FaceExpressionNet()
    fill(model, _renamed(read_tfjs(paths[0], paths[1])))
    return model
