"""Watches the gradients that an attack takes: how many, and which are zero or not finite. It changes none."""

from __future__ import annotations

from typing import Any

import torch


class GradientWatch:
    """Counts the gradients taken of an attack's queries.

    `rows`: all that were computed. `zero_rows`: those that are zero although the sample was not fooled; `bad_rows`:
    those that are not finite; both `()` int64. `backwards`: the count of each sample, to which its own are added.
    """

    def __init__(self, backwards: torch.Tensor) -> None:
        self.rows = 0
        self.zero_rows = torch.zeros((), dtype=torch.int64, device=backwards.device)
        self.bad_rows = torch.zeros((), dtype=torch.int64, device=backwards.device)
        self._backwards = backwards

    def watch(self, images: torch.Tensor, samples: torch.Tensor, fooled: torch.Tensor) -> None:
        """Counts the gradient of `images`, once there is one.

        `samples`: for which samples it is taken; fallen ones in the same query are not among them. `fooled` `(rows,)`.
        """

        def note(gradient: Any) -> None:
            self.rows += len(gradient)
            self._backwards[samples] += 1
            size = gradient.detach().flatten(1).abs().amax(1)
            self.zero_rows += ((size == 0) & ~fooled).sum()
            self.bad_rows += (~torch.isfinite(size)).sum()

        images.register_hook(note)  # type: ignore[no-untyped-call]
