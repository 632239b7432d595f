"""Architectures of the package timm, by name, without weights; nothing is asked from the network."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fer_bench.errors import ModelError
from fer_bench.registry import unknown_name
from models_zoo.inputs import Input

if TYPE_CHECKING:
    from torch import nn


def create(architecture: str, classes: int) -> nn.Module:
    """A timm network with random weights and `classes` outputs. Raises UsageError for a name that timm has not."""
    check_name(architecture)
    try:
        network: nn.Module = _timm().create_model(architecture, pretrained=False, num_classes=classes)
    except Exception as error:  # whatever an architecture raises for another number of classes
        raise ModelError(f"timm cannot build '{architecture}' with {classes} classes: {error}.") from error
    return network.eval()


def wanted_input(architecture: str) -> Input:
    """Size and normalisation that timm states for an architecture; 224x224 and [0, 1] where it states none."""
    check_name(architecture)
    known = _timm().get_pretrained_cfg(architecture)
    if known is None:
        return Input(224, 224, 3, (0.0,) * 3, (1.0,) * 3)
    channels, height, width = known.input_size
    return Input(height, width, channels, tuple(known.mean), tuple(known.std))


def check_name(architecture: str) -> None:
    """Raises UsageError with near misses. Names such as 'hf-hub:...', which timm would download, are none of these."""
    if not _timm().is_model(architecture):
        raise unknown_name("timm architecture", architecture, _timm().list_models(exclude_filters="test_*"))


def _timm() -> Any:
    """The package, imported when it is needed: it takes seconds."""
    return importlib.import_module("timm")
