"""Weights beside the weights: their running average (EMA), and an adversarial perturbation of them (AWP)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

Weights = dict[str, torch.Tensor]


def snapshot(model: nn.Module) -> Weights:
    """A copy of the state dict."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def average(mean: Weights, model: nn.Module, decay: float, step: int) -> None:
    """mean <- d mean + (1 - d) model, in place, with d = min(`decay`, (1 + step) / (10 + step)).

    The smaller d of the first steps lets the mean forget the random start. Statistics of batch normalisation are
    averaged like weights; whole numbers are copied.
    """
    d = min(decay, (1 + step) / (10 + step))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            mean[name].lerp_(value, 1 - d)
        else:
            mean[name].copy_(value)


@contextmanager
def swapped(model: nn.Module, weights: Weights) -> Iterator[None]:
    """The model with `weights` while open, with its own afterwards."""
    own = snapshot(model)
    model.load_state_dict(weights)
    try:
        yield
    finally:
        model.load_state_dict(own)


@contextmanager
def perturbed(model: nn.Module, loss: Callable[[], torch.Tensor], gamma: float) -> Iterator[None]:
    """The model with each weight moved to where `loss` is larger: w + gamma |w| g / |g| (Wu et al., NeurIPS 2020, AWP).

    g is the gradient of `loss` with respect to w; norms are over each tensor. Biases and normalisations, tensors of
    one dimension, stay. The weights are exactly their old selves afterwards.
    """
    moving = [parameter for parameter in model.parameters() if parameter.requires_grad and parameter.ndim > 1]
    gradients = torch.autograd.grad(loss(), moving)
    old = [parameter.detach().clone() for parameter in moving]
    with torch.no_grad():
        for parameter, found in zip(moving, gradients, strict=True):
            parameter.add_(found, alpha=float(gamma * parameter.norm() / found.norm().clamp_min(1e-12)))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(moving, old, strict=True):
                parameter.copy_(value)
