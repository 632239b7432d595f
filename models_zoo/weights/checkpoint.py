"""Reads the weight files that users bring, whatever their format, and runs nothing in them.

TorchScript is the exception by nature: such a file is a program, of torch's own restricted operations.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fer_bench.errors import ModelError
from models_zoo.weights.state_dict import CONVERT, Weights, unpickled

#: The entries under which training scripts put the state dict.
ENTRIES = ("model_state_dict", "state_dict", "net", "model")
#: The whole of a TorchScript or checkpoint archive at most, unpacked, in multiples of its size: it is hardly packed.
_LARGEST_RATIO = 20


#: What training scripts leave beside the weights: their own loss curves (classes of the script itself), and numbers.
_LEFTOVERS = (
    "__main__.RecorderMeter",
    "__main__.RecorderMeter1",
    *(
        f"{module}.{name}"
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ),
    "numpy.ndarray",
    "numpy.dtype",
)


class _Leftover:
    """Stands in for an object that is not needed: takes whatever it is made of and keeps none of it."""

    def __new__(cls, *_: object) -> _Leftover:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


def _stand_in(name: str) -> type:
    module, _, word = name.rpartition(".")
    return type(word, (_Leftover,), {"__module__": module, "__qualname__": word})


_STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [_stand_in(name) for name in _LEFTOVERS]


@contextmanager
def _leftovers_ignored() -> Iterator[None]:
    """Lets torch's restricted unpickler build inert stand-ins where a checkpoint names one of `_LEFTOVERS`."""
    with torch.serialization.safe_globals(_STAND_INS):
        yield


def read_checkpoint(path: Path, entries: Sequence[str] = ENTRIES) -> Weights:
    """The state dict of a checkpoint as its authors' script saved it, or of a '.safetensors' file.

    It may stand alone or be the one of `entries` that the file has; the 'module.' that torch's DataParallel puts
    before every name is taken off. No code of the file runs. Raises ModelError, in one line.
    """
    if path.suffix == ".safetensors":
        try:
            return _without_module(load_file(path))
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path} cannot be read as safetensors: {error}") from error
    refuse_bomb(path)
    if is_torchscript(path):
        raise ModelError(f"{path} is TorchScript, a whole model; name it alone: --models {path}.")
    with _leftovers_ignored():
        content = unpickled(path)
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds one {type(content).__name__}, not a checkpoint with a state dict.")
    found = [content[entry] for entry in entries if entry in content and _is_state(content[entry])]
    if len(found) > 1 or (not found and not _is_state(content)):
        names = ", ".join(str(name) for name in list(content)[:8])
        raise ModelError(
            f"{path} holds {names or 'nothing'}; expected a state dict, alone or as the one of {', '.join(entries)}."
        )
    return _without_module(found[0] if found else content)


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(x, torch.Tensor) for x in value.values())


def _without_module(state: Mapping[str, torch.Tensor]) -> Weights:
    wrapped = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}


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
