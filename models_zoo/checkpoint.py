"""Reads the weight files that users bring, whatever their format, and runs nothing in them.

TorchScript is the exception by nature: such a file is a program, of torch's own restricted operations.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fer_bench.errors import ModelError
from models_zoo.weights import CONVERT, Weights, unpickled

#: The entries under which training scripts put the state dict.
ENTRIES = ("state_dict", "model_state_dict", "model", "net")
#: The whole of a TorchScript or checkpoint archive at most, unpacked, in multiples of its size: it is hardly packed.
_LARGEST_RATIO = 20


def read_checkpoint(path: Path) -> Weights:
    """The state dict of a '.safetensors' file or of a torch.save file, alone or under one of `ENTRIES`.

    The 'module.' that torch's DataParallel puts before every name is taken off. Raises ModelError in one line.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path} cannot be read as safetensors: {error}.") from error
    refuse_bomb(path)
    if is_torchscript(path):
        raise ModelError(f"{path} is TorchScript, a whole model; name it alone: --models {path}.")
    content = unpickled(path)
    entries: list[Any] = [content] if _is_state(content) else []
    if isinstance(content, Mapping) and not entries:
        entries = [content[entry] for entry in ENTRIES if _is_state(content.get(entry))]
    if len(entries) != 1:
        names = ", ".join(map(str, list(content)[:8])) if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(f"{path} holds {names}; expected a state dict, alone or under one of {', '.join(ENTRIES)}.")
    state: Mapping[str, torch.Tensor] = entries[0]
    wrapped = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(x, torch.Tensor) for x in value.values())


def read_torchscript(path: Path) -> nn.Module:
    """The model in a TorchScript file. It runs its own graph, in torch's interpreter, and no Python.

    Raises ModelError for any other file, with the way to convert it.
    """
    refuse_bomb(path)
    if not is_torchscript(path):
        raise ModelError(
            f"{path} is no TorchScript file. For a state dict name its architecture (--models timm:ARCH@{path.name}), "
            f"or build it in a Python file (--models my_file.py:build). {CONVERT}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch means its authors, not its readers
            model: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{path} cannot be read as TorchScript: {reason}.") from error
    return model.eval()


def is_torchscript(path: Path) -> bool:
    """True for a zip archive with code in it, which is what torch.jit.save writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def refuse_bomb(path: Path) -> None:
    """Raises ModelError for an archive that would unpack to far more than it is: torch stores tensors unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        return  # its reader says what is wrong with it
    if unpacked > _LARGEST_RATIO * path.stat().st_size:
        raise ModelError(
            f"{path} would unpack to {unpacked:,} bytes, {_LARGEST_RATIO} times its size; it was not read."
        )
