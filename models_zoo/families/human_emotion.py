"""The emotion net of npm's @vladmandic/human: wider than mini-XCEPTION, with two blocks instead of four."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.layers.convolution import SeparableConv, pad_same
from models_zoo.preprocessing import resize, to_gray
from models_zoo.weights.state_dict import Weights, conv, depthwise, fill, read_tfjs


class Block(nn.Module):
    """An entry-flow block of Xception (Chollet 2017, figure 5), normalisation folded into convolutions.

    `(batch, inputs, height, width)` -> `(batch, outputs, ceil(height / 2), ceil(width / 2))`. The shortcut
    reads the input as it is, the convolutions read it rectified.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = SeparableConv(inputs, outputs, bias=True)
        self.conv2 = SeparableConv(outputs, outputs, bias=True)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block; no activation after the sum."""
        main = self.conv2(F.relu(self.conv1(F.relu(x))))
        main = F.max_pool2d(pad_same(main, 3, 2, float("-inf")), 3, stride=2)
        shortcut: torch.Tensor = self.shortcut(x)
        return main + shortcut


class EmotionNet(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: gray, 64x64, [-1, 1]; 3x3 convolutions of 32 (stride 2) and 64 channels without padding, blocks of
    128 and 256, a 3x3 convolution to seven maps and their means. The softmax of the original is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, stride=2)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.block1 = Block(64, 128)
        self.block2 = Block(128, 256)
        self.head = nn.Conv2d(256, 7, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_gray(images), 64, 64) * 2 - 1
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        maps: torch.Tensor = self.head(self.block2(self.block1(x)))
        return maps.mean(dim=(2, 3))


#: Depthwise kernels and the head were stored under the converter's counters instead of their layers' names.
_DEPTHWISE = {
    "block1.conv1": "unknown_9",
    "block1.conv2": "unknown_15",
    "block2.conv1": "unknown_26",
    "block2.conv2": "unknown_32",
}


_POINTWISE = {
    "conv1": "conv2d_1/Conv2D",
    "conv2": "conv2d_2/Conv2D",
    "block1.shortcut": "conv2d_3/Conv2D",
    "block2.shortcut": "conv2d_4/Conv2D",
    "block1.conv1.pointwise": "separable_conv2d_1/separable_conv2d",
    "block1.conv2.pointwise": "separable_conv2d_2/separable_conv2d",
    "block2.conv1.pointwise": "separable_conv2d_3/separable_conv2d",
    "block2.conv2.pointwise": "separable_conv2d_4/separable_conv2d",
}


def _renamed(tfjs: Weights) -> Weights:
    """The frozen graph's names and TensorFlow's axes -> ours."""
    ours = {"head.weight": conv(tfjs["unknown_43"]), "head.bias": tfjs["unknown_44"]}
    for name, theirs in _DEPTHWISE.items():
        ours[f"{name}.depthwise.weight"] = depthwise(tfjs[theirs])
    for name, theirs in _POINTWISE.items():
        ours[f"{name}.weight"] = conv(tfjs[f"StatefulPartitionedCall/model_1/{theirs}_weights"])
        ours[f"{name}.bias"] = tfjs[f"StatefulPartitionedCall/model_1/{theirs}_bn_offset"]
    return ours


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the graph's JSON and its shard, in this order."""
    model = EmotionNet()
    fill(model, _renamed(read_tfjs(paths[0], paths[1])))
    return model
