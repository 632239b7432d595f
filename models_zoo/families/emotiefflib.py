"""EmotiEffLib (formerly HSEmotion; Savchenko et al. 2022, 2023): the authors' seven ONNX files, made differentiable.

The architecture is the files' own graph. The files called `va_mtl` answer eight expressions, then valence and
arousal, and have two cards each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from fer_bench.core.model_card import Task
from fer_bench.errors import ModelError
from models_zoo.cards.emotiefflib import OnnxFile
from models_zoo.inputs import IMAGENET_MEAN, IMAGENET_STD
from models_zoo.layers.convolution import clamped
from models_zoo.preprocessing import normalise, resize, to_rgb
from models_zoo.weights.onnx_graph import OnnxGraph


class EmotiEff(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> expressions or valence and arousal, from one graph.

    Inside: RGB, square, normalised as the file's card says.
    """

    def __init__(self, graph: OnnxGraph, file: OnnxFile, task: Task) -> None:
        super().__init__()
        self.graph = graph
        self.side = file.side
        self.mean, self.std = ((0.5,) * 3, (0.5,) * 3) if file.halves else (IMAGENET_MEAN, IMAGENET_STD)
        self.expressions = len(file.classes)
        self.task = task

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 7 or 8)`, or valence and arousal `(batch, 2)` in [-1, 1]."""
        answers: torch.Tensor = self.graph(normalise(resize(to_rgb(images), self.side, self.side), self.mean, self.std))
        if self.task == "va":
            return clamped(answers[:, self.expressions :])
        return answers[:, : self.expressions]


def build(file: OnnxFile, task: Task, paths: Sequence[Path]) -> nn.Module:
    """The network of one ONNX file for one task. Raises ModelError where the graph answers with another shape."""
    graph = OnnxGraph(paths[0])
    given = graph.settle(3, file.side, file.side).shape
    expected = (2, len(file.classes) + (2 if file.both else 0))
    if given != expected:
        raise ModelError(f"{paths[0]} answers two images with {tuple(given)}; expected {expected}.")
    return EmotiEff(graph, file, task).eval()
