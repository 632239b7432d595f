"""Input: images as a network takes them, and the words for it. It holds no image and imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fer_bench.errors import UsageError

#: The channel means and deviations that torchvision's ImageNet models are trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SIZE = re.compile(r"(\d+)x(\d+)")
_NUMBERS = re.compile(r"(mean|std)=([-\d.,e]+)")


@dataclass(frozen=True)
class Input:
    """Images as a network takes them: `(batch, channels, height, width)`, (pixel in [0, 1] - mean) / std."""

    #: In pixels; 0: the image's own.
    height: int
    #: In pixels; 0: the image's own.
    width: int
    #: 1 (gray) or 3 (RGB).
    channels: int
    #: One number a channel.
    mean: tuple[float, ...]
    #: One number a channel, none of them 0.
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


#: What slim, the network made for training on a CPU, makes of an image before its first layer: 4 (x - 1/2).
SLIM_INPUT = Input(48, 48, 1, (0.5,), (0.25,))


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
