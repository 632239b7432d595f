"""Two nets of face recognition that expression models are built on: IR-50's stages and MobileFaceNet's features.

Sources: ArcFace (Deng et al. 2019, IR blocks) and MobileFaceNets (Chen et al. 2018). The names of the parts are those
of the public checkpoints. No family is known here.
"""

from __future__ import annotations

import torch
from torch import nn


class IRBlock(nn.Module):
    """ArcFace's residual unit: normalise, 3x3, PReLU, 3x3 of `stride`, normalise; beside it the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, outputs, h / stride, w / stride)`."""
        result: torch.Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return result


def ir_stage(inputs: int, outputs: int, units: int) -> list[IRBlock]:
    """The blocks of one stage; the first halves the sides."""
    return [IRBlock(inputs, outputs, 2), *(IRBlock(outputs, outputs, 1) for _ in range(units - 1))]


def ir_stem() -> nn.Sequential:
    """IR-50's first layer: 3x3 convolution to 64 channels, batch normalisation, PReLU."""
    return nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))


class _Conv(nn.Module):
    """Convolution, batch normalisation and, where `active`, PReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        if active:
            self.prelu = nn.PReLU(outputs)
        self.active = active

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv(x))
        return self.prelu(x) if self.active else x


class _DepthWise(nn.Module):
    """MobileNetV2's bottleneck: widen, 3x3 per channel, project; plus its input where it is a `residual`."""

    def __init__(self, inputs: int, outputs: int, width: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.conv = _Conv(inputs, width, 1)
        self.conv_dw = _Conv(width, width, 3, stride, groups=width)
        self.project = _Conv(width, outputs, 1, active=False)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


class _Residuals(nn.Module):
    """Several residual bottlenecks, one after the other."""

    def __init__(self, channels: int, units: int, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(_DepthWise(channels, channels, width, 1, True) for _ in range(units)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.model(x)
        return result


class MobileFaceNetFeatures(nn.Module):
    """MobileFaceNet down to its last features: `(batch, 3, 112, 112)` -> maps of 64x28x28, 128x14x14 and 512x7x7."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Conv(3, 64, 3, 2)
        self.conv2_dw = _Conv(64, 64, 3, groups=64)
        self.conv_23 = _DepthWise(64, 64, 128, 2, False)
        self.conv_3 = _Residuals(64, 4, 128)
        self.conv_34 = _DepthWise(64, 128, 256, 2, False)
        self.conv_4 = _Residuals(128, 6, 256)
        self.conv_45 = _DepthWise(128, 128, 512, 2, False)
        self.conv_5 = _Residuals(128, 2, 256)
        self.conv_6_sep = _Conv(128, 512, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The three maps, the largest first."""
        large = self.conv_3(self.conv_23(self.conv2_dw(self.conv1(x))))
        middle = self.conv_4(self.conv_34(large))
        return large, middle, self.conv_6_sep(self.conv_5(self.conv_45(middle)))
