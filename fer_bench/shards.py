"""Samples that are attacked together, and what the attacker wants of them. It must not know any attack or model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from fer_bench.draws import key_of


@dataclass(frozen=True)
class Shard:
    """Samples that are attacked together.

    `images` `(n, channels, height, width)` in [0, 1]; `labels` `(n,)` in the model's classes, -1 where it has none.
    `mask` `(n, 1, height, width)`, 1 where the threat's region may be touched; None: everywhere. `proposals`, shaped as
    `images`: what the set-level stage of an attack proposes for each sample. `values` `(n, 2)`: true valence and
    arousal, of a shard for regressors, whose labels are all 0.
    """

    images: torch.Tensor
    labels: torch.Tensor
    ids: tuple[str, ...]
    mask: torch.Tensor | None = None
    proposals: torch.Tensor | None = None
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


def margins(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Label's logit minus the largest other one, `(batch,)`; negative where the label has lost."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return own - others


@dataclass(frozen=True)
class Goal:
    """What counts as success: another prediction than `labels`, or with `targets` exactly that one; both `(n,)`."""

    labels: torch.Tensor
    targets: torch.Tensor | None = None

    @property
    def given(self) -> torch.Tensor:
        """The labels that an attack is given: the classes to reach where there are targets, else those to leave."""
        return self.labels if self.targets is None else self.targets

    def at(self, rows: torch.Tensor) -> Goal:
        """The goal of the samples `rows`."""
        return Goal(self.labels[rows], None if self.targets is None else self.targets[rows])

    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """The logits that an attack is shown for the model's outputs: a classifier's own."""
        return outputs

    def open(self, prediction: torch.Tensor) -> torch.Tensor:
        """Which samples there is something to do on: the clean prediction is right, and not the target already."""
        right = prediction == self.labels
        return right if self.targets is None else right & (prediction != self.targets)

    def margins(self, logits: torch.Tensor) -> torch.Tensor:
        """How far each sample's logits are from success, `(batch,)`; negative where it is reached."""
        if self.targets is None:
            return margins(logits, self.labels)
        return -margins(logits, self.targets)

    def reached(self, logits: torch.Tensor) -> torch.Tensor:
        """Whether each sample's prediction is a success, `(batch,)` bool; logits that are not numbers are none."""
        prediction = logits.argmax(1)
        success = prediction != self.labels if self.targets is None else prediction == self.targets
        return success & ~self.margins(logits).isnan()


def targets_of(target: str, fixed: int | None, clean_logits: torch.Tensor, ids: Sequence[str]) -> torch.Tensor | None:
    """The class that each sample is to be driven to, `(n,)`, or None for an untargeted attack.

    `target`: "" (none), "least-likely" (Kurakin et al. 2017: the class of the smallest clean logit), "random" (one of
    the classes that the model does not predict, a function of the sample's id alone), or a class word, whose index in
    the model's classes is `fixed`.
    """
    if not target:
        return None
    if target == "least-likely":
        return clean_logits.argmin(1)
    if target == "random":
        others = clean_logits.shape[1] - 1
        drawn = torch.tensor([key_of(f"target {name}") % others for name in ids], device=clean_logits.device)
        return drawn + (drawn >= clean_logits.argmax(1)).to(drawn.dtype)
    if fixed is None:
        raise ValueError(f"the class '{target}' was not looked up in the model's classes")
    return torch.full((len(ids),), fixed, dtype=torch.int64, device=clean_logits.device)
