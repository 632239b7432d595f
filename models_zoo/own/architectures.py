"""Builds the network that a card file names: timm's, slim, a graph of ONNX or TorchScript, with the card's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from models_zoo.families.slim import Slim
from models_zoo.inputs import Input
from models_zoo.layers.convolution import clamped
from models_zoo.own import timm_model
from models_zoo.preprocessing import Prepared
from models_zoo.weights.checkpoint import read_checkpoint, read_torchscript
from models_zoo.weights.state_dict import fill


class Bounded(nn.Module):
    """A regressor whose answers are `convolution.clamped`: the heads of the architectures here are linear."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Valence and arousal `(batch, 2)` in [-1, 1]."""
        return clamped(self.inner(images))


def timm(architecture: str, classes: int, wanted: Input, regressor: bool, paths: Sequence[Path]) -> nn.Module:
    """A timm network behind its input.

    `architecture`: timm's name.
    `classes`: how many outputs.
    `wanted`: the input.
    `regressor`: its answers are valence and arousal, kept in [-1, 1].
    `paths`: the one file of weights.
    """
    network = timm_model.create(architecture, classes)
    fill(network, read_checkpoint(paths[0]))
    return _answering(Prepared(network, wanted), regressor)


def slim(classes: int, regressor: bool, paths: Sequence[Path]) -> nn.Module:
    """Our own slim network, which prepares its images itself."""
    network = Slim(classes)
    fill(network, read_checkpoint(paths[0]))
    return _answering(network, regressor)


def onnx(wanted: Input, regressor: bool, paths: Sequence[Path]) -> nn.Module:
    """The graph of an ONNX file."""
    from models_zoo.weights.onnx_graph import read_onnx  # here: the package onnx is slow to import, and seldom needed

    return _answering(Prepared(read_onnx(paths, wanted), wanted), regressor)


def torchscript(wanted: Input, regressor: bool, paths: Sequence[Path]) -> nn.Module:
    """The graph of a TorchScript file."""
    return _answering(Prepared(read_torchscript(paths[0]), wanted), regressor)


def _answering(network: nn.Module, regressor: bool) -> nn.Module:
    return Bounded(network) if regressor else network
