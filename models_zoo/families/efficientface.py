"""EfficientFace (Zhao et al., AAAI 2021): a ShuffleNetV2 with local features and a modulator; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models.shufflenetv2 import InvertedResidual

from models_zoo.cards.efficientface import Pixels
from models_zoo.preprocessing import normalise, resize, to_rgb
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill

_REPEATS = (4, 8, 4)


_WIDTHS = (29, 116, 232, 464, 1024)


_REDUCED = 116 // 16


class LocalFeatures(nn.Module):
    """Each quarter of `(batch, 29, 56, 56)` through two depthwise convolutions of its own -> `(batch, 116, 28, 28)`.

    The quarters are numbered down the columns: top left, bottom left, top right, bottom right.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        for i in (1, 2, 3, 4):
            self.add_module(f"conv{i}_1", nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False, groups=inputs))
            self.add_module(f"bn{i}_1", nn.BatchNorm2d(outputs))
            self.add_module(f"conv{i}_2", nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False, groups=outputs))
            self.add_module(f"bn{i}_2", nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The four answers, put together as the quarters lie."""
        columns = [
            torch.cat([self._quarter(2 * c + r + 1, part) for r, part in enumerate(column.chunk(2, dim=2))], dim=2)
            for c, column in enumerate(x.chunk(2, dim=3))
        ]
        return torch.cat(columns, dim=3)

    def _quarter(self, number: int, x: torch.Tensor) -> torch.Tensor:
        for layer in (1, 2):
            x = self.get_submodule(f"conv{number}_{layer}")(x)
            x = torch.relu(self.get_submodule(f"bn{number}_{layer}")(x))
        return x


class ChannelGate(nn.Module):
    """`(batch, 116, h, w)` -> one number a channel, `(batch, 116)`, from the channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate_c = nn.Sequential()
        self.gate_c.add_module("gate_c_fc_0", nn.Linear(channels, _REDUCED))
        self.gate_c.add_module("gate_c_bn_1", nn.BatchNorm1d(_REDUCED))
        self.gate_c.add_module("gate_c_relu_1", nn.ReLU())
        self.gate_c.add_module("gate_c_fc_final", nn.Linear(_REDUCED, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The gate's numbers, before any squashing."""
        gate: torch.Tensor = self.gate_c(x.mean(dim=(2, 3)))
        return gate


class SpatialGate(nn.Module):
    """`(batch, 116, h, w)` -> one number a place, `(batch, 1, h, w)`, from two 3x3 convolutions of dilation 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate_s = nn.Sequential()
        self.gate_s.add_module("gate_s_conv_reduce0", nn.Conv2d(channels, _REDUCED, 1))
        self.gate_s.add_module("gate_s_bn_reduce0", nn.BatchNorm2d(_REDUCED))
        self.gate_s.add_module("gate_s_relu_reduce0", nn.ReLU())
        for i in (0, 1):
            self.gate_s.add_module(f"gate_s_conv_di_{i}", nn.Conv2d(_REDUCED, _REDUCED, 3, padding=4, dilation=4))
            self.gate_s.add_module(f"gate_s_bn_di_{i}", nn.BatchNorm2d(_REDUCED))
            self.gate_s.add_module(f"gate_s_relu_di_{i}", nn.ReLU())
        self.gate_s.add_module("gate_s_conv_final", nn.Conv2d(_REDUCED, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The gate's numbers, before any squashing."""
        gate: torch.Tensor = self.gate_s(x)
        return gate


class Modulator(nn.Module):
    """Weights features by the sigmoid of channel gate times spatial gate (the paper's channel-spatial modulator)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel_att = ChannelGate(channels)
        self.spatial_att = SpatialGate(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted features, in the same shape."""
        return x * torch.sigmoid(self.channel_att(x)[:, :, None, None] * self.spatial_att(x))


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class EfficientFace(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `classes` logits.

    Inside: RGB, 224x224, normalised by `pixels` (means, deviations); ShuffleNetV2 with a thin first stage, after
    whose stage 2 the modulated features and the local features of the four quarters are added.
    """

    def __init__(self, classes: int, pixels: Pixels) -> None:
        super().__init__()
        self.pixels = pixels
        self.conv1 = _block(3, _WIDTHS[0], 3, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage, repeats in enumerate(_REPEATS, 2):
            inputs, outputs = _WIDTHS[stage - 2], _WIDTHS[stage - 1]
            rest = [InvertedResidual(outputs, outputs, 1) for _ in range(repeats - 1)]
            self.add_module(f"stage{stage}", nn.Sequential(InvertedResidual(inputs, outputs, 2), *rest))
        self.local = LocalFeatures(_WIDTHS[0], _WIDTHS[1])
        self.modulator = Modulator(_WIDTHS[1])
        self.conv5 = _block(_WIDTHS[3], _WIDTHS[4], 1, 1)
        self.fc = nn.Linear(_WIDTHS[4], classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        x = self.maxpool(self.conv1(normalise(resize(to_rgb(images), 224, 224), *self.pixels)))
        x = self.modulator(self.get_submodule("stage2")(x)) + self.local(x)
        x = self.conv5(self.get_submodule("stage4")(self.get_submodule("stage3")(x)))
        logits: torch.Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def build(classes: int, pixels: Pixels, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'state_dict' is the state dict of a DataParallel."""
    model = EfficientFace(classes, pixels)
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
