"""Sizes of perturbations and projection into a budget: pure functions of tensors. It must know no attack."""

from __future__ import annotations

import torch

from fer_bench.types import ThreatModel

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
    if threat.norm == "Linf":
        delta = delta.clamp(-threat.eps, threat.eps)
    elif threat.norm == "L2":
        size = norms(delta, "L2").clamp_min(1e-12)
        delta = delta * (threat.eps / size).clamp_max(1.0)[:, None, None, None]
    elif threat.norm == "L1":
        delta = _l1_ball(delta, threat.eps)
    elif threat.norm == "L0":
        delta = _largest_positions(delta, threat.eps)
    return (clean + delta).clamp(0.0, 1.0)


def _l1_ball(delta: torch.Tensor, eps: float) -> torch.Tensor:
    """Euclidean projection of each row on the L1 ball (Duchi et al., ICML 2008, figure 1)."""
    flat = delta.flatten(1)
    if not eps < float("inf"):
        return delta
    ordered = flat.abs().sort(1, descending=True).values
    excess = ordered.cumsum(1) - eps
    ranks = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    last = (ordered * ranks > excess).sum(1, keepdim=True).clamp_min(1)
    threshold = (excess.gather(1, last - 1) / last).clamp_min(0)
    return (flat.sign() * (flat.abs() - threshold).clamp_min(0)).reshape(delta.shape)


def _largest_positions(delta: torch.Tensor, eps: float) -> torch.Tensor:
    """Each row with its floor(eps) pixel positions of largest change; the others get none."""
    strength = delta.abs().amax(1).flatten(1)
    if not eps < strength.shape[1]:
        return delta
    kept = torch.zeros_like(strength)
    kept.scatter_(1, strength.topk(int(eps), dim=1).indices, 1.0)
    return delta * kept.reshape(len(delta), 1, *delta.shape[2:])
