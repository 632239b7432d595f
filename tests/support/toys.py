"""Small models and data with closed-form answers, shared by the tests; it must test nothing itself.

Import it as `from toys import ...` (pytest puts this folder on the path). Every toy maps images `(batch,
channels, height, width)` in [0, 1] to seven logits, takes gray and RGB images of any size as models must,
and can be cast with `.double()`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import ModelCard, Task
from fer_bench.core.outcome import Provenance, Verdict
from fer_bench.core.threat import Norm
from fer_bench.data import collect

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}


def seeded(shape: Sequence[int], seed: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """Uniform float64 numbers in [low, high); the global generator is not touched."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64) * (high - low) + low


class _Toy(nn.Module):
    """Brings an image to `(channels, height, width)` of the toy; the identity where it has it already."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.shape = (channels, height, width)

    def fit(self, images: torch.Tensor) -> torch.Tensor:
        channels, height, width = self.shape
        if images.shape[1] != channels:
            images = images.mean(1, keepdim=True).expand(-1, channels, -1, -1)
        if images.shape[2:] != (height, width):
            images = F.adaptive_avg_pool2d(images, (height, width))
        return images


class LinearToy(_Toy):
    """logits = W (x - 1/2) + b over flattened pixels, W `(classes, pixels)`, b `(classes,)`: all in closed form."""

    def __init__(
        self,
        channels: int = 1,
        height: int = 8,
        width: int = 8,
        seed: int = 0,
        scale: float = 1.0,
        classes: int = 7,
    ) -> None:
        super().__init__(channels, height, width)
        self.weight = nn.Parameter((seeded((classes, channels * height * width), seed, -1, 1) * scale).float())
        self.bias = nn.Parameter((seeded((classes,), seed + 1, -0.1, 0.1) * scale).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.linear(self.fit(images).flatten(1) - 0.5, self.weight, self.bias)

    def boundaries(self, images: torch.Tensor, norm: Norm, brighten: bool = False) -> torch.Tensor:
        """Distance of each image to the boundary with each class, `(batch, classes)`.

        The predicted class has 0 there. From class y to class j it is (z_y - z_j) / |w_y - w_j|, in the dual norm of
        `norm` (L1 for Linf, L2 for L2), the box [0, 1] left aside. In L1 and L0 the box decides, and the images must
        have the toy's shape and be gray: the pixels that gain most, one after the other, each as far as black or white
        (with `brighten` white only).
        """
        with torch.no_grad():
            logits = self(images)
            own = logits.argmax(1)
            difference = self.weight[own][:, None, :] - self.weight[None, :, :]
            gap = logits.gather(1, own[:, None]) - logits
            if norm in ("L1", "L0"):
                pixels = images.flatten(1)[:, None, :].expand_as(difference)
                return self._in_the_box(pixels, difference, gap, norm == "L0", brighten)
            dual = difference.abs().sum(2) if norm == "Linf" else difference.square().sum(2).sqrt()
            return gap / dual.clamp_min(1e-30)

    @staticmethod
    def _in_the_box(
        pixels: torch.Tensor, difference: torch.Tensor, gap: torch.Tensor, count: bool, brighten: bool
    ) -> torch.Tensor:
        """Least sum of changes, or with `count` least number of changed pixels, that closes each `gap`."""
        slope = difference.abs()
        room = torch.where(difference > 0, torch.zeros_like(pixels) if brighten else pixels, 1 - pixels)
        gain = slope * room
        order = (gain if count else slope).argsort(2, descending=True)
        gain, slope, room = (t.gather(2, order) for t in (gain, slope, room))
        reached = gain.cumsum(2)
        whole = reached <= gap[:, :, None]
        if count:
            return whole.sum(2).to(pixels.dtype) + 1
        rest = (gap - (gain * whole).sum(2)).clamp_min(0)
        last = slope.gather(2, whole.sum(2, keepdim=True).clamp_max(slope.shape[2] - 1)).squeeze(2)
        return (room * whole).sum(2) + rest / last

    def smallest(self, images: torch.Tensor, norm: Norm, brighten: bool = False) -> torch.Tensor:
        """Size of the smallest perturbation that changes the prediction, `(batch,)`; see `boundaries`.

        Exact for images that stay inside [0, 1] when moved by it (draw pixels from the middle).
        """
        distances = self.boundaries(images, norm, brighten)
        own = self(images).argmax(1, keepdim=True)
        return distances.scatter(1, own, torch.inf).amin(1)


class SmallConvToy(_Toy):
    """A seeded random conv net: 1 channel, about 3,000 parameters, smooth, nothing in closed form."""

    def __init__(self, side: int = 16, seed: int = 0, gain: float = 8.0) -> None:
        super().__init__(1, side, side)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.SiLU()
        )
        self.head = nn.Linear(16 * 4 * 4, 7)
        self.gain = gain
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                fan_in = parameter[0].numel() if parameter.ndim > 1 else 64
                parameter.copy_(seeded(parameter.shape, seed * 100 + number, -1, 1) * (3 / fan_in) ** 0.5)
            # Its own forward, not a subclass's: a test may make that one fail.
            noise = seeded((64, 1, side, side), seed).float()
            self.head.bias -= SmallConvToy.forward(self, noise).mean(0) / gain

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = F.adaptive_avg_pool2d(self.layers((self.fit(images) - 0.5) * 2), (4, 4))
        return self.gain * self.head(features.flatten(1))


class Convolved(nn.Module):
    """A model behind a convolution that changes nothing, for attacks that look for a feature map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.conv = nn.Conv2d(1, 1, 1, bias=False, dtype=next(model.parameters()).dtype)
        nn.init.ones_(self.conv.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(self.conv(images))
        return logits


def with_feature_map(name: str, model: nn.Module) -> nn.Module:
    """`model` as the attack of that name needs it."""
    return Convolved(model) if name.endswith("-cam") else model


def toy_images(
    n: int, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0, low: float = 0.3, high: float = 0.7
) -> torch.Tensor:
    """float32 images `(n, channels, height, width)`, pixels uniform in [low, high): room to move."""
    return seeded((n, *shape), seed, low, high).float()


def toy_data(
    n: int, model: nn.Module, shape: tuple[int, int, int] = (1, 48, 48), wrong: int = 0, seed: int = 0
) -> EvalSet:
    """An EvalSet of 8-bit images on which `model` is right, but for `wrong` of them."""
    coarse = F.interpolate(seeded((n, shape[0], 4, 4), seed, 0.1, 0.7), shape[1:])
    pixels = ((coarse + seeded((n, *shape), seed + 1, 0, 0.2)) * 255).round().to(torch.uint8)
    with torch.no_grad():
        parameter = next(model.parameters(), torch.zeros(()))
        right = model(pixels.to(parameter.dtype) / 255).argmax(1)
    labels = [(int(label) + (i < wrong)) % 7 for i, label in enumerate(right)]
    images = [image.permute(1, 2, 0).numpy() for image in pixels]
    return collect.build("toy", "toy", [i[..., 0] if i.shape[2] == 1 else i for i in images], labels, CLASSES)


def toy_card(
    name: str = "toy",
    build: Callable[[], nn.Module] = LinearToy,
    classes: tuple[str, ...] = CLASSES,
    task: Task = "expression",
    **fields: object,
) -> ModelCard:
    """A card without files, for `models=[...]`; `build` takes nothing and returns the module."""
    known: dict[str, object] = {
        "title": f"{name}, a toy",
        "input": "gray, any size",
        "parameters": 455,
        "paper": "none",
        "year": 2024,
        "licence": "MIT",
        **fields,
    }
    known["build"] = lambda paths: build().eval()
    return ModelCard(name=name, task=task, classes=classes, files=(), **known)  # type: ignore[arg-type]


def faces(n: int, seed: int = 0, side: int = 48) -> np.ndarray:
    """`n` different gray images as FER2013 has them: uint8 `(n, side, side)`."""
    return (seeded((n, side, side), seed, 0, 256)).to(torch.uint8).numpy()


def write_csv(
    path: Path,
    pixels: Sequence[np.ndarray],
    labels: Sequence[int],
    split: str = "test",
    header: str = "emotion,pixels,Usage",
) -> Path:
    """FER2013 as Kaggle's csv; the order of the columns is that of `header`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [word.strip().lower() for word in header.split(",")]
    with path.open("w", newline="") as stream:
        stream.write(header + "\n")
        for image, label in zip(pixels, labels, strict=True):
            row = {"emotion": str(label), "pixels": " ".join(map(str, image.ravel())), "usage": USAGES[split]}
            csv.writer(stream, lineterminator="\n").writerow([row[name] for name in columns])
    return path


def toy_verdict(sample: str, fooled: bool = True, norm: float | None = 0.01, label: int = 0) -> Verdict:
    """A verdict of a sample that the model had right."""
    return Verdict(
        sample=sample,
        label=label,
        clean_prediction=label,
        fooled=fooled,
        attacked_prediction=label + fooled,
        norm=norm if fooled else None,
        eight_bit=True if fooled else None,
        first_query=2 if fooled else None,
        forwards=5,
        backwards=3,
    )


def toy_provenance(command: str = "ferbench run") -> Provenance:
    """A provenance of nowhere."""
    return Provenance(
        command=command,
        started="2024-05-17T08:00:00+00:00",
        fer_bench="0.1.0",
        commit="unknown",
        dirty=False,
        python="3.11.7",
        platform="nowhere",
        device="cpu: none",
        threads=1,
        packages=(("torch", "2.4.0"), ("torchattacks", "missing")),
    )


def sample_name(number: int) -> str:
    """A sample id as evalset makes them."""
    return hashlib.sha256(str(number).encode()).hexdigest()
