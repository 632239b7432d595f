"""DMUE, Dive into Ambiguity (She et al., CVPR 2021): the target branch of ResNet-18; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet18

from models_zoo.cards.dmue import RESIZED, SIDE
from models_zoo.preprocessing import normalise, resize, to_rgb
from models_zoo.sources import AFFECTNET_8
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill


class DMUE(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> eight logits, in AffectNet's order.

    Inside: RGB, 256x256, the central 224x224, [-1, 1]; a ResNet-18 without the first ReLU and with 2x2 max pooling, as
    the authors have it; its means, batch normalisation, a linear layer without bias. The branches of the other
    classes serve training alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Sequential()
        for name, layer in list(resnet18().named_children())[:-2]:
            if name != "relu":
                self.base.add_module(name, nn.MaxPool2d(2) if name == "maxpool" else layer)
        self.bottleneck = nn.BatchNorm1d(512)
        self.classifiers = nn.ModuleList([nn.Linear(512, len(AFFECTNET_8), bias=False)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 8)`."""
        border = (RESIZED - SIDE) // 2
        x = resize(to_rgb(images), RESIZED, RESIZED)[..., border : border + SIDE, border : border + SIDE]
        means = self.base(normalise(x, (0.5,) * 3, (0.5,) * 3)).mean(dim=(2, 3))
        logits: torch.Tensor = self.classifiers[0](self.bottleneck(means))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the target branch's state dict, which the authors' convert_weights.py writes."""
    model = DMUE()
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
