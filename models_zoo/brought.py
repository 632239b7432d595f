"""What the families have in common whose weights the user brings: public checkpoints, class orders, words of cards.

It must not know any family, and nothing in a checkpoint may run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fer_bench.errors import ModelError
from fer_bench.types import UNSEEN
from models_zoo.weights import Weights, unpickled

#: RAF-DB's labels 1 to 7.
RAF_DB = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
#: Images in the sets that the families are judged on. Of AffectNet's 4,000 validation images 3,999 were given out.
RAF_DB_TEST = 3068
AFFECTNET_7_VALIDATION = 3500
AFFECTNET_8_VALIDATION = 3999

NOT_SEEN = (
    f"{UNSEEN} no checkpoint of the authors could be had where this was written, so neither its layout nor the stated "
    "accuracy was verified; measure the clean accuracy before anything else."
)

#: The entries under which training scripts put the state dict.
ENTRIES = ("model_state_dict", "state_dict", "net", "model")

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


def compared(images: int, difference: str, largest: str, definition: str = "the authors' code") -> str:
    """The note that says how a net was held against its public definition; `largest` is the size of its logits."""
    return (
        f"Against the public definition ({definition}) with the same seeded weights and batch statistics, on {images} "
        f"images of the net's own size: largest difference in an output {difference}, outputs up to {largest}."
    )


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(x, torch.Tensor) for x in value.values())


def _without_module(state: Mapping[str, torch.Tensor]) -> Weights:
    wrapped = all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}
