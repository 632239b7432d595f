"""load(): from a card to a ready model, fetched, verified, built, checked; it knows no particular model."""

from __future__ import annotations

import torch
from torch import nn

from fer_bench.errors import ModelError
from fer_bench.fetch import package_files
from fer_bench.types import ModelCard

#: Rows that sum to 1 this exactly on every probe image are a softmax's.
_PROBABILITY_TOLERANCE = 1e-4


def load(card: ModelCard) -> nn.Module:
    """The model of `card`, weights verified, in eval mode, its parameters without gradients, on the CPU.

    Raises FetchError or IntegrityError for its files, ModelError where it does not do what its card says.
    """
    model = card.build(package_files(card.files))
    model.eval().requires_grad_(False)
    _check(model, card)
    return model


def _check(model: nn.Module, card: ModelCard) -> None:
    """Two gray and two RGB probe images: finite logits of the right shape, not probabilities."""
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        probe = torch.rand(2, channels, 48, 48, generator=generator)
        with torch.no_grad():
            logits = model(probe)
        expected = (2, len(card.classes))
        if not isinstance(logits, torch.Tensor) or logits.shape != expected:
            given = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise ModelError(f"model '{card.name}' answers two images with {given}; expected {expected}.")
        if not torch.isfinite(logits).all():
            raise ModelError(f"model '{card.name}' answers random images with logits that are not finite.")
        sums_to_one = (logits.sum(dim=1) - 1).abs().max() < _PROBABILITY_TOLERANCE
        if card.task == "expression" and sums_to_one and (logits >= 0).all():
            raise ModelError(
                f"model '{card.name}' answers with probabilities, not logits: cut its softmax in the builder."
            )
