"""SCN, the Self-Cure Network (Wang et al., CVPR 2020): ResNet-18 whose logits are weighted; weights are brought."""

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


class SCN(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in RAF-DB's order.

    Inside: RGB, 224x224, ImageNet's normalisation; ResNet-18 with its pooling; the importance of a sample, a
    sigmoid in (0, 1), times the linear layer (the paper's equation 2: logit weighting).
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(resnet18().children())[:-1])
        self.alpha = nn.Sequential(nn.Linear(512, 1), nn.Sigmoid())
        self.fc = nn.Linear(512, len(RAF_DB))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = self.features(imagenet(images, 224)).flatten(1)
        logits: torch.Tensor = self.alpha(x) * self.fc(x)
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the public checkpoint, whose entry 'model_state_dict' is the state dict."""
    model = SCN()
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
