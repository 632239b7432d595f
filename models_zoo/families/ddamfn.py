"""DDAMFN++ (Zhang et al., Electronics 2023): a mixed feature network under two direction-wise attention heads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.preprocessing import imagenet
from models_zoo.weights.state_dict import fill, read_torch

_SIDE = 112


_CHANNELS = 512


#: The maps that the heads attend to are 7x7.
_MAPS = 7


_HEADS = 2


class ConvNorm(nn.Module):
    """A convolution, batch normalisation and, where `prelu`, PReLU; padding that keeps a side at stride 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        prelu: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        if prelu:
            self.prelu = nn.PReLU(outputs)
        self.active = prelu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer."""
        x = self.bn(self.conv(x))
        return self.prelu(x) if self.active else x


class MixedConv(nn.Module):
    """MixConv: the channels in groups, each with a depthwise kernel of its own size.

    `bn` and `prelu` stand in the checkpoints, but no output depends on them.
    """

    def __init__(self, widths: Sequence[int], stride: int) -> None:
        super().__init__()
        self.widths = list(widths)
        kernels = range(3, 3 + 2 * len(widths), 2)
        self.mixed_depthwise_conv = nn.ModuleList(
            nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)
            for width, kernel in zip(widths, kernels, strict=True)
        )
        self.bn = nn.BatchNorm2d(sum(widths))
        self.prelu = nn.PReLU(sum(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, channels, h, w)` -> `(batch, channels, ceil(h / stride), ceil(w / stride))`."""
        parts = torch.split(x, self.widths, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.mixed_depthwise_conv, parts, strict=True)], dim=1)


class Gate(nn.Module):
    """The gate of coordinate attention (Hou et al. 2021): one sigmoid per row and one per column, of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(8, channels // 32)
        self.conv1 = nn.Conv2d(channels, narrow, 1)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, channels, 1)
        self.conv3 = nn.Conv2d(narrow, channels, 1)

    def gate(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Summaries `(batch, channels, h, 1)` and `(batch, channels, 1, w)` -> weights `(batch, channels, h, w)`."""
        both = torch.cat((rows, columns.transpose(2, 3)), dim=2)
        both = F.hardswish(self.bn1(self.conv1(both)))
        rows, columns = torch.split(both, [rows.shape[2], columns.shape[3]], dim=2)
        result: torch.Tensor = self.conv3(columns.transpose(2, 3)).sigmoid() * self.conv2(rows).sigmoid()
        return result


class CoordinateAttention(Gate):
    """Weights the maps by the gate of their means along each direction."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, channels, h, w)` -> the same shape."""
        return x * self.gate(x.mean(dim=3, keepdim=True), x.mean(dim=2, keepdim=True))


class DirectionAttention(Gate):
    """The gate whose summaries are learned: a depthwise convolution along each direction instead of the mean.

    `Linear` stands in the checkpoints, but no output depends on it.
    """

    def __init__(self) -> None:
        super().__init__(_CHANNELS)
        self.Linear_h = ConvNorm(_CHANNELS, _CHANNELS, (1, _MAPS), groups=_CHANNELS)
        self.Linear_w = ConvNorm(_CHANNELS, _CHANNELS, (_MAPS, 1), groups=_CHANNELS)
        self.Linear = ConvNorm(_CHANNELS, _CHANNELS, (_MAPS, _MAPS), groups=_CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 512, 7, 7)` -> weights of the same shape."""
        return self.gate(self.Linear_h(x), self.Linear_w(x))


class Head(nn.Module):
    """One attention head."""

    def __init__(self) -> None:
        super().__init__()
        self.CoordAtt = DirectionAttention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 512, 7, 7)` -> weights of the same shape."""
        weights: torch.Tensor = self.CoordAtt(x)
        return weights


class Bottleneck(nn.Module):
    """1x1 up to the channels of a mixed convolution, coordinate attention, 1x1 down; the input added where equal."""

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], stride: int) -> None:
        super().__init__()
        inner = sum(widths)
        self.conv = ConvNorm(inputs, inner, prelu=True)
        self.conv_dw = MixedConv(widths, stride)
        self.CA = CoordinateAttention(inner)
        self.project = ConvNorm(inner, outputs)
        self.residual = stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, outputs, ceil(h / stride), ceil(w / stride))`."""
        inside: torch.Tensor = self.project(self.CA(self.conv_dw(self.conv(x))))
        return x + inside if self.residual else inside


class Stage(nn.Module):
    """`depth` bottlenecks with a residual."""

    def __init__(self, channels: int, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(Bottleneck(channels, channels, widths, stride=1) for _ in range(depth)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The bottlenecks, one after the other."""
        result: torch.Tensor = self.model(x)
        return result


class DDAMFN(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `classes` logits.

    Inside: RGB, 112x112, ImageNet's normalisation; the mixed feature network (figure 2 of the paper) down to 7x7; the
    largest of two heads' weights times the maps; a 7x7 depthwise convolution and a linear layer. `bn` stands in the
    checkpoints, but no output depends on it.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNorm(3, 64, (3, 3), stride=2, padding=1, prelu=True),
            ConvNorm(64, 64, (3, 3), padding=1, groups=64, prelu=True),
            Bottleneck(64, 64, (64, 32, 32), stride=2),
            Stage(64, (96, 32), depth=9),
            Bottleneck(64, 128, (128, 64, 64), stride=2),
            Stage(128, (192, 64), depth=16),
            Bottleneck(128, 256, (256, 256, 256, 256), stride=2),
            Stage(256, (172, 170, 170), depth=6),
            ConvNorm(256, _CHANNELS, prelu=True),
        )
        for i in range(_HEADS):
            self.add_module(f"cat_head{i}", Head())
        self.Linear = ConvNorm(_CHANNELS, _CHANNELS, (_MAPS, _MAPS), groups=_CHANNELS)
        self.fc = nn.Linear(_CHANNELS, classes)
        self.bn = nn.BatchNorm1d(classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        x = self.features(imagenet(images, _SIDE))
        weights = torch.stack([self.get_submodule(f"cat_head{i}")(x) for i in range(_HEADS)]).amax(dim=0)
        logits: torch.Tensor = self.fc(self.Linear(x * weights).flatten(1))
        return logits


def build(classes: int, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'model_state_dict' is the state dict."""
    model = DDAMFN(classes)
    fill(model, read_torch(paths[0], "model_state_dict"))
    return model.eval()
