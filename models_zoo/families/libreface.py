"""LibreFace (Chang et al., WACV 2024; Guan et al., FG 2026): expression classifiers distilled from larger encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from models_zoo.cards.libreface import Backbone
from models_zoo.preprocessing import imagenet
from models_zoo.sources import AFFECTNET_8
from models_zoo.weights.state_dict import fill, read_torch

_SIDE = 224


_FEATURES = 512


class ConvNorm(nn.Module):
    """A convolution and batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, outputs, ceil(h / stride), ceil(w / stride))`."""
        result: torch.Tensor = self.bn(self.conv(x))
        return result


class RepBlock(nn.Module):
    """RepVGG's block as it is trained (Ding et al. 2021, figure 2b): 3x3, 1x1 and, where shapes allow, identity."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None
        self.conv_kxk = ConvNorm(inputs, outputs, 3, stride)
        self.conv_1x1 = ConvNorm(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The rectified sum of the branches."""
        total = self.conv_1x1(x) + self.conv_kxk(x)
        return F.relu(total if self.identity is None else total + self.identity(x))


class RepVGG(nn.Module):
    """RepVGG-A0 with its 1000-way ImageNet layer and a linear layer to 512 features behind it.

    `(batch, 3, 224, 224)` -> `(batch, 512)`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = RepBlock(3, 48, 2)
        widths, depths = (48, 48, 96, 192, 1280), (2, 4, 14, 1)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(RepBlock(inputs, outputs, 2), *(RepBlock(outputs, outputs, 1) for _ in range(depth - 1)))
                for inputs, outputs, depth in zip(widths, widths[1:], depths, strict=False)
            )
        )
        self.head = nn.Module()
        self.head.fc = nn.Sequential(nn.Linear(1280, 1000), nn.Linear(1000, _FEATURES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The features."""
        features: torch.Tensor = self.head.get_submodule("fc")(self.stages(self.stem(x)).mean(dim=(2, 3)))
        return features


class LibreFace(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> eight logits, in AffectNet's order.

    Inside: RGB, 224x224, ImageNet's normalisation; the backbone's 512 features; two linear layers with ReLU and batch
    normalisation between them. The sigmoid that the original puts behind each class is cut: it keeps the order of the
    classes, and saturates.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        layers = list(resnet18().children())[:-1]
        self.encoder: nn.Module = nn.Sequential(*layers) if backbone == "resnet" else RepVGG()
        self.classifier = nn.Sequential(
            nn.Linear(_FEATURES, 128),
            nn.ReLU(),
            nn.BatchNorm1d(128),
            nn.Identity(),  # the place of dropout, which counts in the names of the checkpoint
            nn.Linear(128, len(AFFECTNET_8)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 8)`."""
        logits: torch.Tensor = self.classifier(self.encoder(imagenet(images, _SIDE)).flatten(1))
        return logits


def build(backbone: Backbone, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'model' is the state dict."""
    model = LibreFace(backbone)
    fill(model, read_torch(paths[0], "model"))
    return model.eval()
