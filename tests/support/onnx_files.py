"""ONNX files made by hand, for the tests: single operators, and a small network of the kinds that exporters write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from fixed_images import noise
from onnx import TensorProto, helper, numpy_helper

Constants = dict[str, np.ndarray]


def values(*shape: int, start: int = 0) -> np.ndarray:
    """Numbers in [-1, 1), other ones from another `start`."""
    count = int(np.prod(shape))
    return (noise(start + count)[start:] * 2 - 1).reshape(shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Constants,
    shape: Sequence[int | str],
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
) -> Path:
    """A file with the input 'x' of `shape` and the given outputs."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def network(path: Path, side: int, outputs: int, batch: int | str = "n", baked: int | None = None) -> Path:
    """The operator kinds of an exported EfficientNet and MobileViT on `(batch, 3, side, side)`, a few channels wide.

    TensorFlow-like padding computed inside the graph, SiLU, squeeze and excitation, attention over the pixels, layer
    normalisation in parts. `baked`: this batch size stands in a Reshape, as tracing leaves it.
    """
    node = helper.make_node
    tokens = whole(0 if baked is None else baked, 8, -1)
    pooled = [max(1, side // 16)] * 2
    constants = {
        "w1": values(8, 3, 3, 3), "b1": values(8, start=300),
        "w2": values(8, 1, 3, 3, start=350), "se1": values(2, 8, 1, 1, start=500), "se2": values(8, 2, 1, 1, start=600),
        "qkv": values(8, 24, start=700), "fc": values(outputs, 8, start=900) * 0.3,
        "fb": values(outputs, start=990) * 0.3,
        "two": whole(2), "height": np.array(2, np.int64), "zeros": whole(0, 0, 0, 0, 0, 0), "tokens": tokens,
        "axis0": whole(0), "square": np.float32(2), "eps": np.float32(1e-5), "root": np.float32(8**-0.5),
    }  # fmt: skip
    nodes = [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "height"], ["h"], axis=0),
        node("Cast", ["h"], ["hf"], to=TensorProto.FLOAT), node("Div", ["hf", "square"], ["hd"]),
        node("Ceil", ["hd"], ["hc"]), node("Cast", ["hc"], ["hi"], to=TensorProto.INT64),
        node("Mul", ["hi", "two"], ["hm"]), node("Unsqueeze", ["h", "axis0"], ["hu"]),
        node("Sub", ["hm", "hu"], ["odd"]), node("Concat", ["zeros", "odd", "odd"], ["pads"], axis=0),
        node("Pad", ["x", "pads"], ["xp"]),
        node("Conv", ["xp", "w1", "b1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]), node("Sigmoid", ["c1"], ["g1"]),
        node("Mul", ["c1", "g1"], ["a1"]), node("Conv", ["a1", "w2"], ["c2"], group=8, pads=[1, 1, 1, 1]),
        node("ReduceMean", ["c2"], ["m2"], axes=[2, 3]), node("Conv", ["m2", "se1"], ["r2"]),
        node("Relu", ["r2"], ["r3"]),
        node("Conv", ["r3", "se2"], ["r4"]), node("Sigmoid", ["r4"], ["r5"]), node("Mul", ["c2", "r5"], ["a2"]),
        node("Add", ["a1", "a2"], ["a3"]), node("AveragePool", ["a3"], ["a4"], kernel_shape=pooled, strides=pooled),
        node("Reshape", ["a4", "tokens"], ["t"]),
        node("Transpose", ["t"], ["t1"], perm=[0, 2, 1]), node("MatMul", ["t1", "qkv"], ["p"]),
        node("Split", ["p"], ["q", "k", "v"], axis=2), node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], ["dots"]), node("Mul", ["dots", "root"], ["scaled"]),
        node("Softmax", ["scaled"], ["weights"], axis=-1), node("MatMul", ["weights", "v"], ["mixed"]),
        node("ReduceMean", ["mixed"], ["mean"], axes=[2]), node("Sub", ["mixed", "mean"], ["d"]),
        node("Pow", ["d", "square"], ["dd"]), node("ReduceMean", ["dd"], ["var"], axes=[2]),
        node("Add", ["var", "eps"], ["ve"]), node("Sqrt", ["ve"], ["sd"]), node("Div", ["d", "sd"], ["ln"]),
        node("Shape", ["ln"], ["ls"]), node("ConstantOfShape", ["ls"], ["nought"]),
        node("Equal", ["ln", "nought"], ["eq"]),
        node("Where", ["eq", "nought", "ln"], ["safe"]), node("ReduceMean", ["safe"], ["pool"], axes=[1], keepdims=0),
        node("ReduceMax", ["mixed"], ["top"], axes=[1], keepdims=0), node("Add", ["pool", "top"], ["f"]),
        node("Gemm", ["f", "fc", "fb"], ["y"], transB=1),
    ]  # fmt: skip
    return save(path, nodes, constants, (batch, 3, side, side), opset=13)
