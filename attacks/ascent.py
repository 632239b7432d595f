"""One gradient of the cross-entropy, away from a class or towards it, for attacks of our own. It holds no card."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fer_bench.engine.observer import Observer


def gradient(observer: Observer, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Direction, `(batch, channels, height, width)`, in which the attack succeeds: one forward and one backward.

    The gradient of the cross-entropy with the label, or minus that with the target where the attack has targets. The
    loss is summed, so that a sample's gradient does not depend on its batch, and taken in float64, in which a confident
    model's gradient does not vanish before its logits differ by 700 (in float32: by 100).
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        return ascent_of(observer, images, images, labels)


def ascent_of(observer: Observer, images: torch.Tensor, variable: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """As `gradient`, of the `variable` that the `images` were made of."""
    loss = F.cross_entropy(observer(images).double(), labels, reduction="sum")
    (found,) = torch.autograd.grad(loss, variable)
    return found if observer.targets is None else -found


def within(images: torch.Tensor, clean: torch.Tensor, budget: torch.Tensor | float) -> torch.Tensor:
    """The nearest images in [0, 1] no pixel of which differs from `clean` by more than `budget` (per pixel or one)."""
    return torch.minimum(torch.maximum(images, clean - budget), clean + budget).clamp(0, 1)
