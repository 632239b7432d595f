"""Layers that several families share: TensorFlow's 'same' padding, separable convolution, a regressor's range."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def pad_same(x: torch.Tensor, kernel: int, stride: int, value: float = 0.0) -> torch.Tensor:
    """Pads `x` as TensorFlow's padding='same' does: the odd pixel goes to the bottom and to the right.

    PyTorch's symmetric padding would shift every layer of stride 2 by a pixel.
    """
    height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2), value=value)


class SeparableConv(nn.Module):
    """A 3x3 convolution per channel, then a 1x1 convolution across channels; 'same' padding.

    `(batch, inputs, height, width)` -> `(batch, outputs, ceil(height / stride), ceil(width / stride))`.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride=stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The convolution; no activation."""
        result: torch.Tensor = self.pointwise(self.depthwise(pad_same(x, 3, self.stride)))
        return result


def clamped(values: torch.Tensor) -> torch.Tensor:
    """Valence and arousal in [-1, 1], with the gradient of the values themselves.

    Linear heads may leave the range. A plain clamp would give an attack no gradient there. Nothing is added to what was
    clamped but an exact zero that carries the gradient: adding a difference to a large value would lose the answer.
    """
    return values.clamp(-1, 1).detach() + (values - values.detach())
