"""load(), open_model() and identity(): from a card to a ready model, fetched, verified, built, checked.

It knows no particular model.
"""

from __future__ import annotations

import hashlib

import torch
from torch import nn

from fer_bench.core.model_card import Loaded, LocalFile, ModelCard
from fer_bench.errors import FerBenchError, ModelError
from fer_bench.fetch.cards import card_files
from models_zoo.logits import as_logits


def load(card: ModelCard) -> nn.Module:
    """The model of `card` alone; see `open_model`."""
    return open_model(card).model


def open_model(card: ModelCard) -> Loaded:
    """The model of `card`, weights verified, in eval mode, its parameters without gradients, on the CPU.

    Where it answers with probabilities its softmax is cut off or undone, and that is a finding. Raises FetchError or
    IntegrityError for its files, ModelError where it cannot be built or does not do what its card says.
    """
    model = _built(card)
    gray, rgb = _probes()
    _answer(model, card, gray)
    answer = _answer(model, card, rgb)
    return Loaded(*as_logits(model, rgb, answer)) if card.task == "expression" else Loaded(model)


def identity(card: ModelCard) -> str:
    """The digest that identifies a model's weights and code.

    Pinned files identify their weights. A card without any (a model of the user's own, given by code) is built, and
    its state dict is digested too, so that new weights under an old name are another model.
    """
    if any(not (isinstance(file, LocalFile) and file.code) for file in card.files):
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


def _probes() -> tuple[torch.Tensor, torch.Tensor]:
    """Two gray and two RGB images of noise."""
    generator = torch.Generator().manual_seed(0)
    gray, rgb = (torch.rand(2, channels, 48, 48, generator=generator) for channels in (1, 3))
    return gray, rgb


def _answer(model: nn.Module, card: ModelCard, probe: torch.Tensor) -> torch.Tensor:
    """The answer to two images. Raises ModelError unless it is finite and of the right shape."""
    try:
        with torch.no_grad():
            answer: object = model(probe)
    except Exception as error:  # whatever a user's model raises
        raise ModelError(
            f"model '{card.name}' cannot take images of {probe.shape[1]}x48x48 ({type(error).__name__}: {error}); "
            "it must take one or three channels of any size."
        ) from error
    expected = (2, len(card.classes))
    if not isinstance(answer, torch.Tensor) or answer.shape != expected:
        given = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        raise ModelError(f"model '{card.name}' answers two images with {given}; expected {expected}.")
    if not torch.isfinite(answer).all():
        raise ModelError(f"model '{card.name}' answers random images with logits that are not finite.")
    return answer
