"""EmoNet (Toisoul et al., Nature Machine Intelligence 2021): expression, valence and arousal above a face aligner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.core.model_card import Task
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import resize, to_rgb
from models_zoo.weights.state_dict import fill, known, read_torch

_SIDE = 256


_LANDMARKS = 68


_DEPTH = 4


_STACKS = 2


class Block(nn.Module):
    """The hierarchical, parallel residual block of the face aligner (Bulat and Tzimiropoulos 2017, figure 4b).

    Three 3x3 convolutions, each after batch normalisation and ReLU, give a half, a quarter and a quarter of the
    channels; they are joined and added to the input: `(batch, inputs, h, w)` -> `(batch, outputs, h, w)`.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs // 2)
        self.conv2 = nn.Conv2d(outputs // 2, outputs // 4, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs // 4)
        self.conv3 = nn.Conv2d(outputs // 4, outputs // 4, 3, padding=1, bias=False)
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block; no activation after the sum."""
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        shortcut: torch.Tensor = self.downsample(x)
        return torch.cat((first, second, third), dim=1) + shortcut


class Hourglass(nn.Module):
    """Halves the maps `_DEPTH` times and comes back, adding a branch at each size; 256 channels throughout."""

    def __init__(self) -> None:
        super().__init__()
        for level in range(_DEPTH, 0, -1):
            for part in ("b1", "b2", "b3"):
                self.add_module(f"{part}_{level}", Block(256, 256))
        self.add_module("b2_plus_1", Block(256, 256))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 256, h, w)` -> the same shape; h and w are multiples of 2 ** `_DEPTH`."""
        return self._level(_DEPTH, x)

    def _level(self, level: int, x: torch.Tensor) -> torch.Tensor:
        branch = self.get_submodule(f"b1_{level}")(x)
        low = self.get_submodule(f"b2_{level}")(F.max_pool2d(x, 2))
        low = self._level(level - 1, low) if level > 1 else self.get_submodule("b2_plus_1")(low)
        low = self.get_submodule(f"b3_{level}")(low)
        result: torch.Tensor = branch + F.interpolate(low, scale_factor=2, mode="nearest")
        return result


class EmoNet(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `expressions` logits, or valence and arousal.

    Inside: RGB, 256x256, not normalised; the face aligner (a stem and two hourglasses, each giving heat maps of 68
    landmarks); its features, weighted by the sum of the last heat maps, go through four blocks with pooling, a mean
    and two linear layers.
    """

    def __init__(self, expressions: int, task: Task) -> None:
        super().__init__()
        self.expressions = expressions
        self.task = task
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = Block(64, 128)
        self.conv3 = Block(128, 128)
        self.conv4 = Block(128, 256)
        for i in range(_STACKS):
            self.add_module(f"m{i}", Hourglass())
            self.add_module(f"top_m_{i}", Block(256, 256))
            self.add_module(f"conv_last{i}", nn.Conv2d(256, 256, 1))
            self.add_module(f"bn_end{i}", nn.BatchNorm2d(256))
            self.add_module(f"l{i}", nn.Conv2d(256, _LANDMARKS, 1))
        for i in range(_STACKS - 1):
            self.add_module(f"bl{i}", nn.Conv2d(256, 256, 1))
            self.add_module(f"al{i}", nn.Conv2d(_LANDMARKS, 256, 1))
        self.conv1x1_input_emo_2 = nn.Conv2d(256 * (_STACKS + 1), 256, 1)
        self.emo_net_2 = nn.Sequential(*(part for _ in range(4) for part in (Block(256, 256), nn.MaxPool2d(2))))
        self.emo_fc_2 = nn.Sequential(
            nn.Linear(256, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, expressions + 2)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, expressions)`, or valence and arousal `(batch, 2)` in [-1, 1]."""
        x = F.relu(self.bn1(self.conv1(resize(to_rgb(images), _SIDE, _SIDE))))
        x = self.conv4(self.conv3(F.max_pool2d(self.conv2(x), 2)))
        previous, features, heat = x, [], x
        for i in range(_STACKS):
            y = self.get_submodule(f"top_m_{i}")(self.get_submodule(f"m{i}")(previous))
            y = F.relu(self.get_submodule(f"bn_end{i}")(self.get_submodule(f"conv_last{i}")(y)))
            heat = self.get_submodule(f"l{i}")(y)
            if i < _STACKS - 1:
                y = self.get_submodule(f"bl{i}")(y)
                previous = previous + y + self.get_submodule(f"al{i}")(heat)
            features.append(y)
        attended = torch.cat(features, dim=1) * heat.sum(dim=1, keepdim=True)
        maps = self.emo_net_2(self.conv1x1_input_emo_2(torch.cat((x, attended), dim=1)))
        answers: torch.Tensor = self.emo_fc_2(maps.mean(dim=(2, 3)))
        if self.task == "va":
            return clamped(answers[:, self.expressions :])
        return answers[:, : self.expressions]


def build(expressions: int, task: Task, paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' state dict, saved from a network in DataParallel ('module.' before every name)."""
    model = EmoNet(expressions, task)
    weights = {name.replace("module.", ""): value for name, value in read_torch(paths[0]).items()}
    fill(model, known(model, weights))
    return model.eval()
