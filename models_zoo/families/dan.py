"""DAN, "Distract Your Attention" (Wen et al. 2021): ResNet-18 and four cross-attention heads; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from models_zoo.preprocessing import imagenet
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill

_HEADS = 4


def _conv(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs))


class SpatialAttention(nn.Module):
    """Weights every place of `(batch, 512, h, w)` by a map from 1x1, then 3x3, 1x3 and 3x1 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1x1 = _conv(512, 256, (1, 1))
        self.conv_3x3 = _conv(256, 512, (3, 3))
        self.conv_1x3 = _conv(256, 512, (1, 3))
        self.conv_3x1 = _conv(256, 512, (3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted features, in the same shape."""
        y = self.conv1x1(x)
        y = F.relu(self.conv_3x3(y) + self.conv_1x3(y) + self.conv_3x1(y))
        return x * y.sum(dim=1, keepdim=True)


class ChannelAttention(nn.Module):
    """Averages over places and weights every channel: `(batch, 512, h, w)` -> `(batch, 512)`."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Linear(512, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 512), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted channel means."""
        mean = x.mean(dim=(2, 3))
        result: torch.Tensor = mean * self.attention(mean)
        return result


class CrossAttentionHead(nn.Module):
    """One head: spatial attention, then channel attention."""

    def __init__(self) -> None:
        super().__init__()
        self.sa = SpatialAttention()
        self.ca = ChannelAttention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 512, h, w)` -> `(batch, 512)`."""
        result: torch.Tensor = self.ca(self.sa(x))
        return result


class DAN(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `classes` logits.

    Inside: RGB, 224x224, ImageNet's normalisation; ResNet-18 without its pooling; the heads' log-softmax over the
    heads, summed (the paper's attention fusion); a linear layer and batch normalisation.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(resnet18().children())[:-2])
        for i in range(_HEADS):
            self.add_module(f"cat_head{i}", CrossAttentionHead())
        self.fc = nn.Linear(512, classes)
        self.bn = nn.BatchNorm1d(classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`."""
        x = self.features(imagenet(images, 224))
        heads = torch.stack([self.get_submodule(f"cat_head{i}")(x) for i in range(_HEADS)], dim=1)
        logits: torch.Tensor = self.bn(self.fc(F.log_softmax(heads, dim=1).sum(dim=1)))
        return logits


def build(classes: int, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'model_state_dict' is the state dict."""
    model = DAN(classes)
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
