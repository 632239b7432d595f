"""What stands between a torchattacks class and the Observer where the class asks in its own way. No attack is here.

Each shim is a module that takes the queries of an unmodified class and asks the Observer one image per sample.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.engine.norms import project
from fer_bench.engine.observer import Observer


class _Shim(nn.Module):
    """Stays in eval mode, as the Observer does; see there."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self.observer = observer
        self.eval()


class LookAhead(_Shim):
    """For attacks that ask at a point ahead of their iterate, outside the budget: scores its projection as well.

    One query in `every` is such a point (SINIFGSM goes on to ask about darker copies, VNIFGSM about neighbours). A row
    whose momentum became 0/0 asks about its clean image.
    """

    def __init__(self, observer: Observer, every: int = 1) -> None:
        super().__init__(observer)
        self._every, self._asked = every, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(rows, classes)` at `images`."""
        observer = self.observer
        clean = observer.clean
        images = torch.where(images.isnan(), clean, images)
        if self._asked % self._every == 0:
            with torch.no_grad():
                observer(project(images.detach(), clean, observer.spec.threat))
        self._asked += 1
        answer: torch.Tensor = observer(images)
        return answer


class ThreeChannels(_Shim):
    """For classes that hard-code three channels: takes the first of three equal ones for a gray model."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(rows, classes)` at `images` `(rows, 3, height, width)`."""
        answer: torch.Tensor = self.observer(images[:, : self.observer.images.shape[1]])
        return answer


class Copies(_Shim):
    """For classes that ask about several noisy copies of each sample in one batch: asks about them one at a time.

    `inner`: the copies of a sample stand next to each other (PGDRS); otherwise all samples come once per copy (SPSA).
    """

    def __init__(self, observer: Observer, inner: bool) -> None:
        super().__init__(observer)
        self._inner = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(copies x rows, classes)` in the order of `images`."""
        rows = len(self.observer.clean)
        shape = images.shape[1:]
        if self._inner:
            apart = images.reshape(rows, -1, *shape).unbind(1)
            return torch.stack([self.observer(copy) for copy in apart], 1).flatten(0, 1)
        return torch.cat([self.observer(copy) for copy in images.reshape(-1, rows, *shape)])


class Once(_Shim):
    """For classes that ask about the same image twice in a row (Pixle): the second answer is the first one."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer)
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(rows, classes)` at `images`."""
        if self._last is None or not torch.equal(self._last[0], images):
            self._last = images.clone(), self.observer(images)
        return self._last[1]


def gaussian(side: int, sigmas: float, channels: int, like: torch.Tensor) -> torch.Tensor:
    """A Gaussian kernel for a convolution of each channel alone: `(channels, 1, side, side)`, sum 1 each.

    `sigmas`: standard deviations from the centre to the edge. In the precision and on the device of `like`.
    """
    line = torch.exp(-0.5 * torch.linspace(-sigmas, sigmas, side, dtype=like.dtype, device=like.device).square())
    kernel = torch.outer(line, line)
    return (kernel / kernel.sum()).expand(channels, 1, side, side)


def resized_and_padded(images: torch.Tensor, smallest: float, chance: float) -> torch.Tensor:
    """With probability `chance` shrunk to a random size from `smallest` up and put at a random place on black.

    Xie et al., CVPR 2019, arXiv:1803.06978, section 3.1. `images` `(batch, channels, height, width)` of any shape,
    which is kept; `smallest` is a share of it. One draw for the whole batch.
    """
    height, width = images.shape[2:]
    size, top, left, coin = torch.rand(4, dtype=torch.float64).tolist()
    if coin >= chance:
        return images
    share = smallest + (1 - smallest) * size
    new = max(1, round(height * share)), max(1, round(width * share))
    shrunk = F.interpolate(images, size=new, mode="bilinear", align_corners=False)
    above, before = int(top * (height - new[0] + 1)), int(left * (width - new[1] + 1))
    return F.pad(shrunk, (before, width - new[1] - before, above, height - new[0] - above))
