"""ONNX files that torch's exporter writes of real architectures: logits and gradients are the network's own."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import timm
import torch

from models_zoo.inputs import Input
from models_zoo.weights.onnx_graph import read_onnx

#: Architectures of different kinds: residual, squeeze and excitation, depthwise, layer-normalised, attention, windows.
SIDES = {
    "resnet18": 32,
    "mobilenetv3_small_050": 32,
    "efficientnet_b0": 32,
    "tf_efficientnet_lite0": 33,
    "convnext_atto": 32,
    "vit_tiny_patch16_224": 32,
    "edgenext_xx_small": 64,
    "poolformerv2_s12": 32,
}


@pytest.mark.parametrize(("architecture", "side"), SIDES.items())
def test_an_exported_network_answers_and_climbs_as_itself(tmp_path: Path, architecture: str, side: int) -> None:
    torch.manual_seed(0)
    size = {"img_size": side} if architecture.startswith("vit") else {}
    network = timm.create_model(architecture, pretrained=False, num_classes=7, **size).eval()
    path = tmp_path / "n.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.rand(2, 3, side, side),),
            path,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
        )
    graph = read_onnx([path], Input(side, side, 3, (0.0,) * 3, (1.0,) * 3))
    assert not graph.one_by_one
    images = torch.rand(3, 3, side, side, requires_grad=True)
    expected, answer = network(images), graph(images)
    error, largest = (answer - expected).detach().abs().max(), expected.detach().abs().max()
    # Random weights make some answers tiny: what matters is the error beside them.
    assert float(error) <= 1e-4 * float(largest)
    climbed, ours = (torch.autograd.grad(logits[:, 0].sum(), images)[0] for logits in (expected, answer))
    assert float(ours.abs().max()) > 0
    assert float((ours - climbed).abs().max()) <= 1e-4 * float(climbed.abs().max())
