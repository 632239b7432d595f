"""CAF (Kim and Song, AAAI 2021) and ELIM (NeurIPS 2022): valence and arousal from AlexNet's features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import alexnet

from models_zoo.cards.caf import RESIZED, SIDE
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import imagenet
from models_zoo.weights.state_dict import fill, read_torch

_POOLED = 256 * 6 * 6


class NarrowRegressor(nn.Module):
    """CAF's head: 64 and 8 rectified units, then valence and arousal. No dropout: it is inference."""

    def __init__(self) -> None:
        super().__init__()
        self.lin0 = nn.Linear(_POOLED, 64)
        self.lin1 = nn.Linear(64, 8)
        self.va_regressor = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 9216)` -> `(batch, 2)`, not bounded."""
        answers: torch.Tensor = self.va_regressor(F.relu(self.lin1(F.relu(self.lin0(x)))))
        return answers


class LatentRegressor(nn.Module):
    """ELIM's latent: 256 rectified units, then 64 that are normalised and rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.lin0 = nn.Linear(_POOLED, 256)
        self.lin1 = nn.Linear(256, 64)
        self.bn = nn.BatchNorm1d(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 9216)` -> `(batch, 64)`."""
        return F.relu(self.bn(self.lin1(F.relu(self.lin0(x)))))


class Header(nn.Module):
    """ELIM's head: 1,280 rectified units, then valence and arousal.

    The authors' file holds its two layers under two names each, and a normalisation `bn1` that is never used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(64, 1280)
        self.linear2 = nn.Linear(1280, 2)
        self.bn1 = nn.BatchNorm1d(1280)
        self.layer_blocks = nn.Sequential(self.linear1, nn.ReLU(), self.linear2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 64)` -> `(batch, 2)`, not bounded."""
        answers: torch.Tensor = self.layer_blocks(x)
        return answers


class ValenceArousal(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> valence and arousal `(batch, 2)` in [-1, 1].

    Inside: RGB, 256x256, ImageNet's normalisation, the central 224x224; AlexNet's features, pooled to 6x6; `heads`,
    one after the other.
    """

    def __init__(self, **heads: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"features": alexnet().features})
        for name, head in heads.items():
            self.add_module(name, head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Valence and arousal."""
        border = (RESIZED - SIDE) // 2
        x = imagenet(images, RESIZED)[..., border:-border, border:-border]
        x = F.adaptive_avg_pool2d(self.encoder["features"](x), 6).flatten(1)
        for name, head in self.named_children():
            x = x if name == "encoder" else head(x)
        return clamped(x)


def _filled(model: nn.Module, paths: Sequence[Path]) -> nn.Module:
    """`model`, its children filled from one state dict each, in their order."""
    for part, path in zip(model.children(), paths, strict=True):
        fill(part, read_torch(path))
    return model.eval()


def build_caf(paths: Sequence[Path]) -> nn.Module:
    """The model from the state dicts of encoder and regressor."""
    return _filled(ValenceArousal(regressor=NarrowRegressor()), paths)


def build_elim(paths: Sequence[Path]) -> nn.Module:
    """The model from the state dicts of encoder, regressor and header."""
    return _filled(ValenceArousal(regressor=LatentRegressor(), header=Header()), paths)
