"""An attack that needs one file: every pixel moves towards mid-gray, by at most eps."""

from __future__ import annotations

import torch

from fer_bench.plugin import AttackCard, AttackSpec, Observer, Parameter


def _program(spec: AttackSpec, observer: Observer) -> None:
    eps, share = spec.threat.eps, spec.number("share")

    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return images + (share * (0.5 - images)).clamp(-eps, eps)

    observer.attack(call)


CARD = AttackCard(
    name="halfway-to-gray",
    title="Every pixel towards mid-gray",
    source="an example",
    norms=("Linf",),
    parameters=(Parameter("share", 0.5, "how far towards gray", low=0, high=1),),
    forwards="1",
    backwards="0",
    program=_program,
    gradient=False,
)
