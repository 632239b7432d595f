"""A user's ONNX file as a differentiable module, through the package onnx2torch; no code is in such a file.

Needs the extra `onnx`. Weights that an ONNX file keeps in other files are refused: their paths may lead anywhere.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from torch import nn

from fer_bench.errors import ModelError, UsageError
from models_zoo.inputs import Input


def read_onnx(path: Path) -> nn.Module:
    """The graph of an ONNX file as an `nn.Module` of the same inputs and outputs, in eval mode.

    Raises UsageError where onnx2torch is not installed, ModelError for a file that is no ONNX graph, keeps weights
    elsewhere or has an operation that onnx2torch does not know.
    """
    graph = _graph(path)
    try:
        module: nn.Module = importlib.import_module("onnx2torch").convert(graph)
    except Exception as error:  # NotImplementedError for an operation; whatever else a strange graph provokes
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{path} cannot be made differentiable: {reason or type(error).__name__}; give the model as TorchScript or "
            "as a Python file (my_file.py:build) instead."
        ) from error
    return module.eval()


def declared_input(path: Path) -> Input:
    """The input that an ONNX file declares, without normalisation: size and channels of its first input."""
    graph = _graph(path).graph
    filled = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.name not in filled:
            sides = [int(side.dim_value) for side in value.type.tensor_type.shape.dim]
            if len(sides) == 4 and sides[1] in (1, 3):
                height, width = (sides[2], sides[3]) if sides[2] and sides[3] else (0, 0)
                return Input(height, width, sides[1], (0.0,) * sides[1], (1.0,) * sides[1])
    raise ModelError(f"{path} takes no images (batch, 1 or 3, height, width).")


def _graph(path: Path) -> Any:
    try:
        onnx = importlib.import_module("onnx")
        importlib.import_module("onnx2torch")
    except ImportError as error:
        raise UsageError("ONNX files need more packages: pip install 'fer-bench[onnx]'.") from error
    try:
        model = onnx.load(str(path), load_external_data=False)
        known = bool(model.graph.node)
    except Exception as error:  # protobuf's own errors, which differ between its builds
        raise ModelError(f"{path} is not an ONNX file: {' '.join(str(error).split())}.") from error
    if not known:
        raise ModelError(f"{path} is not an ONNX file: it holds no graph.")
    constants = [attribute.t for node in model.graph.node for attribute in node.attribute]
    if any(tensor.external_data for tensor in [*model.graph.initializer, *constants]):
        raise ModelError(f"{path} keeps weights in other files; save it as one file (save_as_external_data=False).")
    return model
