"""Readers of weight files that run no code in them: Keras HDF5, TensorFlow.js manifests, PyTorch state dicts.

Every file was verified against its card before it comes here. What does not fit the model is a ModelError.
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from fer_bench.errors import ModelError

Weights = dict[str, torch.Tensor]

#: What to do with a checkpoint that holds more than tensors.
CONVERT = (
    "A file that holds more than tensors runs code when it is read, and is not read here. Where you trust it, convert "
    "it in an environment of its own: safetensors.torch.save_file(torch.load(FILE, weights_only=False).state_dict(), "
    "'weights.safetensors')."
)

#: How the numbers of a shard are stored, and as what they are used.
_DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "<u1", "uint16": "<u2"}
_STORED = {"float32": np.float32, "int32": np.int32}


def read_keras(path: Path) -> Weights:
    """The tensors of a Keras 2 HDF5 file as 'layer/kind' ('conv2d_1/kernel'), in Keras' own axis order."""
    weights: Weights = {}

    def collect(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            parts = name.split("/")
            weights[f"{parts[0]}/{parts[-1].partition(':')[0]}"] = torch.from_numpy(np.asarray(node[()]))

    try:
        with h5py.File(path, "r") as file:
            file["model_weights"].visititems(collect)
    except (OSError, KeyError) as error:
        raise ModelError(f"{path} is not a Keras HDF5 file with model weights: {error}") from error
    return weights


def read_tfjs(manifest: Path, shard: Path) -> Weights:
    """The tensors of a TensorFlow.js model with one shard, by their names, in TensorFlow's own axis order.

    `manifest` is the JSON that describes them, either a bare list of weight groups or a graph model with a
    'weightsManifest'. A quantised tensor is `min + scale * integer`, as its entry says.
    """
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        groups = content["weightsManifest"] if isinstance(content, dict) else content
        data = shard.read_bytes()
        weights: Weights = {}
        offset = 0
        for entry in (entry for group in groups for entry in group["weights"]):
            quantised = entry.get("quantization")
            dtype = np.dtype(_DTYPES[quantised["dtype"] if quantised else entry["dtype"]])
            count = math.prod(entry["shape"])
            values = np.frombuffer(data, dtype, count, offset)
            offset += count * dtype.itemsize
            if quantised:
                values = values * float(quantised["scale"]) + float(quantised["min"])
            weights[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]).astype(_STORED[entry["dtype"]]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{manifest} and {shard.name} are not a TensorFlow.js model: {error}") from error
    if offset != len(data):
        raise ModelError(f"{shard} has {len(data)} bytes, but its manifest describes {offset}.")
    return weights


def read_torch(path: Path, key: str | None = None) -> Weights:
    """The state dict of a torch.save file, or its entry `key`; only plain tensors are unpickled."""
    content = unpickled(path)
    state = content.get(key) if key is not None and isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        what = "a state dict" if key is None else f"a state dict under '{key}'"
        raise ModelError(f"{path} does not hold {what}.")
    return dict(state)


def unpickled(path: Path) -> object:
    """What a torch.save file holds: tensors and plain containers; anything that would run code is a ModelError."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).strip().partition("\n")[0].split()).rstrip(".")
        raise ModelError(f"{path} cannot be read as plain PyTorch weights: {reason}. {CONVERT}") from error


def conv(kernel: torch.Tensor) -> torch.Tensor:
    """TensorFlow's (height, width, inputs, outputs) -> PyTorch's (outputs, inputs, height, width)."""
    return kernel.permute(3, 2, 0, 1).contiguous()


def depthwise(kernel: torch.Tensor) -> torch.Tensor:
    """TensorFlow's (height, width, channels, 1) -> PyTorch's (channels, 1, height, width)."""
    return kernel.permute(2, 3, 0, 1).contiguous()


def norm(keras: Weights, layer: str, name: str) -> Weights:
    """The four tensors of Keras' batch normalisation `layer`, as those of our module `name`."""
    return {
        f"{name}.weight": keras[f"{layer}/gamma"],
        f"{name}.bias": keras[f"{layer}/beta"],
        f"{name}.running_mean": keras[f"{layer}/moving_mean"],
        f"{name}.running_var": keras[f"{layer}/moving_variance"],
    }


def fill(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Copies `weights` into `module`; every tensor has to be named and to fit, else ModelError."""
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    wrong = sorted(name for name in (own.keys() | given.keys()) - counters if own.get(name) != given.get(name))
    if wrong:
        name = wrong[0]
        raise ModelError(
            f"{len(wrong)} tensors do not fit {type(module).__name__}; the first is {name}: "
            f"the file has {given.get(name, 'none')}, the model {own.get(name, 'none')}."
        )
    module.load_state_dict(dict(weights), strict=False)


def known(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> Weights:
    """`weights` without the tensors that `module` does not name.

    For checkpoints that carry tensors of parts the authors' own code has no longer, and loads without a word
    (strict=False). A tensor that is missing is still an error of `fill`.
    """
    own = module.state_dict()
    return {name: value for name, value in weights.items() if name in own}
