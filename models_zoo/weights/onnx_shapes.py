"""ONNX operators that give, change or take parts of shapes; they know no file and no model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from models_zoo.weights.onnx_node import Node, Result, together


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


def _shape(node: Node, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[node.integer("start", 0) : node.integer("end", x.ndim)])


def _range(node: Node, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


SHAPES: Mapping[str, Callable[..., Result]] = {
    "Concat": lambda node, *parts: torch.cat(together(*parts), node.integer("axis", 0)),
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda node, x, repeats: x.tile(repeats.tolist()),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
