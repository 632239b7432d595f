"""An ONNX file as a differentiable module: its graph is computed by PyTorch, so that gradients reach the images.

It runs no code of the file, opens no other file and knows no particular model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from fer_bench.errors import ModelError
from models_zoo.weights.onnx_node import Attribute, Node
from models_zoo.weights.onnx_ops import OPERATORS, Result

#: A batch and its images one by one agree this closely, relative to the largest output, unless images were mixed.
_ROUNDING = 1e-3


class OnnxGraph(nn.Module):
    """The graph of one ONNX file, from its only input to its first output.

    Tensors of real numbers are parameters, so that they follow `.to()` and `.double()`. Whole numbers (shapes, axes)
    and single numbers stay on the CPU, where shapes are computed. A graph whose file was made for batches of one
    image is computed image by image.
    """

    def __init__(self, path: Path) -> None:
        """Raises ModelError for a file that is no ONNX model, keeps weights elsewhere or needs an unknown operator."""
        super().__init__()
        graph, opset = _read(path)
        constants = {tensor.name: _tensor(tensor, path) for tensor in graph.initializer}
        nodes = [_node(entry, opset, path) for entry in graph.node]
        for node in nodes:
            if node.op == "Constant":
                constants[node.outputs[0]] = _constant(node)
        self._nodes = tuple(node for node in nodes if node.op != "Constant")
        unknown = sorted({node.op for node in self._nodes} - OPERATORS.keys())
        if unknown:
            raise ModelError(f"{path} uses ONNX operators that cannot be converted: {', '.join(unknown)}.")
        inputs = [value for value in graph.input if value.name not in constants]
        if len(inputs) != 1 or not graph.output:
            raise ModelError(f"{path} has {len(inputs)} inputs and {len(graph.output)} outputs; expected one image.")
        self._input, self._output = inputs[0].name, graph.output[0].name
        self._fixed = {name: x for name, x in constants.items() if not x.is_floating_point() or x.ndim == 0}
        self._real = tuple(name for name in constants if name not in self._fixed)
        self.constants = nn.ParameterList(nn.Parameter(constants[name], requires_grad=False) for name in self._real)
        self._dying = _last_uses(self._nodes, constants.keys() | {self._output})
        batch = inputs[0].type.tensor_type.shape.dim[:1]
        self.one_by_one = bool(batch) and batch[0].dim_value == 1

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
                del values[name]
        return values[self._output]


def _read(path: Path) -> tuple[onnx.GraphProto, int]:
    """The file's graph and the version of the operator set it is written in."""
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError, ValueError) as error:
        raise ModelError(f"{path} is not an ONNX file: {str(error).strip().partition(chr(10))[0]}") from error
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions or not model.graph.node:
        raise ModelError(f"{path} is not an ONNX model: it has no graph in the standard operator set.")
    return model.graph, versions[0]


def _tensor(proto: onnx.TensorProto, path: Path) -> Tensor:
    if proto.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"{path} keeps its weights in other files; expected one file that holds them.")
    value = torch.from_numpy(numpy_helper.to_array(proto).copy())
    return value.float() if value.is_floating_point() else value


def _node(proto: onnx.NodeProto, opset: int, path: Path) -> Node:
    if proto.domain not in ("", "ai.onnx"):
        raise ModelError(f"{path} uses {proto.op_type} of {proto.domain}, which is not a standard ONNX operator.")
    attributes = {entry.name: _attribute(entry, path) for entry in proto.attribute}
    return Node(proto.op_type, tuple(proto.input), tuple(proto.output), attributes, opset)


def _attribute(proto: onnx.AttributeProto, path: Path) -> Attribute:
    if proto.type == onnx.AttributeProto.GRAPH:
        raise ModelError(f"{path} has branches or loops (attribute {proto.name}), which cannot be converted.")
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, onnx.TensorProto):
        return _tensor(value, path)
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, int | float) else tuple(value)


def _constant(node: Node) -> Tensor:
    value = next(iter(node.attributes.values()))
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _last_uses(nodes: Iterable[Node], kept: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """For each node the values that nothing after it reads, so that memory is given back while the graph runs."""
    seen = set(kept)
    dying: list[tuple[str, ...]] = []
    for node in reversed(list(nodes)):
        mine = {name for name in (*node.inputs, *node.outputs) if name} - seen
        seen |= mine
        dying.append(tuple(sorted(mine)))
    return tuple(reversed(dying))
