"""PGD in a band of spatial frequencies, low or high. Cards and program, nothing else.

After Sharma et al., IJCAI 2019, arXiv:1903.00073, who mask a perturbation's frequencies (there of a cosine transform,
here of the Fourier transform).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from attacks.ascent import gradient
from attacks.card import AttackCard
from attacks.parameters import RESTARTS, alpha, steps
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer

#: Rounds of alternating projections between the band and the ball after a step.
_ROUNDS = 10


def band(height: int, width: int, radius: float, high: bool, like: torch.Tensor) -> torch.Tensor:
    """1 on the frequencies of the band, else 0: `(height, width // 2 + 1)` as torch.fft.rfft2 orders them.

    `height`: of the images, in pixels.
    `width`: likewise.
    `radius`: of the disc that is the low band, with the mean; 1 is the Nyquist frequency along an axis (one cycle in
        two pixels).
    `high`: the band is what is beyond the disc.
    `like`: a tensor of the device and the type that the answer has.
    """
    down = torch.fft.fftfreq(height, 0.5, device=like.device)
    right = torch.fft.rfftfreq(width, 0.5, device=like.device)
    inside = torch.hypot(down[:, None], right[None, :]) <= radius + 1e-6
    kept: torch.Tensor = (inside ^ high).to(like.dtype)
    return kept


def filtered(delta: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The part of `delta` `(batch, channels, height, width)` whose frequencies are in the band `kept`."""
    part: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(delta) * kept, s=delta.shape[2:])
    return part


def into_ball(delta: torch.Tensor, kept: torch.Tensor, eps: float) -> torch.Tensor:
    """A perturbation in the band and in the Linf ball of `eps`, near `delta`: in both, exactly.

    Dykstra's alternating projections (Boyle and Dykstra, 1986), then each row scaled into the ball.
    """
    correction = torch.zeros_like(delta)
    for _ in range(_ROUNDS):
        clipped = (delta + correction).clamp(-eps, eps)
        correction = delta + correction - clipped
        delta = filtered(clipped, kept)
    largest = delta.abs().amax((1, 2, 3), keepdim=True)
    return delta * (eps / largest.clamp_min(1e-12)).clamp_max(1)


def band_pgd(
    observer: Observer,
    images: torch.Tensor,
    labels: torch.Tensor,
    eps: float,
    step: float,
    count: int,
    kept: torch.Tensor,
) -> torch.Tensor:
    """Images after `count` steps from a random start, whose perturbation is in the band before it is clipped to [0, 1].

    `observer`: what is attacked.
    `images`: `(batch, channels, height, width)` in [0, 1].
    `labels`: `(batch,)`, the classes to leave or to reach.
    `eps`: the Linf budget.
    `step`: the root mean square of a step, which is the filtered gradient, scaled.
    `count`: steps.
    `kept`: the band, as `band` makes it.
    """
    delta = into_ball(filtered(eps * (2 * torch.rand_like(images) - 1), kept), kept, eps)
    for _ in range(count):
        slope = filtered(gradient(observer, (images + delta).clamp(0, 1), labels), kept)
        size = slope.square().mean((1, 2, 3), keepdim=True).sqrt()
        delta = into_ball(delta + step * slope / size.clamp_min(1e-30), kept, eps)
    return (images + delta).clamp(0, 1)


def _program(high: bool) -> Callable[[AttackSpec, Observer], None]:
    def program(spec: AttackSpec, observer: Observer) -> None:
        height, width = observer.images.shape[2:]
        kept = band(height, width, spec.number("radius"), high, observer.images)

        def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            eps, step, count = spec.threat.eps, spec.number("alpha"), spec.integer("steps")
            return band_pgd(observer, images, labels, eps, step, count, kept)

        for restart in range(spec.integer("restarts")):
            observer.attack(call, stream=f"restart {restart}")

    return program


def _card(name: str, title: str, radius: float, meaning: str, high: bool) -> AttackCard:
    return AttackCard(
        name=name,
        title=title,
        source="after Sharma et al., IJCAI 2019, arXiv:1903.00073; own implementation",
        norms=("Linf",),
        parameters=(
            steps(50),
            alpha("eps/4"),
            RESTARTS,
            Parameter("radius", radius, f"{meaning}, as a part of the Nyquist frequency", low=0, high=1.4),
        ),
        forwards="restarts x (steps + 1)",
        backwards="restarts x steps",
        program=_program(high),
        targeted=True,
        draws="per row",
        notes=(
            "Budget: the perturbations of the band that lie in the Linf ball. Clipping to [0, 1] then adds other "
            "frequencies where the image is black or white.",
        ),
    )


CARDS = (
    _card("pgd-low", "PGD with low spatial frequencies only", 0.25, "highest frequency", high=False),
    _card("pgd-high", "PGD with high spatial frequencies only", 0.5, "lowest frequency, itself left out", high=True),
)
