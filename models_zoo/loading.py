"""load() and identity(): from a card to a ready model, fetched, verified, built, checked; it knows no model."""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from fer_bench.errors import FerBenchError, ModelError
from fer_bench.fetch import card_files
from fer_bench.types import ModelCard

#: Rows that sum to 1 this exactly on every probe image are a softmax's.
_PROBABILITY_TOLERANCE = 1e-4


def load(card: ModelCard) -> nn.Module:
    """The model of `card`, weights verified, in eval mode, its parameters without gradients, on the CPU.

    Raises FetchError or IntegrityError for its files, ModelError where it cannot be built or does not do what its
    card says.
    """
    model = _built(card)
    _check(model, card)
    return model


def identity(card: ModelCard) -> str:
    """The digest that identifies a model's weights and code.

    Pinned files identify their weights. A card without files (a model of the user's own) is built, and its state
    dict is digested too, so that new weights under an old name are another model.
    """
    if card.files:
        return card.digest
    try:
        state = _built(card).state_dict()
    except ModelError:
        return card.digest  # it fails again, and is said, when its cells run
    content = hashlib.sha256(card.digest.encode())
    for name, value in state.items():
        tensor = value.detach().cpu().contiguous()
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return content.hexdigest()


def _built(card: ModelCard) -> nn.Module:
    paths = card_files(card.files, card.name)
    try:
        model = card.build(paths)
        return model.eval().requires_grad_(False)
    except FerBenchError:
        raise
    except Exception as error:  # whatever a user's builder raises
        raise ModelError(f"model '{card.name}' cannot be built: {type(error).__name__}: {error}") from error


def _check(model: nn.Module, card: ModelCard) -> None:
    """Two gray and two RGB probe images: finite logits of the right shape, not probabilities."""
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        probe = torch.rand(2, channels, 48, 48, generator=generator)
        try:
            with torch.no_grad():
                logits = model(probe)
        except Exception as error:  # whatever a user's model raises
            raise ModelError(
                f"model '{card.name}' cannot take images of {channels}x48x48 ({type(error).__name__}: {error}); "
                "it must take one or three channels of any size."
            ) from error
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
