"""What is answered: the model's logits for samples that stand, the last ones known for those that fell."""

from __future__ import annotations

import torch


class Answers:
    """The answers to an attack's queries, and the latest logits of each of `count` samples.

    `from_cache`: whether fallen samples are answered from these. They are constants, so that their gradient is zero.
    """

    def __init__(self, count: int) -> None:
        self.from_cache = False
        self._count = count
        self._latest: torch.Tensor | None = None

    @property
    def classes(self) -> int | None:
        """Number of the model's classes; None while it is not known."""
        return None if self._latest is None else self._latest.shape[1]

    def learn_classes(self, logits: torch.Tensor) -> None:
        """Takes the number of classes from the first `logits` `(rows, classes)`."""
        if self._latest is None:
            self._latest = logits.new_zeros(self._count, logits.shape[1])

    def standing(self, fallen: torch.Tensor) -> torch.Tensor | None:
        """Which rows of a query have to be computed, as indices, given which have fallen `(rows,)`; None: all."""
        if not self.from_cache:
            return None
        standing = (~fallen).nonzero().squeeze(1)
        return None if len(standing) == len(fallen) else standing

    def complete(self, samples: torch.Tensor, standing: torch.Tensor | None, logits: torch.Tensor) -> torch.Tensor:
        """The answer `(rows, classes)` to a query: `logits` for the rows `standing`, the latest ones for the others."""
        latest = self._latest
        assert latest is not None
        if standing is None:
            answer, asked = logits.clone(), samples
        else:
            answer, asked = latest[samples].index_put((standing,), logits), samples[standing]
        latest[asked] = logits.detach()
        return answer
