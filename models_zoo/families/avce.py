"""AVCE (Kim and Song, ECCV 2022): valence and arousal from AlexNet or ResNet-18 through a narrow regressor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import alexnet, resnet18

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import IMAGENET_MEAN, IMAGENET_STD, normalise, resize, to_rgb
from models_zoo.sources import CLAMPED, FILE_NOT_SEEN, github
from models_zoo.weights.state_dict import fill, known, read_torch

Backbone = Literal["alexnet", "resnet18"]

#: Faces are brought to the first size and cut to the second, as the authors' validation does.
_RESIZED, _SIDE = 256, 224


class Regressor(nn.Module):
    """Features `(batch, inputs)` through 32 and 256 rectified units to two numbers. No dropout: it is inference.

    `classes`: width of the ImageNet classifier that the ResNet variant keeps in front (`last_linear`).
    """

    def __init__(self, inputs: int, classes: int | None) -> None:
        super().__init__()
        self.last_linear = nn.Identity() if classes is None else nn.Linear(inputs, classes)
        self.lin0 = nn.Linear(classes or inputs, 32)
        self.lin1 = nn.Linear(32, 256)
        self.va_regressor = nn.Linear(256, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Valence and arousal `(batch, 2)`, not bounded."""
        answers: torch.Tensor = self.va_regressor(F.relu(self.lin1(F.relu(self.lin0(self.last_linear(x))))))
        return answers


class AVCE(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> valence and arousal `(batch, 2)` in [-1, 1].

    Inside: RGB, 256x256, the central 224x224, ImageNet's normalisation; the backbone's maps, pooled to 6x6 (AlexNet)
    or to their means (ResNet-18); the regressor.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        if backbone == "alexnet":
            self.encoder.add_module("features", alexnet().features)
            self.pooled = 6
            self.regressor = Regressor(256 * 6 * 6, None)
        else:
            for name, layer in list(resnet18().named_children())[:-2]:
                self.encoder.add_module(name, layer)
            self.pooled = 1
            self.regressor = Regressor(512, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Valence and arousal."""
        margin = (_RESIZED - _SIDE) // 2
        x = resize(to_rgb(images), _RESIZED, _RESIZED)[..., margin:-margin, margin:-margin]
        maps = self.encoder(normalise(x, IMAGENET_MEAN, IMAGENET_STD))
        return clamped(self.regressor(F.adaptive_avg_pool2d(maps, self.pooled).flatten(1)))


def _build(backbone: Backbone, paths: Sequence[Path]) -> nn.Module:
    """The model from the encoder's and the regressor's state dict.

    AlexNet's regressor file also holds layers (`lin2`, `pw_conv`) that the authors' network has no longer.
    """
    model = AVCE(backbone)
    for part, path in zip((model.encoder, model.regressor), paths, strict=True):
        fill(part, known(part, read_torch(path)))
    return model.eval()


_file = partial(github, "kdhht2334/AVCE_FER", "b47e9e75fe9a5a961cf6145e67694886d726bb7f")


def _card(backbone: Backbone, title: str, encoder: str, regressor: str, parameters: int, *notes: str) -> ModelCard:
    return ModelCard(
        name=f"avce-{backbone}",
        title=f"AVCE, {title}",
        task="va",
        classes=VALENCE_AROUSAL,
        input="256x256 RGB, central 224x224, normalised as for ImageNet",
        parameters=parameters,
        paper="Kim and Song: Emotion-aware Multi-view Contrastive Learning for Facial Emotion Recognition, ECCV 2022",
        year=2022,
        licence="none stated",
        files=(
            _file(f"pretrained_weights/{backbone}/encoder.t7", encoder),
            _file(f"pretrained_weights/{backbone}/regressor.t7", regressor),
        ),
        build=partial(_build, backbone),
        revision=2,
        family=title,
        trained_on="AFEW-VA",
        notes=(
            FILE_NOT_SEEN,
            "Against the authors' own definition (its dropout off) with the same seeded weights on 3 images: names and "
            "shapes equal, difference 0.",
            "Of the two files only the encoder was not seen; the regressor's tensors have these names and shapes.",
            *notes,
            "AFEW-VA's labels go from -10 to 10. That they were divided by 10 is assumed; no code of theirs says so.",
            "No result of these two files is stated; for Aff-Wild the authors state RMSE .154 and .154, CCC .682 and "
            ".594 of valence and arousal with AlexNet.",
            CLAMPED,
        ),
    )


CARDS = (
    _card(
        "alexnet",
        "AlexNet",
        "04df752bca4325fb13af8766a20e3166a6294093",
        "689457e5bea995740c695c01871779c3c9ed7528",
        2_773_602,
    ),
    _card(
        "resnet18",
        "ResNet-18",
        "79dd0c018983ec7ee52175b8f420d18b310f043e",
        "e39b815ead20163c76f80e3cc25dc02240e66b8b",
        11_730_506,
        "Dropout is off. The authors' code leaves it on at inference (F.dropout2d without `training`), which makes "
        "their answers random and would pass noise in the gradient for robustness.",
    ),
)
