"""Residual Masking Network (Pham et al., ICPR 2020): ResNet-34 with four small U-Nets as masks; weights are brought."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, resnet34

from models_zoo.preprocessing import resize, to_gray
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill


class Mask(nn.Module):
    """A U-Net of `depth` levels on `(batch, channels, h, w)`, whose answer, of the same shape, sums to 1 over channels.

    Down: one residual block a level, which doubles the channels, and 2x2 max pooling between levels. Up: a 2x2
    transposed convolution, the level's features beside it, one residual block. A last block returns to `channels`.
    At depth 1 nothing is pooled. The blocks are numbered in the order in which they run: conv1, conv2, ...

    The public definition keeps each block's shortcut twice, in the block and as a child of the mask
    (downsample1, ...), so that its checkpoints hold those tensors under two names. So does this one.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        widths = [channels * 2**level for level in range(depth + 1)]
        steps = list(pairwise([*widths, *widths[-2::-1]]))
        for number, (inputs, outputs) in enumerate(steps, 1):
            shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
            self.add_module(f"downsample{number}", shortcut)
            self.add_module(f"conv{number}", BasicBlock(inputs, outputs, downsample=shortcut))
        for number in range(depth + 1, 2 * depth):
            inputs, outputs = steps[number - 1]
            up = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 2, 2), nn.BatchNorm2d(outputs), nn.ReLU())
            self.add_module(f"up_pool{number}", up)
        self.down_pooling = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mask."""
        levels: list[torch.Tensor] = []
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"conv{number}")(self.down_pooling(x) if levels else x)
            levels.append(x)
        levels.pop()
        for number in range(self.depth + 1, 2 * self.depth):
            x = torch.cat([self.get_submodule(f"up_pool{number}")(x), levels.pop()], dim=1)
            x = self.get_submodule(f"conv{number}")(x)
        return torch.softmax(self.get_submodule(f"conv{2 * self.depth}")(x), dim=1)


class ResidualMaskingNetwork(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in FER2013's order.

    Inside: gray, three times the same, 224x224, not normalised; ResNet-34, each of whose four stages is followed by
    x * (1 + mask(x)) (the paper's figure 3) with masks of depth 4, 3, 2 and 1.
    """

    def __init__(self) -> None:
        super().__init__()
        for name, child in list(resnet34().named_children())[:-1]:
            self.add_module(name, child)
        self.fc = nn.Sequential(nn.Dropout(0.4), nn.Linear(512, 7))
        for stage, (channels, depth) in enumerate(((64, 4), (128, 3), (256, 2), (512, 1)), 1):
            self.add_module(f"mask{stage}", Mask(channels, depth))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_gray(images), 224, 224).expand(-1, 3, -1, -1)
        for name in ("conv1", "bn1", "relu", "maxpool"):
            x = self.get_submodule(name)(x)
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{stage}")(x)
            x = x * (1 + self.get_submodule(f"mask{stage}")(x))
        logits: torch.Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' checkpoint, whose entry 'net' is the state dict."""
    model = ResidualMaskingNetwork()
    fill(model, read_checkpoint(paths[0]))
    return model.eval()
