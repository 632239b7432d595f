"""ONNX operators as differentiable functions of tensors (onnx.ai/onnx/operators); they know no file and no model.

Layers and shapes have files of their own; here is what goes number by number, sums, and the table of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial, reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from models_zoo.weights.onnx_layers import LAYERS
from models_zoo.weights.onnx_node import Node, Result, together
from models_zoo.weights.onnx_shapes import SHAPES

#: Element types of TensorProto.DataType that Cast may ask for.
_TYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,  # half precision inside a graph would only lose digits
    11: torch.float64,
}


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda node, a, b: function(*together(a, b))


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda node, x, *rest: function(x)


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() or b.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _softmax(node: Node, x: Tensor) -> Tensor:
    if node.opset >= 13:
        return x.softmax(node.integer("axis", -1))
    axis = node.integer("axis", 1) % x.ndim  # older sets: over everything from the axis on
    return x.flatten(axis).softmax(-1).view(x.shape)


def _clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    if node.opset < 11:
        return x.clamp(node.number("min", -math.inf), node.number("max", math.inf))
    return x.clamp(None if low is None else low.item(), None if high is None else high.item())


def _gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.T if node.integer("transA", 0) else a
    b = b.T if node.integer("transB", 0) else b
    product = node.number("alpha", 1.0) * (a @ b)
    return product if c is None else product + node.number("beta", 1.0) * c


def _reduce(function: Callable[..., Tensor], node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = node.integers("axes", axes)
    if not chosen and node.integer("noop_with_empty_axes", 0):
        return x
    return function(x, dim=chosen or list(range(x.ndim)), keepdim=bool(node.integer("keepdims", 1)))


def _prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, slope * x)


def _hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    return (node.number("alpha", 0.2) * x + node.number("beta", 0.5)).clamp(0, 1)


def _cast(node: Node, x: Tensor) -> Tensor:
    wanted = _TYPES[node.integer("to", 1)]
    # From real to real: the graph goes on in the precision of its images, whatever its file says.
    return x if x.is_floating_point() and wanted.is_floating_point else x.to(wanted)


def _cumulated(node: Node, x: Tensor, axis: Tensor) -> Tensor:
    turned = [int(axis)] if node.integer("reverse", 0) else []
    x = x.flip(turned)
    sums = x.cumsum(int(axis))
    return (sums - x if node.integer("exclusive", 0) else sums).flip(turned)


def _where(node: Node, *given: Tensor) -> Tensor:
    condition, a, b = together(*given)
    return torch.where(condition, a, b)


OPERATORS: Mapping[str, Callable[..., Result]] = {
    **LAYERS,
    **SHAPES,
    "Abs": _unary(torch.abs),
    "Add": _binary(torch.add),
    "And": _binary(torch.logical_and),
    "Cast": _cast,
    "Ceil": _unary(torch.ceil),
    "Clip": _clip,
    "Cos": _unary(torch.cos),
    "CumSum": _cumulated,
    "Div": _binary(_div),
    "Dropout": _unary(lambda x: x),
    "Einsum": lambda node, *parts: torch.einsum(node.text("equation", ""), *together(*parts)),
    "Elu": lambda node, x: F.elu(x, node.number("alpha", 1.0)),
    "Equal": _binary(torch.eq),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Floor": _unary(torch.floor),
    "Gelu": lambda node, x: F.gelu(x, approximate=node.text("approximate", "none")),
    "Gemm": _gemm,
    "Greater": _binary(torch.gt),
    "GreaterOrEqual": _binary(torch.ge),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary(F.hardswish),
    "Identity": _unary(lambda x: x),
    "LeakyRelu": lambda node, x: F.leaky_relu(x, node.number("alpha", 0.01)),
    "Less": _binary(torch.lt),
    "LessOrEqual": _binary(torch.le),
    "Log": _unary(torch.log),
    "LogSoftmax": lambda node, x: x.log_softmax(node.integer("axis", -1)),
    "MatMul": _binary(torch.matmul),
    "Max": lambda node, *parts: reduce(torch.maximum, together(*parts)),
    "Min": lambda node, *parts: reduce(torch.minimum, together(*parts)),
    "Mish": _unary(F.mish),
    "Mod": lambda node, a, b: (torch.fmod if node.integer("fmod", 0) else torch.remainder)(*together(a, b)),
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "Not": _unary(torch.logical_not),
    "Or": _binary(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _binary(torch.pow),
    "Reciprocal": _unary(torch.reciprocal),
    "ReduceL2": partial(_reduce, partial(torch.linalg.vector_norm, ord=2)),
    "ReduceMax": partial(_reduce, torch.amax),
    "ReduceMean": partial(_reduce, torch.mean),
    "ReduceMin": partial(_reduce, torch.amin),
    "ReduceSum": partial(_reduce, torch.sum),
    "Relu": _unary(F.relu),
    "Sigmoid": _unary(torch.sigmoid),
    "Sin": _unary(torch.sin),
    "Softmax": _softmax,
    "Softplus": _unary(F.softplus),
    "Sqrt": _unary(torch.sqrt),
    "Sub": _binary(torch.sub),
    "Tanh": _unary(torch.tanh),
    "Where": _where,
}
