"""Samples that are attacked together, and what the attacker wants of them. It must not know any attack or model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Shard:
    """Samples that are attacked together."""

    #: Clean, `(n, channels, height, width)` in [0, 1].
    images: torch.Tensor
    #: In the model's classes, `(n,)` int64; -1 where it has none. All 0 for a regressor.
    labels: torch.Tensor
    #: Their names, which key their random draws.
    ids: tuple[str, ...]
    #: 1 where the threat's region may be touched, `(n, 1, height, width)`; None: everywhere.
    mask: torch.Tensor | None = None
    #: What the set-level stage of an attack proposes for each sample, shaped as `images`.
    proposals: torch.Tensor | None = None
    #: True valence and arousal, `(n, 2)`, of a shard for regressors.
    values: torch.Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Shard:
        """The same samples on a device and in a precision."""
        return replace(
            self,
            images=self.images.to(device, dtype),
            labels=self.labels.to(device),
            mask=None if self.mask is None else self.mask.to(device, dtype),
            proposals=None if self.proposals is None else self.proposals.to(device, dtype),
            values=None if self.values is None else self.values.to(device, dtype),
        )

    def at(self, rows: torch.Tensor) -> Shard:
        """The samples at the positions `rows`, in that order."""
        return Shard(
            images=self.images[rows],
            labels=self.labels[rows],
            ids=tuple(self.ids[i] for i in rows.tolist()),
            mask=None if self.mask is None else self.mask[rows],
            proposals=None if self.proposals is None else self.proposals[rows],
            values=None if self.values is None else self.values[rows],
        )

    def take(self, positions: Sequence[int]) -> Shard:
        """`at`, for positions that are not a tensor."""
        return self.at(torch.tensor(list(positions), dtype=torch.int64, device=self.labels.device))
