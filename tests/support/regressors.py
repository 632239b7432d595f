"""A linear regressor with closed-form answers, its card, and data for it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from toys import seeded, toy_images

from fer_bench.core.model_card import ModelCard
from fer_bench.data import collect as evalset

CPU = torch.device("cpu")


class LinearRegressor(nn.Module):
    """(valence, arousal) = W (x - 1/2): under Linf eps each moves by at most eps |w|_1, exactly, away from the box."""

    def __init__(self, pixels: int = 64, scale: float = 0.05) -> None:
        super().__init__()
        self.weight = nn.Parameter(seeded((2, pixels), 3, -1, 1) * scale)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = F.adaptive_avg_pool1d(images.mean(1).flatten(1)[:, None], self.weight.shape[1])[:, 0]
        return (flat - 0.5) @ self.weight.to(images.dtype).T


# ------------------------------------------------------------------------------------------------- the whole program


def va_card(name: str = "regressor") -> ModelCard:
    return ModelCard(
        name=name,
        title="A regressor",
        task="va",
        classes=("valence", "arousal"),
        input="gray",
        parameters=128,
        paper="none",
        year=2026,
        licence="MIT",
        files=(),
        build=lambda paths: LinearRegressor().eval(),
    )


def va_data(n: int = 16):
    pixels = [(image[0] * 255).round().to(torch.uint8).numpy() for image in toy_images(n)]
    model = LinearRegressor()
    with torch.no_grad():
        exact = model(torch.stack([torch.from_numpy(p).float()[None] / 255 for p in pixels]))
    values = [tuple(v) for v in (exact + seeded((n, 2), 5, -0.1, 0.1).float()).clamp(-1, 1).tolist()]
    return evalset.build("toy-va", "toy-va", pixels, [-1] * n, ("valence", "arousal"), values=values)


class AnySize(LinearRegressor):
    """The regressor of closed form behind a pooling that leaves its own data as it is. Valence x `gain` + `bias`."""

    def __init__(self, gain: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.gain, self.bias = gain, bias

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer = super().forward(nn.functional.adaptive_avg_pool2d(images, 8))
        return answer * answer.new_tensor([self.gain, 1]) + answer.new_tensor([self.bias, 0])
