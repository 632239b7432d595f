"""How a card names what builds its model, by module and function: reading a card imports no torch, building does."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Builder:
    """The `build` of a card: `function` of `module`, called with `settings` and the paths of the card's files."""

    module: str
    function: str
    settings: tuple[object, ...] = ()

    def __call__(self, paths: Sequence[Path]) -> nn.Module:
        """The network in eval mode; raises what the function raises."""
        network: nn.Module = getattr(importlib.import_module(self.module), self.function)(*self.settings, paths)
        return network


def family(name: str, *settings: object, function: str = "build") -> Builder:
    """The builder of a published network, in models_zoo/families/NAME.py."""
    return Builder(f"models_zoo.families.{name}", function, settings)
