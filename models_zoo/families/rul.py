"""RUL, Relative Uncertainty Learning (Zhang et al., NeurIPS 2021): ResNet-18 to 64 features; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet18

from fer_bench.core.model_card import ModelCard, PublishedAccuracy, UserFile
from models_zoo.preprocessing import imagenet
from models_zoo.sources import NOT_SEEN, RAF_DB, RAF_DB_TEST, compared
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


CARD = ModelCard(
    name="rul-rafdb",
    title="Relative Uncertainty Learning on RAF-DB",
    task="expression",
    classes=RAF_DB,
    input="224x224 RGB, normalised as for ImageNet",
    parameters=14_388_615,
    paper="https://openreview.net/forum?id=h1-ilmYbdea",
    year=2021,
    licence="none stated",
    files=(
        UserFile(
            "acc_888.pth, saved by the authors' src/main.py",
            "https://github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning",
        ),
    ),
    build=build,
    accuracy=(PublishedAccuracy(0.888, "rafdb", "test", RAF_DB_TEST, "src/main.py saves from this accuracy on"),),
    family="ResNet-18",
    trained_on="RAF-DB; ResNet-18 pretrained on MS-Celeb-1M",
    notes=(
        NOT_SEEN,
        compared(4, "0", "5.5"),
        "The authors offer the pretrained ResNet-18 only; a checkpoint is what their training script saves.",
    ),
)
