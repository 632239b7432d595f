"""ONNX operators as differentiable functions of tensors (onnx.ai/onnx/operators); they know no file and no model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_bench.errors import ModelError
from models_zoo.weights.onnx_node import Node

Result = Tensor | Sequence[Tensor]

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


def _together(*tensors: Tensor) -> list[Tensor]:
    """The tensors on one device: shapes are computed on the CPU and sometimes meet the images.

    Single numbers stay where they are; PyTorch takes them on the CPU beside tensors on any device.
    """
    device = next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), tensors[0].device)
    return [tensor if tensor.ndim == 0 else tensor.to(device) for tensor in tensors]


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda node, a, b: function(*_together(a, b))


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda node, x, *rest: function(x)


def _div(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() or b.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


# ------------------------------------------------------------------------------------------- convolution and pooling


def _padded(node: Node, x: Tensor, kernel: Sequence[int], value: float = 0.0) -> tuple[Tensor, list[int], list[int]]:
    """`x` padded as the node asks wherever the two ends differ; padding that is left to do; strides."""
    rank = x.ndim - 2
    strides = node.integers("strides") or [1] * rank
    dilations = node.integers("dilations") or [1] * rank
    pads = node.integers("pads") or [0] * (2 * rank)
    auto = node.text("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        sides = zip(x.shape[2:], kernel, strides, dilations, strict=True)
        total = [max((-(-side // s) - 1) * s + (k - 1) * d + 1 - side, 0) for side, k, s, d in sides]
        smaller, larger = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = smaller + larger if auto == "SAME_UPPER" else larger + smaller
    elif auto == "VALID":
        pads = [0] * (2 * rank)
    before, after = pads[:rank], pads[rank:]
    if before == after:
        return x, before, strides
    both = [pad for axis in reversed(range(rank)) for pad in (before[axis], after[axis])]
    return F.pad(x, both, value=value), [0] * rank, strides


def _conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    x, padding, strides = _padded(node, x, weight.shape[2:])
    convolve = {3: F.conv1d, 4: F.conv2d}[weight.ndim]
    dilations = node.integers("dilations") or [1] * (weight.ndim - 2)
    return convolve(x, weight, bias, strides, padding, dilations, node.integer("group", 1))


def _max_pool(node: Node, x: Tensor) -> Tensor:
    kernel = node.integers("kernel_shape") or []
    x, padding, strides = _padded(node, x, kernel, -math.inf)
    dilations = node.integers("dilations") or [1] * len(kernel)
    return F.max_pool2d(x, kernel, strides, padding, dilations, ceil_mode=bool(node.integer("ceil_mode", 0)))


def _average_pool(node: Node, x: Tensor) -> Tensor:
    kernel = node.integers("kernel_shape") or []
    counts_padding = bool(node.integer("count_include_pad", 0))
    padded, padding, strides = _padded(node, x, kernel)
    if padded is not x and not counts_padding:
        raise ModelError("an AveragePool with different padding at its two ends cannot be converted.")
    return F.avg_pool2d(padded, kernel, strides, padding, bool(node.integer("ceil_mode", 0)), counts_padding)


def _resize(node: Node, x: Tensor, *rest: Tensor | None) -> Tensor:
    scales = rest[1] if len(rest) > 1 else None
    sizes = node.integers("", rest[2]) if len(rest) > 2 and rest[2] is not None else None
    if sizes is None:
        assert scales is not None
        sizes = [math.floor(side * scale) for side, scale in zip(x.shape, scales.tolist(), strict=True)]
    mode, where = node.text("mode", "nearest"), node.text("coordinate_transformation_mode", "half_pixel")
    if sizes[:2] == list(x.shape[:2]) and not node.integer("antialias", 0):
        smooth = {"linear": "bilinear", "cubic": "bicubic"}.get(mode)
        if smooth and where in ("half_pixel", "pytorch_half_pixel", "align_corners"):
            return F.interpolate(x, sizes[2:], mode=smooth, align_corners=where == "align_corners")
        if mode == "nearest" and where == "asymmetric" and node.text("nearest_mode", "round_prefer_floor") == "floor":
            return F.interpolate(x, sizes[2:], mode="nearest")
    raise ModelError(f"a Resize of mode {mode}, {where} cannot be converted.")


def _batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, training=False, eps=node.number("epsilon", 1e-5))


def _layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = node.integer("axis", -1) % x.ndim
    return F.layer_norm(x, x.shape[axis:], scale, bias, node.number("epsilon", 1e-5))


# ------------------------------------------------------------------------------------------------- elements and sums


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
    return function(x, chosen or list(range(x.ndim)), bool(node.integer("keepdims", 1)))


def _prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, slope * x)


def _hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    return (node.number("alpha", 0.2) * x + node.number("beta", 0.5)).clamp(0, 1)


def _cast(node: Node, x: Tensor) -> Tensor:
    wanted = _TYPES[node.integer("to", 1)]
    # From real to real: the graph goes on in the precision of its images, whatever its file says.
    return x if x.is_floating_point() and wanted.is_floating_point else x.to(wanted)


# --------------------------------------------------------------------------------------------------- shapes and parts


def _reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    wanted = node.integers("shape", shape) or []
    if not node.integer("allowzero", 0):
        wanted = [x.shape[axis] if side == 0 else side for axis, side in enumerate(wanted)]
    return x.reshape(wanted)


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.integer("axis", 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = node.integers("axes", axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = node.integers("axes", axes) or []
    rank = x.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def _split(node: Node, x: Tensor, lengths: Tensor | None = None) -> Result:
    axis = node.integer("axis", 0)
    given = node.integers("split", lengths)
    return torch.split(x, given or -(-x.shape[axis] // len(node.outputs)), axis)


def _gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = node.integer("axis", 0) % x.ndim
    wanted = indices.to(x.device) % x.shape[axis]
    picked = x.index_select(axis, wanted.flatten())
    return picked.view((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _slice(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    starts, ends, axes, steps = (
        node.integers(name, given[i] if i < len(given) else None)
        for i, name in enumerate(("starts", "ends", "axes", "steps"))
    )
    assert starts is not None
    assert ends is not None
    places = zip(starts, ends, axes or range(len(starts)), steps or [1] * len(starts), strict=True)
    for start, end, axis, step in places:
        wanted = range(x.shape[axis])[start:end:step]
        x = x.index_select(axis, torch.tensor(wanted, dtype=torch.int64, device=x.device))
    return x


def _pad(node: Node, x: Tensor, given: Tensor | None = None, value: Tensor | None = None, *rest: Tensor) -> Tensor:
    pads = node.integers("pads", given) or []
    rank = len(pads) // 2
    both = [pad for axis in reversed(range(rank)) for pad in (pads[axis], pads[rank + axis])]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[node.text("mode", "constant")]
    if mode == "constant":
        return F.pad(x, both, value=node.number("value", 0.0) if value is None else float(value))
    return F.pad(x, both[: 2 * (x.ndim - 2)], mode=mode)


def _constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    value = node.attributes.get("value", torch.zeros(1))
    assert isinstance(value, Tensor)
    return torch.full(shape.tolist(), value.item(), dtype=value.dtype)


def _transpose(node: Node, x: Tensor) -> Tensor:
    return x.permute(node.integers("perm") or list(reversed(range(x.ndim))))


def _expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return x + torch.zeros((), dtype=x.dtype, device=x.device).expand(shape.tolist())


def _where(node: Node, *given: Tensor) -> Tensor:
    condition, a, b = _together(*given)
    return torch.where(condition, a, b)


OPERATORS: Mapping[str, Callable[..., Result]] = {
    "Add": _binary(torch.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Ceil": _unary(torch.ceil),
    "Clip": _clip,
    "Concat": lambda node, *parts: torch.cat(_together(*parts), node.integer("axis", 0)),
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "Div": _binary(_div),
    "Dropout": _unary(lambda x: x),
    "Elu": lambda node, x: F.elu(x, node.number("alpha", 1.0)),
    "Equal": _binary(torch.eq),
    "Erf": _unary(torch.erf),
    "Exp": _unary(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _unary(torch.floor),
    "Gather": _gather,
    "Gelu": lambda node, x: F.gelu(x, approximate=node.text("approximate", "none")),
    "Gemm": _gemm,
    "GlobalAveragePool": _unary(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "GlobalMaxPool": _unary(lambda x: x.amax(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary(F.hardswish),
    "Identity": _unary(lambda x: x),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda node, x: F.leaky_relu(x, node.number("alpha", 0.01)),
    "MatMul": _binary(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _binary(torch.pow),
    "Reciprocal": _unary(torch.reciprocal),
    "ReduceMax": partial(_reduce, torch.amax),
    "ReduceMean": partial(_reduce, torch.mean),
    "ReduceSum": partial(_reduce, torch.sum),
    "Relu": _unary(F.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _unary(lambda x: torch.tensor(x.shape)),
    "Sigmoid": _unary(torch.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _unary(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(torch.sub),
    "Tanh": _unary(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
