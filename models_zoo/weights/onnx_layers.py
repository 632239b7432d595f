"""ONNX operators that are layers: convolution, pooling, resizing, normalisation; they know no file and no model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_bench.errors import ModelError
from models_zoo.weights.onnx_node import Node, Result


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
    pool = partial(
        F.avg_pool2d,
        kernel_size=kernel,
        stride=strides,
        padding=padding,
        ceil_mode=bool(node.integer("ceil_mode", 0)),
        count_include_pad=counts_padding,
    )
    if padded is x or counts_padding:
        return pool(padded)
    inside, _, _ = _padded(node, torch.ones_like(x[:1, :1]), kernel)
    return pool(padded) / pool(inside)


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
    if node.integer("training_mode", 0):  # weights that are normalised by their own moments whenever the graph runs
        return F.batch_norm(x, None, None, scale, bias, training=True, eps=node.number("epsilon", 1e-5))
    return F.batch_norm(x, mean, variance, scale, bias, training=False, eps=node.number("epsilon", 1e-5))


def _layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = node.integer("axis", -1) % x.ndim
    return F.layer_norm(x, x.shape[axis:], scale, bias, node.number("epsilon", 1e-5))


def _instance_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=node.number("epsilon", 1e-5))


LAYERS: Mapping[str, Callable[..., Result]] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "GlobalAveragePool": lambda node, x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda node, x: x.amax(dim=tuple(range(2, x.ndim)), keepdim=True),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "MaxPool": _max_pool,
    "Resize": _resize,
}
