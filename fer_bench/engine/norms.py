"""Sizes of perturbations and projection into a budget: pure functions of tensors. It must know no attack."""

from __future__ import annotations

import torch

from fer_bench.core.threat import ThreatModel

#: A pixel position counts as changed (L0) when one of its channels moved by more than this: float32's rounding.
CHANGED = 1e-6


def norms(delta: torch.Tensor, norm: str) -> torch.Tensor:
    """Size of each row of `delta` `(batch, channels, height, width)`: `(batch,)`.

    "Linf": largest absolute value. "L2", "L1": over all channels and pixels. "L0": number of pixel positions of which a
    channel changed. A budget by construction ("flow", "severity") has no size in pixels: NaN.
    """
    flat = delta.flatten(1)
    if norm == "Linf":
        return flat.abs().amax(1)
    if norm == "L2":
        return flat.square().sum(1).sqrt()
    if norm == "L1":
        return flat.abs().sum(1)
    if norm == "L0":
        return (delta.abs().amax(1) > CHANGED).flatten(1).sum(1).to(delta.dtype)
    return torch.full_like(flat[:, 0], torch.nan)


def within_region(images: torch.Tensor, clean: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """`images` where `mask` `(batch, 1, height, width)` is 1 and `clean` where it is 0; differentiable."""
    return images if mask is None else clean + mask * (images - clean)


def project(
    images: torch.Tensor, clean: torch.Tensor, threat: ThreatModel, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Images within [0, 1], the region and the budget around `clean`.

    The nearest ones for Linf and, but for the box, L2 and L1; for L0 the positions of largest change are kept. For a
    budget by construction only box and region are imposed.
    """
    delta = within_region(images, clean, mask) - clean
    if not threat.by_construction:
        delta = onto_ball(delta, threat.norm, torch.full_like(delta[:, 0, 0, 0], threat.eps))
    return (clean + delta).clamp(0.0, 1.0)


def onto_ball(delta: torch.Tensor, norm: str, eps: torch.Tensor) -> torch.Tensor:
    """The nearest perturbations, in L2, of size at most `eps` `(batch,)` in `norm`, the box left aside.

    L1: by sorting (Duchi et al., ICML 2008, figure 1). L0: the floor(eps) positions of largest change, all channels of
    a position together.
    """
    wide = eps[:, None, None, None]
    if norm == "Linf":
        return torch.minimum(torch.maximum(delta, -wide), wide)
    if norm == "L2":
        return delta * (eps / norms(delta, "L2").clamp_min(1e-12)).clamp_max(1.0)[:, None, None, None]
    if norm == "L0":
        strength = delta.square().sum(1).flatten(1)
        rank = strength.argsort(dim=1, descending=True, stable=True).argsort(1)
        return delta * (rank < eps.floor()[:, None]).reshape(len(delta), 1, *delta.shape[2:])
    flat = delta.flatten(1)
    ordered = flat.abs().sort(1, descending=True).values
    excess = ordered.cumsum(1) - eps[:, None]
    ranks = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    last = (ordered * ranks > excess).sum(1, keepdim=True).clamp_min(1)
    threshold = (excess.gather(1, last - 1) / last).clamp_min(0)
    return (flat.sign() * (flat.abs() - threshold).clamp_min(0)).reshape(delta.shape)
