"""One operation of an ONNX graph: its attributes by kind, what it reads and gives; it computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Attribute = int | float | str | Sequence[int] | Sequence[float] | Tensor
Result = Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class Node:
    """One operation of a graph."""

    #: The operator, such as "Conv".
    op: str
    #: Names of what it reads; '' where one is left out.
    inputs: tuple[str, ...]
    #: Names of what it gives.
    outputs: tuple[str, ...]
    #: The operator's settings.
    attributes: Mapping[str, Attribute]
    #: The version of the operator set that the graph is written in.
    opset: int

    def integer(self, name: str, default: int) -> int:
        """The whole-number attribute `name`."""
        value = self.attributes.get(name, default)
        assert isinstance(value, int)
        return value

    def number(self, name: str, default: float) -> float:
        """The real attribute `name`."""
        value = self.attributes.get(name, default)
        assert isinstance(value, int | float)
        return float(value)

    def text(self, name: str, default: str) -> str:
        """The word that is attribute `name`."""
        return str(self.attributes.get(name, default))

    def integers(self, name: str, given: Tensor | None = None) -> list[int] | None:
        """A list of whole numbers: the input `given` (newer operator sets) or the attribute `name` (older ones)."""
        if given is not None:
            return [int(value) for value in given.flatten().tolist()]
        value = self.attributes.get(name)
        if value is None:
            return None
        assert isinstance(value, Sequence)
        return [int(entry) for entry in value]


def together(*tensors: Tensor) -> list[Tensor]:
    """The tensors on one device: shapes are computed on the CPU and sometimes meet the images.

    Single numbers stay where they are; PyTorch takes them on the CPU beside tensors on any device.
    """
    device = next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), tensors[0].device)
    return [tensor if tensor.ndim == 0 else tensor.to(device) for tensor in tensors]
