"""The training images: what is held out for choosing the epoch, and batches that are a function of seed and step.

Nothing random is remembered: order, augmentation and the attack's draws of step k follow from (seed, k), so that a
training that was killed goes on exactly where it was. It must not know what is learned from the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from fer_bench.core.evalset import EvalSet
from fer_bench.engine.draws import key_of
from fer_bench.errors import UsageError


@dataclass(frozen=True)
class Split:
    """Indices of a training set: `train` to learn from, `held_out` to choose the epoch by.

    `dropped`: images left out because they are in a set to be evaluated on; `repeated`: images of which another equal
    one exists, which are never held out.
    """

    train: torch.Tensor
    held_out: torch.Tensor
    dropped: int
    repeated: int


def split(data: EvalSet, held_out: int, avoid: Collection[str] = ()) -> Split:
    """Holds out images whose pixels occur once, and nowhere in `avoid` (ids of the sets to be evaluated on).

    Images in `avoid` are not trained on either. Which are held out is a matter of the pixels' digest alone (the last
    in its order, as `--n` takes the first), the same for every method and seed. Raises UsageError where too few remain.
    """
    digests = [name.partition("#")[0] for name in data.ids]
    seen, taboo = Counter(digests), {name.partition("#")[0] for name in avoid}
    free = [i for i, name in enumerate(digests) if name not in taboo]
    single = [i for i in free if seen[digests[i]] == 1]
    if len(single) <= held_out:
        raise UsageError(
            f"--held-out {held_out} cannot be taken from {data.source}: {len(single)} of its images occur once; "
            "give a smaller number or a larger training set."
        )
    kept = set(single[-held_out:])
    train = [i for i in free if i not in kept]
    return Split(
        torch.tensor(train),
        torch.tensor(sorted(kept)),
        dropped=len(digests) - len(free),
        repeated=sum(seen[name] > 1 for name in digests),
    )


def generator_of(seed: int, what: str, number: int, device: torch.device) -> torch.Generator:
    """The generator of one purpose at one step: a function of its three names."""
    return torch.Generator(device).manual_seed(key_of(f"{seed} {what} {number}"))


def order(seed: int, epoch: int, n: int) -> torch.Tensor:
    """The order of an epoch: a permutation of `n`."""
    return torch.randperm(n, generator=generator_of(seed, "order", epoch, torch.device("cpu")))


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Whole batches in an epoch; a last part of a batch waits for another order. At least 1."""
    return max(1, n // batch_size)


def augment(images: torch.Tensor, shift: int, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored with chance 1/2 and moved by up to `shift` pixels each way, edges repeated; on its device.

    `images` `(n, channels, height, width)`; masks that are further channels of it move along.
    """
    n, _, height, width = images.shape
    device = images.device
    flip = torch.rand(n, generator=generator, device=device) < 0.5
    top, left = torch.randint(2 * shift + 1, (2, n), generator=generator, device=device)
    y = torch.arange(height, device=device) + top[:, None]
    x = torch.arange(width, device=device) + left[:, None]
    x = torch.where(flip[:, None], x.flip(1), x)
    padded = F.pad(images, (shift,) * 4, mode="replicate").permute(0, 2, 3, 1)
    samples = torch.arange(n, device=device)[:, None, None]
    return padded[samples, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
