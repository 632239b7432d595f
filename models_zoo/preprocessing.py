"""What every model does to an image before its first layer: colour, size, range. It must stay differentiable.

One rule for all models: bilinear with half-pixel centres, antialiased where a side shrinks, the aspect ratio
not kept. The original packages differ among themselves (OpenCV, Pillow, TensorFlow.js without half-pixel
centres, padding to a square, centre crops).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.errors import ModelError, UsageError

#: The channel means and deviations that torchvision's ImageNet models are trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

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


_SIZE = re.compile(r"(\d+)x(\d+)")
_NUMBERS = re.compile(r"(mean|std)=([-\d.,e]+)")


@dataclass(frozen=True)
class Input:
    """Images as a network takes them: `(batch, channels, height, width)`, (pixel in [0, 1] - mean) / std.

    `height` and `width` 0: the image's own size.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        size = f"{self.height}x{self.width}" if self.height else "any size"
        return f"{size} {'gray' if self.channels == 1 else 'RGB'}, {self._range}"

    @property
    def _range(self) -> str:
        if set(self.mean) == {0.0} and set(self.std) == {1.0}:
            return "[0,1]"
        if set(self.mean) == {0.5} and set(self.std) == {0.5}:
            return "[-1,1]"
        mean, std = (",".join(f"{number:.9g}" for number in numbers) for numbers in (self.mean, self.std))
        return f"mean={mean} std={std}"


def parse_input(text: str) -> Input:
    """Reads '224x224 RGB imagenet', '48x48 gray [-1,1]', 'any size RGB mean=0.5,0.5,0.5 std=0.2,0.2,0.2'.

    Without words for it: the image's own size, RGB, [0, 1]. Raises UsageError for a word that is none of these.
    """
    height = width = 0
    channels = 3
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    words = re.sub(r",\s+", " ", text.lower().replace("[0, 1]", "[0,1]").replace("[-1, 1]", "[-1,1]")).split()
    for word in words:
        size, numbers = _SIZE.fullmatch(word), _NUMBERS.fullmatch(word)
        if size:
            height, width = int(size[1]), int(size[2])
        elif word in ("gray", "grey", "rgb"):
            channels = 3 if word == "rgb" else 1
        elif word == "imagenet":
            mean, std = IMAGENET_MEAN, IMAGENET_STD
        elif word == "[-1,1]":
            mean, std = (0.5,), (0.5,)
        elif numbers:
            mean, std = (_floats(word, numbers[2]), std) if numbers[1] == "mean" else (mean, _floats(word, numbers[2]))
        elif word not in ("any", "size", "in", "[0,1]"):
            raise _unknown(text, word)
    sized = any(_SIZE.fullmatch(word) for word in words)
    if {len(mean), len(std)} - {1, channels} or 0 in std or (sized and 0 in (height, width)):
        raise _unknown(text, "a mean or std of another length, a std or a side of 0")
    return Input(height, width, channels, _wide(mean, channels), _wide(std, channels))


def _wide(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return numbers * channels if len(numbers) == 1 else numbers


def _floats(word: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise _unknown(word, text) from None


def _unknown(text: str, word: str) -> UsageError:
    return UsageError(
        f"the input '{text}' cannot be read ({word}); write HEIGHTxWIDTH or 'any size', gray or RGB, and imagenet, "
        "[0,1], [-1,1] or mean=M,M,M std=S,S,S."
    )


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
