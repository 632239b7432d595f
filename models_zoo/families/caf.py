"""CAF (Kim and Song, AAAI 2021) and ELIM (NeurIPS 2022): valence and arousal from AlexNet's features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import alexnet

from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import imagenet
from models_zoo.sources import CLAMPED, FILE_NOT_SEEN, compared, github
from models_zoo.weights.state_dict import fill, read_torch

#: Faces are brought to the first size and cut to the second, as the authors' evaluation does.
_RESIZED, _SIDE = 256, 224
_POOLED = 256 * 6 * 6


class NarrowRegressor(nn.Module):
    """CAF's head: 64 and 8 rectified units, then valence and arousal. No dropout: it is inference."""

    def __init__(self) -> None:
        super().__init__()
        self.lin0 = nn.Linear(_POOLED, 64)
        self.lin1 = nn.Linear(64, 8)
        self.va_regressor = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 9216)` -> `(batch, 2)`, not bounded."""
        answers: torch.Tensor = self.va_regressor(F.relu(self.lin1(F.relu(self.lin0(x)))))
        return answers


class LatentRegressor(nn.Module):
    """ELIM's latent: 256 rectified units, then 64 that are normalised and rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.lin0 = nn.Linear(_POOLED, 256)
        self.lin1 = nn.Linear(256, 64)
        self.bn = nn.BatchNorm1d(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 9216)` -> `(batch, 64)`."""
        return F.relu(self.bn(self.lin1(F.relu(self.lin0(x)))))


class Header(nn.Module):
    """ELIM's head: 1,280 rectified units, then valence and arousal.

    The authors' file holds its two layers under two names each, and a normalisation `bn1` that is never used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(64, 1280)
        self.linear2 = nn.Linear(1280, 2)
        self.bn1 = nn.BatchNorm1d(1280)
        self.layer_blocks = nn.Sequential(self.linear1, nn.ReLU(), self.linear2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, 64)` -> `(batch, 2)`, not bounded."""
        answers: torch.Tensor = self.layer_blocks(x)
        return answers


class ValenceArousal(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> valence and arousal `(batch, 2)` in [-1, 1].

    Inside: RGB, 256x256, ImageNet's normalisation, the central 224x224; AlexNet's features, pooled to 6x6; `heads`,
    one after the other.
    """

    def __init__(self, **heads: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"features": alexnet().features})
        for name, head in heads.items():
            self.add_module(name, head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Valence and arousal."""
        border = (_RESIZED - _SIDE) // 2
        x = imagenet(images, _RESIZED)[..., border:-border, border:-border]
        x = F.adaptive_avg_pool2d(self.encoder["features"](x), 6).flatten(1)
        for name, head in self.named_children():
            x = x if name == "encoder" else head(x)
        return clamped(x)


def _filled(model: nn.Module, paths: Sequence[Path]) -> nn.Module:
    """`model`, its children filled from one state dict each, in their order."""
    for part, path in zip(model.children(), paths, strict=True):
        fill(part, read_torch(path))
    return model.eval()


def build_caf(paths: Sequence[Path]) -> nn.Module:
    """The model from the state dicts of encoder and regressor."""
    return _filled(ValenceArousal(regressor=NarrowRegressor()), paths)


def build_elim(paths: Sequence[Path]) -> nn.Module:
    """The model from the state dicts of encoder, regressor and header."""
    return _filled(ValenceArousal(regressor=LatentRegressor(), header=Header()), paths)


_INPUT = "256x256 RGB, central 224x224, normalised as for ImageNet"
_DEMO = (
    "The files are those of the authors' real-time demo, which cuts the face itself, stretches its values to 0..255 "
    "and {}; their evaluation of data sets, followed here, does not."
)
_UNPUBLISHED = "No result of these files is stated."

_caf_file = partial(
    github, "kdhht2334/Contrastive-Adversarial-Learning-FER", "bb9ec9507d2ed2349d6d285342e2bc423cc9cadb"
)
_elim_file = partial(github, "kdhht2334/ELIM_FER", "fb1aa0d495ffcf38494c487135390ba1a5521fc4")

CAF_CARD = ModelCard(
    name="caf",
    title="CAF, Contrastive Adversarial Learning, AlexNet",
    task="va",
    classes=VALENCE_AROUSAL,
    input=_INPUT,
    parameters=3_060_122,
    paper="https://doi.org/10.1609/aaai.v35i7.16743",
    year=2021,
    licence="none stated",
    files=(
        _caf_file("demonstration/weights/Encoder.t7", "0682ae01d35b2bd13c64d78a92e93032279004a7"),
        _caf_file("demonstration/weights/FC_layer.t7", "6cfe4e169517fc176c2857a14490ba893c07843e"),
    ),
    build=build_caf,
    revision=2,
    family="AlexNet",
    trained_on="Aff-Wild and AFEW-VA; ImageNet before",
    notes=(
        FILE_NOT_SEEN,
        compared(3, "0", "0.5"),
        "Of the two files only the encoder was not seen; the regressor's tensors have these names and shapes.",
        _DEMO.format("takes the camera's channel order"),
        f"{_UNPUBLISHED} For Aff-Wild the authors state RMSE .24 and .21, CCC .54 and .56 of valence and arousal.",
        CLAMPED,
    ),
)
ELIM_CARD = ModelCard(
    name="elim",
    title="ELIM, Optimal Transport-based Identity Matching, AlexNet",
    task="va",
    classes=VALENCE_AROUSAL,
    input=_INPUT,
    parameters=4_934_146,
    paper="https://arxiv.org/abs/2209.12172",
    year=2022,
    licence="MIT",
    files=(
        _elim_file("demo/weights/enc2.t7", "b3df32d59d372d9fa927bb0db03b0b2ce4a741d2"),
        _elim_file("demo/weights/reg2.t7", "eceaa8ad717ce0d36d85a60f21fd1b8cd22363a1"),
        _elim_file("demo/weights/header2.t7", "fe361a470f171f898f6014a7abba296711b62a60"),
    ),
    build=build_elim,
    revision=2,
    family="AlexNet",
    trained_on="unknown; ImageNet before",
    notes=(
        FILE_NOT_SEEN,
        compared(3, "0", "1"),
        "Of the three files only the header was seen; its tensors have these names and shapes.",
        _DEMO.format("moves the answers by .25 and .05"),
        _UNPUBLISHED,
        CLAMPED,
    ),
)
CARDS = (CAF_CARD, ELIM_CARD)
