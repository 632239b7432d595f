"""RUL, Relative Uncertainty Learning (Zhang et al., NeurIPS 2021): ResNet-18 to 64 features; weights are brought."""

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

_EPSILON = 2e-5


_FEATURES = 64


def _branch() -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(512, eps=_EPSILON, affine=False),
        nn.Dropout(0.4),
        nn.Flatten(),
        nn.Linear(512 * 7 * 7, _FEATURES),
        nn.BatchNorm1d(_FEATURES, eps=_EPSILON),
    )


class RUL(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in RAF-DB's order.

    Inside: RGB, 224x224, ImageNet's normalisation; ResNet-18 without its pooling; the branch `mu` to 64 features; a
    linear layer. `log_var`, the uncertainty, is used in training alone; the checkpoints hold it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(resnet18().children())[:-2])
        self.mu = _branch()
        self.log_var = _branch()
        self.fc = nn.Linear(_FEATURES, len(RAF_DB))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        logits: torch.Tensor = self.fc(self.mu(self.features(imagenet(images, 224))))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from a checkpoint with two entries, 'model_state_dict' and, for the last layer, 'fc_state_dict'."""
    last = read_checkpoint(paths[0], ("fc_state_dict",))
    weights = read_checkpoint(paths[0], ("model_state_dict",))
    model = RUL()
    fill(model, weights | {f"fc.{name}": value for name, value in last.items()})
    return model.eval()
