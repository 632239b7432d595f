"""MA-Net (Zhao et al., TIP 2021): one branch of attention on quarters, one of several scales; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock

from models_zoo.preprocessing import resize, to_rgb
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill

#: The share of the local branch in the decision; the authors' default.
_BETA = 0.6


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


class ChannelGate(nn.Module):
    """CBAM's channel attention: a shared two-layer net on the channels' means and maxima, in sixteenths."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 16
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted features, in the same shape."""
        gate = self.mlp(x.mean(dim=(2, 3))) + self.mlp(x.amax(dim=(2, 3)))
        return x * torch.sigmoid(gate)[:, :, None, None]


class SpatialGate(nn.Module):
    """CBAM's spatial attention: a 7x7 convolution of the maximum and the mean over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.ModuleDict({"conv": nn.Conv2d(2, 1, 7, padding=3, bias=False), "bn": nn.BatchNorm2d(1)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted features, in the same shape."""
        pooled = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.spatial["bn"](self.spatial["conv"](pooled)))


class CBAM(nn.Module):
    """Channel attention, then spatial attention (Woo et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels)
        self.SpatialGate = SpatialGate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted features, in the same shape."""
        result: torch.Tensor = self.SpatialGate(self.ChannelGate(x))
        return result


class AttentionBlock(nn.Module):
    """A residual block of ResNet with CBAM before the addition."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _conv3x3(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = downsample
        self.cbam = CBAM(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, outputs, h / stride, w / stride)`."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.cbam(self.bn2(self.conv2(y)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class MultiScaleBlock(nn.Module):
    """A residual block whose second layer is two chains over the four quarters of the channels, one each way.

    In a chain every quarter is added to the rectified answer of the quarter before it, then convolved (3x3) and
    normalised, so that later quarters see further. The two chains' answers are added.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        width = outputs // 4
        self.conv1 = _conv3x3(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        for chain in (1, 2):
            for quarter in (1, 2, 3, 4):
                self.add_module(f"conv{chain}_2_{quarter}", _conv3x3(width, width))
                self.add_module(f"bn{chain}_2_{quarter}", nn.BatchNorm2d(width))
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, outputs, h / stride, w / stride)`."""
        quarters = F.relu(self.bn1(self.conv1(x))).chunk(4, dim=1)
        y = self._chain(1, quarters, (1, 2, 3, 4)) + self._chain(2, quarters, (4, 3, 2, 1))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))

    def _chain(self, chain: int, quarters: Sequence[torch.Tensor], order: Sequence[int]) -> torch.Tensor:
        answers: dict[int, torch.Tensor] = {}
        before: torch.Tensor | None = None
        for number in order:
            x = quarters[number - 1] if before is None else F.relu(before) + quarters[number - 1]
            before = self.get_submodule(f"bn{chain}_2_{number}")(self.get_submodule(f"conv{chain}_2_{number}")(x))
            answers[number] = before
        return torch.cat([answers[number] for number in sorted(answers)], dim=1)


Block = type[BasicBlock] | type[AttentionBlock] | type[MultiScaleBlock]


def _layer(block: Block, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(block(inputs, outputs, stride, shortcut), block(outputs, outputs))


class MANet(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `classes` logits.

    Inside: RGB, 224x224, not normalised; the first half of a ResNet-18; the local branch, a net of its own for each
    quarter of the map; the global branch of multi-scale blocks; .6 of the local logits and .4 of the global ones.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _layer(BasicBlock, 64, 64, 1)
        self.layer2 = _layer(BasicBlock, 64, 128, 2)
        for part in (1, 2, 3, 4):
            self.add_module(f"layer3_1_p{part}", _layer(AttentionBlock, 128, 256, 2))
            self.add_module(f"layer4_1_p{part}", _layer(AttentionBlock, 256, 512, 1))
        self.layer3_2 = _layer(MultiScaleBlock, 128, 256, 2)
        self.layer4_2 = _layer(MultiScaleBlock, 256, 512, 2)
        self.fc_1 = nn.Linear(512, classes)
        self.fc_2 = nn.Linear(512, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        x = self.maxpool(F.relu(self.bn1(self.conv1(resize(to_rgb(images), 224, 224)))))
        x = self.layer2(self.layer1(x))
        quarters = [part for row in x.chunk(2, dim=2) for part in row.chunk(2, dim=3)]
        # All quarters have the same size, so that the mean over the map is the mean of the quarters' means.
        means = [self._local(number, part).mean(dim=(2, 3)) for number, part in enumerate(quarters, 1)]
        local = self.fc_1(torch.stack(means).mean(dim=0))
        logits: torch.Tensor = _BETA * local + (1 - _BETA) * self.fc_2(self.layer4_2(self.layer3_2(x)).mean(dim=(2, 3)))
        return logits

    def _local(self, number: int, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.get_submodule(f"layer4_1_p{number}")(self.get_submodule(f"layer3_1_p{number}")(x))
        return result


def build(classes: int, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'state_dict' is the state dict of a DataParallel."""
    model = MANet(classes)
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
