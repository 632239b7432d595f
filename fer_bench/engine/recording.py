"""What was found: per sample the best image that an attack's queries brought, and when. It asks no model."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fer_bench.core.attack_spec import Record


@dataclass(frozen=True)
class Reply:
    """What came of one query; row i of every field is an image of the sample `samples[i]`."""

    #: Positions of the samples in the shard, `(rows,)` int64.
    samples: torch.Tensor
    #: What was asked about, `(rows, channels, height, width)`.
    images: torch.Tensor
    #: Size of each perturbation, `(rows,)` float64.
    sizes: torch.Tensor
    #: How far each row is from success, `(rows,)`; negative where it is reached.
    margins: torch.Tensor
    #: Whether the image lies within [0, 1] and the budget, `(rows,)` bool.
    allowed: torch.Tensor
    #: Whether the model was fooled, `(rows,)` bool.
    fooled: torch.Tensor
    #: Whether the margin is so clear that rounding in another batch shape cannot take it back, `(rows,)` bool.
    clear: torch.Tensor


@dataclass
class Recording:
    """What an Observer saw of the attack on its batch, one entry per sample; every field is a tensor."""

    #: The best adversarial image so far; the clean one where there is none.
    images: torch.Tensor
    #: Whether there is one.
    found: torch.Tensor
    #: Size of the perturbation in `images`, float64.
    sizes: torch.Tensor
    #: The margin of `images`: how far they are from success, negative beyond it; infinite before the first.
    margins: torch.Tensor
    #: The smallest image whose margin was clear: the fallback of minimum-norm attacks, whose best is on the boundary.
    safe_images: torch.Tensor
    #: Size of the perturbation in `safe_images`, float64; infinite where there is none.
    safe_sizes: torch.Tensor
    #: Whether nothing is left to do on the sample.
    fallen: torch.Tensor
    #: The forward query, counted from 1, at which the sample first fell; 0: never.
    first_query: torch.Tensor
    #: Rows computed for the sample.
    forwards: torch.Tensor
    #: Gradients taken of it while it stood. (The one of the query at which it fell is computed too where neighbours
    #: still stand, but is nobody's need.)
    backwards: torch.Tensor

    @classmethod
    def of_nothing(cls, images: torch.Tensor) -> Recording:
        """The recording before the first query, for the clean `images`."""
        count, device = len(images), images.device
        return cls(
            images=images.clone(),
            found=torch.zeros(count, dtype=torch.bool, device=device),
            sizes=torch.zeros(count, dtype=torch.float64, device=device),
            margins=torch.full((count,), torch.inf, dtype=images.dtype, device=device),
            safe_images=images.clone(),
            safe_sizes=torch.full((count,), torch.inf, dtype=torch.float64, device=device),
            fallen=torch.zeros(count, dtype=torch.bool, device=device),
            first_query=torch.zeros(count, dtype=torch.int64, device=device),
            forwards=torch.zeros(count, dtype=torch.int64, device=device),
            backwards=torch.zeros(count, dtype=torch.int64, device=device),
        )

    @property
    def safe_found(self) -> torch.Tensor:
        """Whether there is an image in `safe_images`."""
        return self.safe_sizes.isfinite()

    def keep(self, reply: Reply, record: Record, freeze: bool) -> None:
        """Keeps what is better than before; the query's rows are in `forwards` already.

        `record`: which image is the best. `freeze`: a sample that fell by a clear margin has fallen for good; without,
        the image nearest to success, or beyond it, is kept even where none succeeded.
        """
        samples, success = reply.samples, reply.fooled & reply.allowed
        first = samples[success & (self.first_query[samples] == 0)]
        self.first_query[first] = self.forwards[first]
        if record == "smallest":
            better = success & (reply.sizes < self.sizes[samples].where(self.found[samples], torch.inf))
            self._keep_safe(reply, success & reply.clear & (reply.sizes < self.safe_sizes[samples]))
        else:
            candidates = success if freeze else reply.allowed
            better = candidates & (reply.margins < self.margins[samples]) & ~self.fallen[samples]
            if freeze:
                self.fallen[samples[success & reply.clear]] = True
        rows = better.nonzero().squeeze(1)
        at = samples[rows]
        self.images[at] = reply.images[rows]
        self.sizes[at] = reply.sizes[rows]
        self.margins[at] = reply.margins[rows]
        self.found[at] |= (success if record != "largest" else reply.allowed)[rows]

    def _keep_safe(self, reply: Reply, safer: torch.Tensor) -> None:
        rows = safer.nonzero().squeeze(1)
        at = reply.samples[rows]
        self.safe_images[at] = reply.images[rows]
        self.safe_sizes[at] = reply.sizes[rows]
