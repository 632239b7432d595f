"""ONNX files computed by PyTorch: every operator against ONNX's own reference, whole graphs, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_files import Constants, network, save, values, whole

from fer_bench.errors import ModelError
from models_zoo.weights.onnx_graph import OnnxGraph, _last_uses
from models_zoo.weights.onnx_node import Node
from models_zoo.weights.onnx_ops import OPERATORS


def reference(path: Path, images: np.ndarray) -> np.ndarray:
    answer = ReferenceEvaluator(str(path)).run(None, {"x": images})[0]
    return np.asarray(answer)


IMAGE = (2, 4, 5, 6)
NORM = {"scale": values(4) + 2, "b": values(4, start=9), "m": values(4, start=20), "v": np.abs(values(4, start=30)) + 1}
ALIGNED = {"coordinate_transformation_mode": "align_corners"}
CHANNEL = {"k": values(4, 1, 1) + 0.5}
#: operator -> cases of (inputs after x, attributes, constants, operator set); several where sets or settings differ.
CASES: dict[str, list[tuple[list[str], dict[str, object], Constants, int]]] = {
    **{op: [(["k"], {}, CHANNEL, 17)] for op in ("Add", "Div", "Mul", "PRelu", "Sub")},
    **{
        op: [([], {}, {}, 17)]
        for op in (
            *("Ceil", "Dropout", "Elu", "Erf", "Exp", "Floor", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid"),
            *("HardSwish", "Identity", "LeakyRelu", "Neg", "Reciprocal", "Relu", "Sigmoid", "Tanh", "Transpose"),
        )
    },
    **{op: [(["k"], {}, CHANNEL, 17)] for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min")},
    **{op: [([], {}, {}, 18)] for op in ("Abs", "Cos", "Mish", "Sin", "Softplus")},
    "AveragePool": [
        ([], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}, {}, 17),
        ([], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 0]}, {}, 17),
        ([], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, {}, 17),
        ([], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "count_include_pad": 1}, {}, 17),
    ],
    "BatchNormalization": [(["scale", "b", "m", "v"], {"epsilon": 1e-2}, NORM, 14)],
    "Clip": [
        (["lo", "hi"], {}, {"lo": np.float32(-0.25), "hi": np.float32(0.5)}, 17),
        (["lo"], {}, {"lo": np.float32(0)}, 17),
    ],
    "Concat": [(["k"], {"axis": 1}, {"k": values(2, 3, 5, 6)}, 17)],
    "Conv": [
        (["w", "b"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}, {"w": values(3, 4, 3, 3), "b": values(3)}, 17),
        (["w"], {"pads": [0, 1, 2, 1], "group": 2, "dilations": [2, 1]}, {"w": values(6, 2, 2, 3)}, 17),
        (["w"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, {"w": values(3, 4, 3, 3)}, 17),
        (["w"], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, {"w": values(3, 4, 2, 3)}, 17),
        (["w"], {"auto_pad": "VALID"}, {"w": values(3, 4, 3, 3)}, 17),
    ],
    "CumSum": [
        (["a"], {}, {"a": np.array(1, np.int64)}, 17),
        (["a"], {"reverse": 1, "exclusive": 1}, {"a": np.array(-1, np.int64)}, 17),
    ],
    "Einsum": [(["w"], {"equation": "bchw,cd->bdhw"}, {"w": values(4, 3)}, 17)],
    "Expand": [(["s"], {}, {"s": whole(3, 1, 4, 1, 6)}, 17)],
    "Flatten": [([], {"axis": 2}, {}, 17), ([], {}, {}, 17)],
    "Gather": [
        (["i"], {"axis": 1}, {"i": whole(2, 0, -1)}, 17),
        (["i"], {"axis": 0}, {"i": np.array(1, np.int64)}, 17),
    ],
    "Gelu": [([], {}, {}, 20), ([], {"approximate": "tanh"}, {}, 20)],
    "InstanceNormalization": [(["scale", "b"], {"epsilon": 1e-3}, {"scale": values(4), "b": values(4, start=7)}, 17)],
    "LayerNormalization": [(["scale", "b"], {"epsilon": 1e-3}, {"scale": values(6), "b": values(6, start=7)}, 17)],
    "LogSoftmax": [([], {"axis": 1}, {}, 17), ([], {}, {}, 17)],
    "MatMul": [(["w"], {}, {"w": values(6, 3)}, 17)],
    "MaxPool": [
        ([], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, {}, 17),
        ([], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, {}, 17),
        ([], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 0, 2, 1]}, {}, 17),
    ],
    "Mod": [(["k"], {"fmod": 1}, CHANNEL, 17)],
    "Pad": [
        (["p", "c"], {}, {"p": whole(0, 0, 1, 2, 0, 0, 0, 3), "c": np.float32(0.5)}, 17),
        (["p"], {"mode": "reflect"}, {"p": whole(0, 0, 1, 2, 0, 0, 0, 3)}, 17),
        (["p"], {"mode": "edge"}, {"p": whole(0, 0, 1, 2, 0, 0, 0, 3)}, 17),
    ],
    "Pow": [(["k"], {}, {"k": np.float32(2)}, 17)],
    "ReduceL2": [([], {"axes": [1, 3]}, {}, 13), (["a"], {"keepdims": 0}, {"a": whole(1)}, 18)],
    "ReduceMin": [([], {"axes": [1, 3]}, {}, 13)],
    "ReduceMax": [([], {"axes": [1, 3]}, {}, 13)],
    "ReduceMean": [
        ([], {"axes": [2, 3]}, {}, 13),
        ([], {"axes": [-1], "keepdims": 0}, {}, 13),
        (["a"], {}, {"a": whole(1)}, 18),
    ],
    "ReduceSum": [
        (["a"], {"keepdims": 0}, {"a": whole(2)}, 17),
        ([], {}, {}, 17),
        ([], {"noop_with_empty_axes": 1}, {}, 17),
    ],
    "Reshape": [(["s"], {}, {"s": whole(0, -1, 3)}, 17)],
    "Resize": [
        (["", "", "s"], {"mode": "linear"}, {"s": whole(2, 4, 8, 9)}, 17),
        (
            ["", "", "s"],
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
            {"s": whole(2, 4, 8, 9)},
            17,
        ),
        (
            ["", "s"],
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
            {"s": np.array([1, 1, 2, 2], np.float32)},
            17,
        ),
    ],
    "Shape": [([], {}, {}, 17), ([], {"start": 1, "end": -1}, {}, 17)],
    "Slice": [
        (["s", "e", "a", "t"], {}, {"s": whole(-1, 1), "e": whole(-9, 99), "a": whole(2, 3), "t": whole(-1, 2)}, 17),
        (["s", "e"], {}, {"s": whole(0, 1), "e": whole(1, 3)}, 17),
    ],
    "Softmax": [([], {"axis": 1}, {}, 17), ([], {}, {}, 17)],
    "Squeeze": [(["a"], {}, {"a": whole(0)}, 17), ([], {}, {}, 17), ([], {"axes": [0]}, {}, 11)],
    "Tile": [(["r"], {}, {"r": whole(1, 2, 1, 3)}, 17)],
    "Unsqueeze": [(["a"], {}, {"a": whole(0, -1)}, 17), ([], {"axes": [1, 3]}, {}, 11)],
}
#: Operators that meet no image directly; the graphs below run them.
INDIRECT = {"And", "Cast", "ConstantOfShape", "Equal", "Gemm", "Log", "Not", "Or", "Range", "Split", "Sqrt", "Where"}
SINGLE = [(op, *case) for op, cases in CASES.items() for case in cases]


def test_every_operator_is_held_against_the_reference() -> None:
    assert CASES.keys() | INDIRECT == OPERATORS.keys()


@pytest.mark.parametrize(
    ("op", "more", "attributes", "constants", "opset"), SINGLE, ids=[f"{i}-{case[0]}" for i, case in enumerate(SINGLE)]
)
def test_an_operator_agrees_with_the_reference(
    tmp_path: Path, op: str, more: list[str], attributes: dict[str, object], constants: Constants, opset: int
) -> None:
    shape = (1, 4, 5, 1) if op == "Squeeze" else IMAGE
    x = np.abs(values(*shape)) + 0.1 if op == "Reciprocal" else values(*shape)
    path = save(tmp_path / "a.onnx", [helper.make_node(op, ["x", *more], ["y"], **attributes)], constants, shape, opset)
    ours = OnnxGraph(path)(torch.from_numpy(x))
    expected = reference(path, x)
    assert tuple(ours.shape) == expected.shape
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_whole_numbers_and_truth_values(tmp_path: Path) -> None:
    """What exporters compute of shapes and masks: -7 mod 3 is 2, a range ends before its limit."""
    node = helper.make_node
    constants = {"zero": np.array(-7, np.int64), "end": np.array(8, np.int64), "step": np.array(3, np.int64)}
    constants |= {"one": np.array(1, np.int64), "two": np.array(2, np.int64)}
    nodes = [
        node("Range", ["zero", "end", "step"], ["r"]), node("Mod", ["r", "step"], ["m"]),
        node("Equal", ["m", "two"], ["is"]), node("Less", ["r", "one"], ["low"]), node("Not", ["low"], ["high"]),
        node("And", ["is", "high"], ["both"]), node("Or", ["both", "low"], ["any"]),
        node("Where", ["any", "r", "two"], ["w"]), node("Cast", ["w"], ["wf"], to=TensorProto.FLOAT),
        node("Exp", ["x"], ["e"]), node("Log", ["e"], ["l"]), node("Mul", ["l", "wf"], ["y"]),
    ]  # fmt: skip
    path = save(tmp_path / "a.onnx", nodes, constants, ("n", 5))
    x = values(2, 5)
    np.testing.assert_allclose(OnnxGraph(path)(torch.from_numpy(x)).numpy(), reference(path, x), rtol=1e-5)


def test_a_normalisation_by_the_moments_of_what_comes_in(tmp_path: Path) -> None:
    """Weights standardised inside a graph: its outputs beyond the first are declared and never made."""
    nodes = [
        helper.make_node("BatchNormalization", ["x", "scale", "b", "m", "v"], ["y", "m2", "v2"], training_mode=1),
    ]
    path = save(tmp_path / "a.onnx", nodes, NORM, IMAGE, opset=15)
    x = values(*IMAGE)
    np.testing.assert_allclose(OnnxGraph(path)(torch.from_numpy(x)).numpy(), reference(path, x), rtol=1e-4, atol=1e-5)


def test_older_softmax_runs_over_everything_behind_its_axis(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [helper.make_node("Softmax", ["x"], ["y"], axis=1)], {}, IMAGE, opset=11)
    x = torch.from_numpy(values(*IMAGE))
    torch.testing.assert_close(OnnxGraph(path)(x), x.flatten(1).softmax(1).view(IMAGE))


def test_older_clip_has_its_bounds_as_attributes(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [helper.make_node("Clip", ["x"], ["y"], min=-0.5, max=0.25)], {}, IMAGE, opset=10)
    x = torch.from_numpy(values(*IMAGE))
    assert torch.equal(OnnxGraph(path)(x), x.clamp(-0.5, 0.25))


@pytest.mark.parametrize("side", [9, 10])
def test_a_network_agrees_with_the_reference_on_any_batch(tmp_path: Path, side: int) -> None:
    path = network(tmp_path / "n.onnx", side, outputs=10)
    graph = OnnxGraph(path)
    graph.settle(3, side, side)
    assert not graph.one_by_one
    x = values(3, 3, side, side, start=1000)
    expected = np.concatenate([reference(path, image[None]) for image in x])
    assert expected.std(axis=0).min() > 0.01  # the images matter
    np.testing.assert_allclose(graph(torch.from_numpy(x)).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_shapes_are_computed_on_the_cpu_wherever_the_images_are(tmp_path: Path) -> None:
    """The meta device stands in for a GPU: it, too, refuses tensors that lie elsewhere."""
    graph = OnnxGraph(network(tmp_path / "n.onnx", 9, outputs=10)).to("meta")
    answer = graph(torch.zeros(3, 3, 9, 9, device="meta"))
    assert answer.device.type == "meta"
    assert answer.shape == (3, 10)


def test_a_value_is_dropped_after_the_last_node_that_reads_it() -> None:
    def node(inputs: tuple[str, ...], *outputs: str) -> Node:
        return Node("Add", inputs, outputs, {}, 17)

    nodes = (node(("x", "w"), "a"), node(("a", "x"), "b"), node(("a", ""), "c", "unused"), node(("b", "c"), "y"))
    assert _last_uses(nodes, {"w", "y"}) == ((), ("x",), ("a", "unused"), ("b", "c"))


def test_the_gradient_is_that_of_finite_differences(tmp_path: Path) -> None:
    graph = OnnxGraph(network(tmp_path / "n.onnx", 6, outputs=8)).double()
    x = torch.from_numpy(values(1, 3, 6, 6, start=1000)).double().requires_grad_()
    assert torch.autograd.gradcheck(graph, (x,), eps=1e-6, atol=1e-5)


def test_double_precision_survives_a_cast_in_the_graph(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT), helper.make_node("Mul", ["c", "k"], ["y"])]
    graph = OnnxGraph(save(tmp_path / "a.onnx", nodes, {"k": np.float32(3)}, ("n", 1, 1, 1))).double()
    x = torch.full((1, 1, 1, 1), 1 / 3, dtype=torch.float64)
    assert graph(x).item() == 1.0


@pytest.mark.parametrize(("batch", "baked"), [(1, None), ("n", 1), (1, 1)])
def test_a_graph_that_was_traced_with_one_image_is_run_image_by_image(
    tmp_path: Path, batch: int | str, baked: int | None
) -> None:
    """With 1 in its Reshape the graph takes two images for one of twice the pixels: no error, wrong answers."""
    graph = OnnxGraph(network(tmp_path / "traced.onnx", 8, 10, batch, baked))
    free = OnnxGraph(network(tmp_path / "free.onnx", 8, 10))
    answers = graph.settle(3, 8, 8)
    assert answers.shape == (2, 10)
    x = torch.from_numpy(values(3, 3, 8, 8, start=1000))
    torch.testing.assert_close(graph(x), free(x))


def test_constants_inside_nodes_are_read(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["a"], value_float=2.0),
        helper.make_node("Constant", [], ["b"], value=numpy_helper.from_array(values(1, 1, 2, 2))),
        helper.make_node("Constant", [], ["s"], value_ints=[0, -1]),
        helper.make_node("Mul", ["x", "a"], ["xa"]),
        helper.make_node("Add", ["xa", "b"], ["xab"]),
        helper.make_node("Reshape", ["xab", "s"], ["y"]),
    ]
    graph = OnnxGraph(save(tmp_path / "a.onnx", nodes, {}, ("n", 1, 2, 2)))
    assert graph(torch.ones(2, 1, 2, 2)).shape == (2, 4)
    np.testing.assert_allclose(graph(torch.ones(1, 1, 2, 2)).numpy().ravel(), 2 + values(4), rtol=1e-6)


def test_constants_that_are_listed_as_inputs_too_are_no_inputs(tmp_path: Path) -> None:
    """As the third version of the format wrote them."""
    path = save(tmp_path / "a.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], {"w": values(4, 5, 6)}, IMAGE)
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 5, 6]))
    onnx.save(model, path)
    x = values(*IMAGE)
    np.testing.assert_allclose(OnnxGraph(path)(torch.from_numpy(x)).numpy(), x + values(4, 5, 6), rtol=1e-6)


# -------------------------------------------------------------------------------------------------------- refusals


def refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        OnnxGraph(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>", b"", b"\x80\x02}q\x00."])
def test_what_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    refused(tmp_path / "a.onnx", "not an ONNX")


def test_operators_that_are_not_known_are_all_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("TopK", ["x", "k"], ["t", "i"]), helper.make_node("Sign", ["t"], ["y"])]
    refused(save(tmp_path / "a.onnx", nodes, {"k": whole(1)}, IMAGE), "cannot be converted: Sign, TopK")


def test_operators_of_a_vendor_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft")
    refused(save(tmp_path / "a.onnx", [node], {}, IMAGE), "FusedConv of com.microsoft")


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [helper.make_node("Add", ["x", "z"], ["y"])], {}, IMAGE)
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, list(IMAGE)))
    onnx.save(model, path)
    refused(path, "2 inputs")


def test_weights_in_other_files_are_not_opened(tmp_path: Path) -> None:
    """External data names a path, which may lead anywhere."""
    path = save(tmp_path / "a.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], {"w": values(4, 5, 6)}, IMAGE)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").exists()
    refused(path, "weights in other files")


def test_a_resize_of_another_kind_is_refused_when_it_runs(tmp_path: Path) -> None:
    node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="linear", antialias=1)
    graph = OnnxGraph(save(tmp_path / "a.onnx", [node], {"s": whole(2, 4, 3, 3)}, IMAGE, opset=18))
    with pytest.raises(ModelError, match="Resize of mode linear"):
        graph(torch.zeros(IMAGE))
