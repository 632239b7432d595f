"""EvalSet: the images that a model is evaluated on, with their labels. It reads no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fer_bench.core.digest import digest
from fer_bench.core.model_card import Task

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class EvalSet:
    """Images to evaluate on, in the order of the sha256 of their decoded pixels."""

    #: As `--data` has it.
    name: str
    #: The `--data` text that opens it again.
    source: str
    #: float32 `(n, channels, height, width)` in [0, 1], channels 1 or 3.
    images: torch.Tensor = field(repr=False)
    #: int64 `(n,)`, indices into `classes`; -1: none.
    labels: torch.Tensor = field(repr=False)
    #: The words of `fer_bench.core.labels`.
    classes: tuple[str, ...]
    #: sha256 of shape and 8-bit pixels, '#2' after the second of two equal images.
    ids: tuple[str, ...] = field(repr=False)
    #: What was left out, and why.
    notes: tuple[str, ...] = ()
    #: For regressors: float32 `(n, 2)`, valence and arousal in [-1, 1].
    values: torch.Tensor | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def task(self) -> Task:
        """What the set is for: "va" where it has `values`, else "expression"."""
        return "expression" if self.values is None else "va"

    @property
    def digest(self) -> str:
        """sha256 over ids, labels and class names, and over the values of a set that has them."""
        content = {"ids": self.ids, "labels": self.labels.tolist(), "classes": self.classes}
        return digest(content if self.values is None else content | {"values": self.values.tolist()})
