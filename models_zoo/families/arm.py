"""ARM, Amend Representation Module (Shi et al. 2021): ResNet-18 rearranged and weighed; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet18

from models_zoo.preprocessing import imagenet
from models_zoo.sources import RAF_DB
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill


class Amend(nn.Module):
    """De-albino and sharing affinity: `(batch, 2, 112, 112)` -> `(batch, 121)`.

    One 32x32 kernel of stride 8 for both channels, batch normalisation, the channels' mean, plus `alpha` times the
    same mean. The authors add the mean over the whole batch in the last place, in tests too, so that an image's answer
    depends on its neighbours; here an image is its own batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.de_albino = nn.Conv2d(1, 1, 32, 8, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.alpha = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The amended representation."""
        weighed = torch.cat([self.de_albino(channel) for channel in x.chunk(2, dim=1)], dim=1)
        mean = self.bn(weighed).mean(dim=1).flatten(1)
        result: torch.Tensor = mean + self.alpha * mean
        return result


class ARM(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in RAF-DB's order.

    Inside: RGB, 224x224, ImageNet's normalisation; ResNet-18 without its pooling; its 512 maps of 7x7 laid out as 2 of
    112x112 (pixel shuffle by 16); the module; a linear layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(resnet18().children())[:-2])
        self.arrangement = nn.PixelShuffle(16)
        self.arm = Amend()
        self.fc = nn.Linear(121, len(RAF_DB))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        logits: torch.Tensor = self.fc(self.arm(self.arrangement(self.features(imagenet(images, 224)))))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'model_state_dict' is the state dict."""
    model = ARM()
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
