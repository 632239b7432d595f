"""NetworkV2 of PyPI's `facial_emotion_recognition` 0.3.4 (R. Akhtar); `PyEmotion` has the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from models_zoo.preprocessing import resize, to_gray
from models_zoo.weights.state_dict import fill, read_torch


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(inputs, outputs, 3, stride=stride),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class NetworkV2(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: gray, 48x48, [-1, 1]; four reflected 3x3 convolutions of 32 to 256 channels, the last three of
    stride 2, down to 6x6, then a linear layer of 256 and the output. The sigmoid of the original is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_1 = _block(1, 32, 1)
        self.conv_2 = _block(32, 64, 2)
        self.conv_3 = _block(64, 128, 2)
        self.conv_4 = _block(128, 256, 2)
        self.linear = nn.Sequential(nn.Linear(256 * 6 * 6, 256), nn.ReLU(), nn.Linear(256, 7))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_gray(images), 48, 48) * 2 - 1
        x = self.conv_4(self.conv_3(self.conv_2(self.conv_1(x))))
        logits: torch.Tensor = self.linear(x.flatten(1))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the training checkpoint, whose entry 'network' is the state dict."""
    model = NetworkV2()
    fill(model, read_torch(paths[0], key="network"))
    return model
