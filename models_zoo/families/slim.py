"""A slim network for 48x48 gray faces, made for adversarial training on a CPU. It must not know how it is trained."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from models_zoo.inputs import SLIM_INPUT
from models_zoo.preprocessing import resize, to_gray

_STEM = 16
#: Channels of the convolutions of each stage; the first of a stage halves the side.
_STAGES = ((32, 32), (64, 64), (128, 128, 128))


class Layer(nn.Module):
    """3x3 convolution, batch normalisation, ReLU: `(batch, inputs, h, w)` -> `(batch, outputs, h / stride, ...)`."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer."""
        return F.relu(self.norm(self.conv(x)))


def _stage(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Layers of `widths` channels, the first of which halves the side."""
    pairs = zip((inputs, *widths), widths, strict=False)
    return nn.Sequential(*(Layer(i, o, 2 if place == 0 else 1) for place, (i, o) in enumerate(pairs)))


class Slim(nn.Module):
    """`(batch, 1 or 3, any height, any width)` in [0, 1] -> `(batch, outputs)`; 0.44 million parameters.

    Inside: gray, 48x48, 4 (x - 1/2); a stem at 24x24 with 16 channels, then `stage1` at 12x12 with 32 channels,
    `stage2` at 6x6 with 64, `stage3` at 3x3 with 128; the mean over the map; one linear layer. Plain 3x3 convolutions
    and an early stride are what a processor's vector units are fastest at.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = Layer(1, _STEM, 2)
        first, second, third = _STAGES
        self.stage1, self.stage2, self.stage3 = (
            _stage(_STEM, first),
            _stage(first[-1], second),
            _stage(second[-1], third),
        )
        self.head = nn.Linear(third[-1], outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, or valence and arousal, `(batch, outputs)`."""
        x = (resize(to_gray(images), SLIM_INPUT.height, SLIM_INPUT.width) - 0.5) * 4
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        answers: torch.Tensor = self.head(x.mean(dim=(2, 3)))
        return answers
