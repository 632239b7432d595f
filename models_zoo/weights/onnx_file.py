"""Reads an ONNX file: its nodes, its constants, the images it declares; it computes nothing and runs no code of a file.

No other file is opened but those that the caller names: the paths in an ONNX file may lead anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import inliner, numpy_helper
from torch import Tensor

from fer_bench.errors import ModelError
from models_zoo.inputs import Input
from models_zoo.weights.onnx_node import Attribute, Node

_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Contents:
    """What is in an ONNX file that has one input of images."""

    #: The operations, in an order in which they can be computed; constants are none of them.
    nodes: tuple[Node, ...]
    #: Weights and other constants by name, real ones in single precision.
    constants: dict[str, Tensor]
    #: The name of the images.
    input: str
    #: The name of the first output.
    output: str
    #: How many sides the first output is declared to have; 0 where nothing is declared.
    output_rank: int
    #: True where the file declares batches of one image.
    one_image: bool


def read(path: Path, beside: Sequence[Path] = ()) -> Contents:
    """The contents of the file at `path`, whose weights may also be in the files `beside` it.

    Raises ModelError for a file that is no ONNX model, keeps weights elsewhere, has branches or operators that are not
    ONNX's own, or takes anything but one input.
    """
    model = _load(path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if entry.domain in _STANDARD), 0)
    if not opset or not graph.node:
        raise ModelError(f"{path} is not an ONNX model: it has no graph in the standard operator set.")
    constants = {tensor.name: _tensor(tensor, path, beside) for tensor in graph.initializer}
    nodes = [_node(entry, opset, path, beside) for entry in graph.node]
    for node in nodes:
        if node.op == "Constant":
            constants[node.outputs[0]] = _constant(node)
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or not graph.output:
        raise ModelError(f"{path} has {len(inputs)} inputs and {len(graph.output)} outputs; expected one image.")
    batch = inputs[0].type.tensor_type.shape.dim[:1]
    return Contents(
        nodes=tuple(node for node in nodes if node.op != "Constant"),
        constants=constants,
        input=inputs[0].name,
        output=graph.output[0].name,
        output_rank=len(graph.output[0].type.tensor_type.shape.dim),
        one_image=bool(batch) and batch[0].dim_value == 1,
    )


def declared_input(path: Path) -> Input:
    """The input that an ONNX file declares, without normalisation: size and channels of its first input."""
    graph = _load(path).graph
    filled = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name not in filled:
            sides = [int(side.dim_value) for side in value.type.tensor_type.shape.dim]
            if len(sides) == 4 and sides[1] in (1, 3):
                height, width = (sides[2], sides[3]) if sides[2] and sides[3] else (0, 0)
                return Input(height, width, sides[1], (0.0,) * sides[1], (1.0,) * sides[1])
    raise ModelError(f"{path} takes no images (batch, 1 or 3, height, width).")


def files_beside(path: Path) -> tuple[Path, ...]:
    """The files in the folder of an ONNX file that hold its weights, as exporters leave them; often none.

    Raises ModelError where one is not there, or is named by more than a plain name.
    """
    names = dict.fromkeys(_location(tensor, path) for tensor in _tensors(_load(path).graph) if _is_elsewhere(tensor))
    for name in names:
        if not (path.parent / name).is_file():
            raise _elsewhere(path, f"({name}), which are not beside it")
    return tuple(path.parent / name for name in names)


def _load(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except (OSError, DecodeError, ValueError) as error:
        raise ModelError(f"{path} is not an ONNX file: {str(error).strip().partition(chr(10))[0]}") from error


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from (entry.t for entry in node.attribute if entry.type == onnx.AttributeProto.TENSOR)


def _is_elsewhere(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def _location(tensor: onnx.TensorProto, path: Path) -> str:
    name = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    if not name or name in (".", "..") or any(sign in name for sign in "/\\:"):
        raise _elsewhere(path, f"at '{name}', which is no plain name of a file beside it")
    return name


def _elsewhere(path: Path, where: str) -> ModelError:
    return ModelError(f"{path} keeps weights in other files {where}; save it as one file (external_data=False).")


def _tensor(proto: onnx.TensorProto, path: Path, beside: Sequence[Path]) -> Tensor:
    if _is_elsewhere(proto):
        proto = _filled(proto, path, beside)
    try:
        array = numpy_helper.to_array(proto)
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path} holds the weight {proto.name}, which cannot be read ({error}).") from error
    if array.dtype.kind not in "biuf":  # such as bfloat16, which is no type of numpy's
        array = array.astype(np.float32)
    value = torch.from_numpy(array.copy())
    return value.float() if value.is_floating_point() else value


def _filled(proto: onnx.TensorProto, path: Path, beside: Sequence[Path]) -> onnx.TensorProto:
    """The tensor with its bytes, which stand in one of the files `beside`."""
    name = _location(proto, path)
    place = next((other for other in beside if other.name == name), None)
    if place is None:
        raise _elsewhere(path, f"({name})")
    stated = {entry.key: entry.value for entry in proto.external_data}
    try:
        with place.open("rb") as stream:
            stream.seek(int(stated.get("offset", 0)))
            content = stream.read(int(stated.get("length", -1)))
    except (OSError, ValueError) as error:
        raise ModelError(f"the weights of {path} in {place.name} cannot be read ({error}).") from error
    filled = onnx.TensorProto()
    filled.CopyFrom(proto)
    filled.raw_data, filled.data_location = content, onnx.TensorProto.DEFAULT
    return filled


def _node(proto: onnx.NodeProto, opset: int, path: Path, beside: Sequence[Path]) -> Node:
    if proto.domain not in _STANDARD:
        raise ModelError(f"{path} uses {proto.op_type} of {proto.domain}, which is not a standard ONNX operator.")
    attributes = {entry.name: _attribute(entry, path, beside) for entry in proto.attribute}
    return Node(proto.op_type, tuple(proto.input), tuple(proto.output), attributes, opset)


def _attribute(proto: onnx.AttributeProto, path: Path, beside: Sequence[Path]) -> Attribute:
    if proto.type == onnx.AttributeProto.GRAPH:
        raise ModelError(f"{path} has branches or loops (attribute {proto.name}), which cannot be converted.")
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, onnx.TensorProto):
        return _tensor(value, path, beside)
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, int | float) else tuple(value)


def _constant(node: Node) -> Tensor:
    value = next(iter(node.attributes.values()))
    return value if isinstance(value, Tensor) else torch.tensor(value)
