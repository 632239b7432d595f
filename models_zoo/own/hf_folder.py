"""A model folder as Hugging Face writes it: config.json, preprocessor_config.json, model.safetensors.

Nothing is asked from the network, and no code of the folder runs: the architecture is the package transformers' own
(extra `hf`), or timm's where the folder is one of timm's.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fer_bench.errors import ModelError, UsageError
from models_zoo.inputs import Input
from models_zoo.own import timm_model
from models_zoo.weights.checkpoint import read_checkpoint
from models_zoo.weights.state_dict import fill

CONFIG, PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"


class _Logits(nn.Module):
    """The logits of a transformers model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(pixel_values=images).logits
        return logits


def files(folder: Path) -> list[Path]:
    """The files of the folder that make the model. Raises UsageError where one is missing."""
    if not folder.is_dir():
        raise UsageError(f"hf:{folder} is not a folder; give the folder with {CONFIG} and {WEIGHTS}.")
    wanted = [folder / CONFIG, folder / WEIGHTS]
    for path in wanted:
        if not path.is_file():
            raise UsageError(f"hf:{folder} lacks {path.name}; expected are {CONFIG}, {PREPROCESSOR} and {WEIGHTS}.")
    return [*wanted, *(path for path in [folder / PREPROCESSOR] if path.is_file())]


def classes(folder: Path) -> tuple[str, ...]:
    """The class names that config.json states, in the order of the outputs; empty where it states none."""
    config = _json(folder / CONFIG)
    stated = (
        config.get("id2label") or (config.get("pretrained_cfg") or {}).get("label_names") or config.get("label_names")
    )
    if isinstance(stated, dict):
        numbered = sorted((int(number), str(name)) for number, name in stated.items())
        if [number for number, _ in numbered] != list(range(len(numbered))):
            raise ModelError(f"{folder / CONFIG} does not number its id2label from 0 without gaps.")
        return tuple(name for _, name in numbered)
    return tuple(str(name) for name in stated or ())


def wanted_input(folder: Path) -> Input:
    """Size and normalisation as preprocessor_config.json (timm: config.json) states them; a crop counts as its size."""
    config = _json(folder / CONFIG)
    if "architecture" in config:
        known = config.get("pretrained_cfg") or config
        channels, height, width = known.get("input_size") or (3, 224, 224)
        return Input(height, width, channels, tuple(known["mean"]), tuple(known["std"]))
    path = folder / PREPROCESSOR
    known = _json(path) if path.is_file() else {}
    height, width = _size(known, path)
    mean, std = (0.0,) * 3, (1.0,) * 3
    if known.get("do_normalize", True):
        mean, std = tuple(known.get("image_mean") or (0.5,) * 3), tuple(known.get("image_std") or (0.5,) * 3)
    # A network that was given other numbers than pixels in [0, 1] before its normalisation gets them here too.
    factor = 255 * known.get("rescale_factor", 1 / 255) if known.get("do_rescale", True) else 255.0
    return Input(height, width, 3, tuple(m / factor for m in mean), tuple(s / factor for s in std))


def _size(known: dict[str, Any], path: Path) -> tuple[int, int]:
    stated = known.get("crop_size") if known.get("do_center_crop") else known.get("size")
    stated = stated or known.get("size") or 224
    if isinstance(stated, int):
        return stated, stated
    if "height" in stated and "width" in stated:
        return int(stated["height"]), int(stated["width"])
    if "shortest_edge" in stated:
        return int(stated["shortest_edge"]), int(stated["shortest_edge"])
    raise ModelError(f"{path} states a size that cannot be read: {stated}.")


def build(paths: Sequence[Path]) -> nn.Module:
    """The network of the files of a folder, weights filled in."""
    folder = paths[0].parent
    config = _json(paths[0])
    state = read_checkpoint(paths[1])
    if "architecture" in config:
        network = timm_model.create(str(config["architecture"]), len(classes(folder)))
        fill(network, state)
        return network
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise UsageError("Hugging Face folders need more packages: pip install 'fer-bench[hf]'.") from error
    try:
        known = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        network = transformers.AutoModelForImageClassification.from_config(known, trust_remote_code=False)
    except Exception as error:  # whatever transformers raises for a folder that is not as it expects
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"hf:{folder} is no image classifier that transformers knows: {reason}") from error
    fill(network, state)
    return _Logits(network).eval()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object.")
    return content
