"""EAC, Erasing Attention Consistency (Zhang et al., ECCV 2022): a face ResNet-50; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet50

from models_zoo.preprocessing import imagenet
from models_zoo.sources import RAF_DB
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill


def caffe_resnet50() -> nn.Sequential:
    """ResNet-50 without pooling and classifier as VGGFace2's weights know it: `(batch, 3, 224, 224)` -> 2048x7x7.

    As in Caffe, a stage's stride lies in its first 1x1 convolution, and the pooling rounds up and pads nothing.
    """
    net = resnet50()
    net.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for stage in (net.layer2, net.layer3, net.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return nn.Sequential(*list(net.children())[:-2])


class EAC(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in RAF-DB's order.

    Inside: RGB, 224x224, ImageNet's normalisation; ResNet-50, its means, a linear layer. The attention maps of the
    paper serve training alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = caffe_resnet50()
        self.fc = nn.Linear(2048, len(RAF_DB))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        logits: torch.Tensor = self.fc(self.features(imagenet(images, 224)).mean(dim=(2, 3)))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the state dict of the authors' `Model`."""
    model = EAC()
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
