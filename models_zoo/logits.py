"""Finds probabilities where logits are due, and gets the logits back; it changes no prediction.

A softmax at the end flattens the loss that attacks climb, so that a model looks robust that is not.
"""

from __future__ import annotations

import torch
from torch import nn

from fer_bench.core.model_card import Finding

#: Rows that sum to 1 this exactly on every probe image are a softmax's.
_TOLERANCE = 1e-4


class Undone(nn.Module):
    """The logarithm of a model's probabilities: its logits up to a constant per image, which changes no loss."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, classes)`; a probability of exactly zero counts as the smallest number there is."""
        probabilities: torch.Tensor = self.model(images)
        return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def as_logits(model: nn.Module, probe: torch.Tensor, answer: torch.Tensor) -> tuple[nn.Module, tuple[Finding, ...]]:
    """`model` where its `answer` to `probe` `(batch, channels, height, width)` is logits, else a form that gives them.

    A softmax that is the model's last module is cut off, which is exact. Otherwise its logarithm is taken, which is
    exact too as long as no probability is rounded to 0 or 1. Log-probabilities are logits up to a constant.
    """
    if _are_probabilities(answer):
        if _cut(model, probe, answer):
            return model, (
                Finding("softmax cut", "The model answered with probabilities; its last softmax was cut off."),
            )
        return Undone(model), (
            Finding(
                "softmax undone",
                "The model answers with probabilities; their logarithm is attacked, which is its logits up to a "
                "constant, but loses the gradient where a probability is rounded to 0 or 1. Cut the softmax instead.",
            ),
        )
    if bool((answer <= 0).all()) and _are_probabilities(answer.exp()):
        return model, (
            Finding(
                "log-probabilities",
                "The model answers with log-probabilities: logits up to a constant per image, attacked as they are.",
            ),
        )
    return model, ()


def _are_probabilities(answer: torch.Tensor) -> bool:
    return bool((answer >= 0).all()) and bool(((answer.sum(dim=1) - 1).abs() < _TOLERANCE).all())


def _cut(model: nn.Module, probe: torch.Tensor, answer: torch.Tensor) -> bool:
    """Replaces the softmax module whose output is the model's, if there is one; True where that gives its logits."""
    for name, module in model.named_modules():
        if not name or type(module) is not nn.Softmax:
            continue
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], nn.Identity())
        with torch.no_grad():
            logits = model(probe)
        if not _are_probabilities(logits) and torch.allclose(logits.softmax(dim=1), answer, atol=1e-5):
            return True
        setattr(parent, name.rpartition(".")[2], module)
    return False
