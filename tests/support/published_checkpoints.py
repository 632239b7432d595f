"""Seeded checkpoints of the families whose weights lie at public addresses, in the layouts of their authors' files.

`golden/state/NAME.json` holds the names and shapes of a public definition's state dict. The values made here depend on
nothing but those, so that the public definition could be filled with the same ones: `golden/addressed.json` holds what
it then answers to one image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import torch
from fixed_images import noise
from places import GOLDEN

State = dict[str, torch.Tensor]

_NOISE = torch.from_numpy(noise(1 << 18)) - 0.5


def shapes(name: str) -> dict[str, list[int]]:
    """The tensors of the public definition: name -> shape."""
    found: dict[str, list[int]] = json.loads((GOLDEN / "state" / f"{name}.json").read_text())
    return found


def seeded(tensors: Mapping[str, Sequence[int]], gain: float = 1.0) -> State:
    """Values for `tensors` with which activations stay of ordinary size: weights of variance `gain` over fan-in.

    A weight's rows are windows of one short run of noise, seven numbers apart: distinct, but the file stays small.
    """
    state: State = {}
    for i, (name, shape) in enumerate(tensors.items()):
        kind = name.rpartition(".")[2]
        start = i * 977 % 50_000
        if kind == "num_batches_tracked":
            state[name] = torch.tensor(3)
        elif kind == "relative_position_index":  # rows of a bias table, of which the smallest has 169
            state[name] = torch.arange(math.prod(shape)).view(list(shape)) % 169
        elif len(shape) >= 2:
            fan = math.prod(shape[1:])
            values = _NOISE[start : start + fan + 7 * shape[0]] * (12 * gain / fan) ** 0.5
            inner = [math.prod(shape[k + 1 :]) for k in range(1, len(shape))]
            state[name] = values.as_strided(list(shape), [7, *inner])
        else:
            values = _NOISE[start : start + math.prod(shape)].view(list(shape))
            centre = {"weight": 0.5, "running_var": 1.0}.get(kind, 0.0)
            state[name] = centre + 0.4 * values
    return state


def write_keras(tensors: Mapping[str, Sequence[int]], path: Path, gain: float = 1.0) -> Path:
    """A Keras 2 HDF5 file of `tensors` ('layer/kind' -> shape), with values made like those of `seeded`."""
    with h5py.File(path, "w") as file:
        for i, (name, shape) in enumerate(tensors.items()):
            layer, kind = name.split("/")
            values = _NOISE[(torch.arange(math.prod(shape)) * 7 + i * 977) % 65_521].view(list(shape))
            fan = math.prod(shape[:2]) if kind == "depthwise_kernel" else math.prod(shape[:-1])
            centre = {"gamma": 0.5, "moving_variance": 1.0}.get(kind, 0.0)
            values = values * (12 * gain / fan) ** 0.5 if len(shape) > 1 else centre + 0.4 * values
            file[f"model_weights/{layer}/{layer}/{kind}:0"] = values.numpy()
    return path
