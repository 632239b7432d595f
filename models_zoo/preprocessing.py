"""What every model does to an image before its first layer: colour, size, range. It must stay differentiable.

One rule for all models: bilinear with half-pixel centres, antialiased where a side shrinks, the aspect ratio
not kept. The original packages differ among themselves (OpenCV, Pillow, TensorFlow.js without half-pixel
centres, padding to a square, centre crops).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.errors import ModelError
from models_zoo.inputs import IMAGENET_MEAN, IMAGENET_STD, Input

#: ITU-R BT.601 luma, the weights of OpenCV's and Pillow's conversion to gray.
_LUMA = (0.299, 0.587, 0.114)


def to_gray(images: torch.Tensor) -> torch.Tensor:
    """`(batch, 1 or 3, height, width)` -> `(batch, 1, height, width)`; RGB by ITU-R 601 luma."""
    if _channels(images) == 1:
        return images
    return _LUMA[0] * images[:, 0:1] + _LUMA[1] * images[:, 1:2] + _LUMA[2] * images[:, 2:3]


def to_rgb(images: torch.Tensor) -> torch.Tensor:
    """`(batch, 1 or 3, height, width)` -> `(batch, 3, height, width)`; gray is repeated."""
    return images.expand(-1, 3, -1, -1) if _channels(images) == 1 else images


def resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """`images` at `(height, width)`, bilinear, antialiased where a side shrinks."""
    if images.shape[-2:] == (height, width):
        return images
    shrinks = images.shape[-2] > height or images.shape[-1] > width
    return F.interpolate(images, (height, width), mode="bilinear", align_corners=False, antialias=shrinks)


def normalise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """`(images - mean) / std`, channel by channel."""
    shape = (1, len(mean), 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(std).view(shape)


def imagenet(images: torch.Tensor, side: int) -> torch.Tensor:
    """`(batch, 1 or 3, height, width)` in [0, 1] -> RGB `(batch, 3, side, side)`, normalised as for ImageNet."""
    return normalise(resize(to_rgb(images), side, side), IMAGENET_MEAN, IMAGENET_STD)


def _channels(images: torch.Tensor) -> int:
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ModelError(
            f"images have the shape {tuple(images.shape)}; expected (batch, 1 or 3 channels, height, width)."
        )
    return images.shape[1]


class Prepared(nn.Module):
    """A network behind its preprocessing: images `(batch, 1 or 3, any height, any width)` in [0, 1] in."""

    def __init__(self, network: nn.Module, given: Input) -> None:
        super().__init__()
        self.network = network
        self.given = given

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The network's first output, `(batch, classes)`."""
        given = self.given
        images = to_gray(images) if given.channels == 1 else to_rgb(images)
        if given.height:
            images = resize(images, given.height, given.width)
        answer = self.network(normalise(images, given.mean, given.std))
        logits: torch.Tensor = answer[0] if isinstance(answer, tuple | list) else answer
        return logits
