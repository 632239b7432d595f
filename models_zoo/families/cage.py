"""CAGE (Wagner et al., CVPRW 2024): MaxViT-T that names expressions and measures valence and arousal; weights are
brought.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models import maxvit_t

from fer_bench.core.model_card import Task
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import imagenet
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill


class CAGE(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> one task's part of the outputs.

    Inside: RGB, 224x224, ImageNet's normalisation; MaxViT-T, whose last layer gives `classes` logits, then valence
    and arousal. Task "va" answers with the latter two in [-1, 1], task "expression" with the former.
    """

    def __init__(self, classes: int, task: Task) -> None:
        super().__init__()
        self.classes = classes
        self.task = task
        self.net = maxvit_t()
        width = self.net.classifier[3].in_features
        self.net.classifier[5] = nn.Linear(width, classes + 2, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`, or valence and arousal `(batch, 2)`."""
        outputs: torch.Tensor = self.net(imagenet(images, 224))
        if self.task == "va":
            return clamped(outputs[:, self.classes :])
        return outputs[:, : self.classes]


def build(classes: int, task: Task, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' 'model.pt', a bare state dict."""
    model = CAGE(classes, task)
    fill(model.net, read_checkpoint(paths[0]))
    return model.eval()
