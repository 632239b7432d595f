"""What an Observer saw of the attack on its batch: Recording. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass
class Recording:
    """What an Observer saw, one entry per sample of its batch.

    `images`: best adversarial image so far (the clean one where there is none). `safe_images`: the best whose margin
    was clear (the fallback of minimum-norm attacks, whose best sits on the boundary). `found`, `safe_found`: whether
    there is one. `sizes`: size of the perturbation in `images`. `first_query`: forward query, counted from 1, at which
    the sample first fell (0: never). `forwards`: rows computed for the sample. `backwards`: gradients taken of it while
    it stood (the one of the query at which it fell is computed too where neighbours still stand, but is nobody's need).
    """

    images: torch.Tensor
    safe_images: torch.Tensor
    found: torch.Tensor
    safe_found: torch.Tensor
    sizes: torch.Tensor
    first_query: torch.Tensor
    forwards: torch.Tensor
    backwards: torch.Tensor

    @classmethod
    def of_nothing(cls, images: torch.Tensor) -> Recording:
        """The recording before the first query, for the clean `images`."""
        count, device = len(images), images.device
        return cls(
            images=images.clone(),
            safe_images=images.clone(),
            found=torch.zeros(count, dtype=torch.bool, device=device),
            safe_found=torch.zeros(count, dtype=torch.bool, device=device),
            sizes=torch.zeros(count, dtype=torch.float64, device=device),
            first_query=torch.zeros(count, dtype=torch.int64, device=device),
            forwards=torch.zeros(count, dtype=torch.int64, device=device),
            backwards=torch.zeros(count, dtype=torch.int64, device=device),
        )
