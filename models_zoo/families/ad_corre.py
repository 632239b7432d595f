"""Ad-Corre (Fard and Mahoor, IEEE Access 2022): Xception with ten embeddings, from the authors' Keras files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.errors import ModelError
from models_zoo.layers.convolution import SeparableConv, pad_same
from models_zoo.preprocessing import resize, to_rgb
from models_zoo.sources import AFFECTNET_7
from models_zoo.weights.state_dict import Weights, conv, depthwise, fill, norm, read_keras

_SIDE = 224


_KERAS_EPSILON = 1e-3


#: Below this a sum of squares counts as this in TensorFlow's l2_normalize.
_L2_EPSILON = 1e-12


#: The blocks 2 to 13 of Xception: the outputs of their separable convolutions.
_BLOCKS = ((128, 128), (256, 256), (728, 728), *((728, 728, 728),) * 8, (728, 1024))


_FEATURES = 2048


class NormedConv(nn.Module):
    """A separable 3x3 convolution and batch normalisation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = SeparableConv(inputs, outputs)
        self.norm = nn.BatchNorm2d(outputs, eps=_KERAS_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, outputs, h, w)`."""
        result: torch.Tensor = self.norm(self.conv(x))
        return result


class Block(nn.Module):
    """One block of Xception (Chollet 2017, figure 5).

    Separable convolutions, each behind a ReLU, which changes nothing for the first block: its input is rectified. Where
    the last width differs from the input's, 3x3 pooling of stride 2 beside a strided 1x1 shortcut; else the input is
    added.
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(NormedConv(i, o) for i, o in zip((inputs, *widths), widths, strict=False))
        self.shrinks = widths[-1] != inputs
        if self.shrinks:
            self.shortcut = nn.Conv2d(inputs, widths[-1], 1, stride=2, bias=False)
            self.shortcut_norm = nn.BatchNorm2d(widths[-1], eps=_KERAS_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, h, w)` -> `(batch, widths[-1], h, w)`, halved and rounded up where it shrinks."""
        main = x
        for layer in self.convs:
            main = layer(F.relu(main))
        if not self.shrinks:
            return main + x
        shortcut: torch.Tensor = self.shortcut_norm(self.shortcut(x))
        return F.max_pool2d(pad_same(main, 3, 2, float("-inf")), 3, stride=2) + shortcut


class AdCorre(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> seven logits, in AffectNet's order.

    Inside: RGB, 224x224, not normalised; Xception to the means of its last 2048 maps; `embeddings` linear layers of
    `size` units, each answer brought to length 1; a linear layer over all of them. The softmax is cut.
    """

    def __init__(self, embeddings: int = 10, size: int = 256) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.norm1 = nn.BatchNorm2d(32, eps=_KERAS_EPSILON)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.norm2 = nn.BatchNorm2d(64, eps=_KERAS_EPSILON)
        inputs = (64, *(widths[-1] for widths in _BLOCKS))
        self.blocks = nn.ModuleList(Block(width, widths) for width, widths in zip(inputs, _BLOCKS, strict=False))
        self.last = nn.ModuleList((NormedConv(1024, 1536), NormedConv(1536, _FEATURES)))
        self.embeddings = nn.ModuleList(nn.Linear(_FEATURES, size) for _ in range(embeddings))
        self.head = nn.Linear(embeddings * size, len(AFFECTNET_7))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7)`."""
        x = resize(to_rgb(images), _SIDE, _SIDE)
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        for block in self.blocks:
            x = block(x)
        for layer in self.last:
            x = F.relu(layer(x))
        features = x.mean(dim=(2, 3))
        embedded = [_unit(layer(features)) for layer in self.embeddings]
        logits: torch.Tensor = self.head(torch.cat(embedded, dim=1))
        return logits


def _unit(x: torch.Tensor) -> torch.Tensor:
    return x * x.square().sum(dim=1, keepdim=True).clamp(min=_L2_EPSILON).rsqrt()


def _numbered(keras: Weights, kind: str) -> list[str]:
    """The layers that Keras named itself ('dense', 'dense_1', ...; it goes on counting in one session), in order."""
    names = {name.split("/")[0] for name in keras}
    found = [match for match in (re.fullmatch(rf"{kind}(?:_(\d+))?", name) for name in names) if match]
    return [match.group() for match in sorted(found, key=lambda match: int(match.group(1) or 0))]


def _separable(keras: Weights, layer: str, name: str) -> Weights:
    return {
        f"{name}.conv.depthwise.weight": depthwise(keras[f"{layer}/depthwise_kernel"]),
        f"{name}.conv.pointwise.weight": conv(keras[f"{layer}/pointwise_kernel"]),
    } | norm(keras, f"{layer}_bn", f"{name}.norm")


def _dense(keras: Weights, layer: str, name: str) -> Weights:
    return {f"{name}.weight": keras[f"{layer}/kernel"].T, f"{name}.bias": keras[f"{layer}/bias"]}


def _renamed(keras: Weights) -> Weights:
    """Keras' names and axes -> ours; shortcuts and embeddings are layers without a name of their own."""
    ours: Weights = {}
    for i in (1, 2):
        ours[f"conv{i}.weight"] = conv(keras[f"block1_conv{i}/kernel"])
        ours |= norm(keras, f"block1_conv{i}_bn", f"norm{i}")
    for i, widths in enumerate(_BLOCKS):
        for j in range(len(widths)):
            ours |= _separable(keras, f"block{i + 2}_sepconv{j + 1}", f"blocks.{i}.convs.{j}")
    shrinking = [i for i, widths in enumerate(_BLOCKS) if i < 3 or widths[-1] == 1024]
    shortcuts = zip(shrinking, _numbered(keras, "conv2d"), _numbered(keras, "batch_normalization"), strict=True)
    for i, kernel, normalisation in shortcuts:
        ours[f"blocks.{i}.shortcut.weight"] = conv(keras[f"{kernel}/kernel"])
        ours |= norm(keras, normalisation, f"blocks.{i}.shortcut_norm")
    for i in (1, 2):
        ours |= _separable(keras, f"block14_sepconv{i}", f"last.{i - 1}")
    for i, layer in enumerate(_numbered(keras, "dense")):
        ours |= _dense(keras, layer, f"embeddings.{i}")
    return ours | _dense(keras, "out", "head")


def build(paths: Sequence[Path]) -> nn.Module:
    """The model from the authors' Keras file; how many embeddings it has, and of what size, is read off the file."""
    keras = read_keras(paths[0])
    try:
        weights = _renamed(keras)
        model = AdCorre(len(_numbered(keras, "dense")), weights["embeddings.0.bias"].numel())
    except (KeyError, ValueError) as error:
        raise ModelError(f"{paths[0]} does not hold the layers of Ad-Corre: {error}") from error
    fill(model, weights)
    return model.eval()
