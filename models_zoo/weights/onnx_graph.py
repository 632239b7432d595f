"""An ONNX file as a differentiable module: its graph is computed by PyTorch, so that gradients reach the images.

It runs no code of the file, opens no other file and knows no particular model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fer_bench.errors import FerBenchError, ModelError
from models_zoo.inputs import Input
from models_zoo.weights.onnx_file import read
from models_zoo.weights.onnx_node import Node, Result
from models_zoo.weights.onnx_ops import OPERATORS

#: The side of the images that a graph for any size is tried on.
_ANY_SIZE = (48, 48)
_INSTEAD = "give the model as TorchScript or as a Python file (my_file.py:build) instead."
#: A batch and its images one by one agree this closely, relative to the largest output, unless images were mixed.
_ROUNDING = 1e-3


class OnnxGraph(nn.Module):
    """The graph of one ONNX file, from its only input to its first output.

    Tensors of real numbers are parameters, so that they follow `.to()` and `.double()`. Whole numbers (shapes, axes)
    and single numbers stay on the CPU, where shapes are computed. A graph whose file was made for batches of one
    image is computed image by image.
    """

    def __init__(self, path: Path, beside: Sequence[Path] = ()) -> None:
        """Of the file at `path`, whose weights may be in the files `beside` it.

        Raises ModelError for a file that is no ONNX model, keeps weights elsewhere or needs an unknown operator.
        """
        super().__init__()
        contents = read(path, beside)
        constants, self._nodes = contents.constants, contents.nodes
        unknown = sorted({node.op for node in self._nodes} - OPERATORS.keys())
        if unknown:
            raise ModelError(f"{path} uses ONNX operators that cannot be converted: {', '.join(unknown)}; {_INSTEAD}")
        self._input, self._output = contents.input, contents.output
        self.ending = self._detached_softmax(contents.output_rank)
        self._fixed = {name: x for name, x in constants.items() if not x.is_floating_point() or x.ndim == 0}
        self._real = tuple(name for name in constants if name not in self._fixed)
        self.constants = nn.ParameterList(nn.Parameter(constants[name], requires_grad=False) for name in self._real)
        self._dying = _last_uses(self._nodes, constants.keys() | {self._output})
        self.one_by_one = contents.one_image

    def _detached_softmax(self, rank: int) -> nn.Module:
        """Takes the softmax that gives the output, if there is one, out of the nodes: whoever wants logits drops it."""
        for node in self._nodes:
            if node.op == "Softmax" and node.outputs[0] == self._output and (node.opset >= 13 or rank == 2):
                if any(self._output in other.inputs for other in self._nodes):
                    break
                self._nodes = tuple(other for other in self._nodes if other is not node)
                self._output = node.inputs[0]
                return nn.Softmax(node.integer("axis", -1 if node.opset >= 13 else 1))
        return nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """The first output, of shape `(batch, ...)`, for images in the range and size that the file expects."""
        if self.one_by_one and len(images) > 1:
            return torch.cat([self._run(image) for image in torch.split(images, 1)])
        return self._run(images)

    def settle(self, channels: int, height: int, width: int) -> Tensor:
        """The answers to two random images; two images that do not go together are computed one by one from now on.

        A graph that was traced with one image may hold that number in a Reshape, and mix or refuse a larger batch.
        """
        probe = torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            apart = torch.cat([self._run(image) for image in torch.split(probe, 1)])
            try:
                together = apart if self.one_by_one else self._run(probe)
            except (RuntimeError, IndexError):
                together = apart[:0]
        same = together.shape == apart.shape and (together - apart).abs().max() <= _ROUNDING * apart.abs().max()
        self.one_by_one = self.one_by_one or not same
        return apart

    def _run(self, images: Tensor) -> Tensor:
        values: dict[str, Tensor] = dict(zip(self._real, self.constants, strict=True))
        values |= self._fixed
        values[self._input] = images
        for node, dying in zip(self._nodes, self._dying, strict=True):
            results: Result = OPERATORS[node.op](node, *(values[name] if name else None for name in node.inputs))
            for name, result in zip(node.outputs, [results] if isinstance(results, Tensor) else results, strict=False):
                # Whole numbers that became real ones (sides of the image) join the images' precision.
                values[name] = result.to(images.dtype) if result.is_floating_point() else result
            for name in dying:
                values.pop(name, None)  # some outputs are only declared
        answer: Tensor = self.ending(values[self._output])
        return answer


def read_onnx(paths: Sequence[Path], images: Input) -> OnnxGraph:
    """The graph of a user's ONNX file, and of the files beside it that hold its weights, for `images` of that kind.

    Raises ModelError where the file is none that can be computed, or not on such images.
    """
    graph = OnnxGraph(paths[0], paths[1:])
    height, width = (images.height, images.width) if images.height else _ANY_SIZE
    try:
        graph.settle(images.channels, height, width)
    except FerBenchError:
        raise
    except Exception as error:  # whatever a strange graph, or images that it was not made for, provoke in torch
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(
            f"{paths[0]} cannot be computed on images of {images.channels}x{height}x{width}: {reason}; {_INSTEAD}"
        ) from error
    return graph


def _last_uses(nodes: Iterable[Node], kept: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """For each node the values that nothing after it reads, so that memory is given back while the graph runs."""
    seen = set(kept)
    dying: list[tuple[str, ...]] = []
    for node in reversed(list(nodes)):
        mine = {name for name in (*node.inputs, *node.outputs) if name} - seen
        seen |= mine
        dying.append(tuple(sorted(mine)))
    return tuple(reversed(dying))
