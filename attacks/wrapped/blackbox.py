"""Attacks without gradients: SPSA, and random noise and no attack at all as controls. Cards and programs."""

from __future__ import annotations

from typing import Any

import torch

from attacks.card import AttackCard
from attacks.parameters import alpha, steps
from attacks.wrapped import adapter
from attacks.wrapped.shims import Copies
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.norms import norms
from fer_bench.engine.observer import Observer


def _spsa(spec: AttackSpec, observer: Observer) -> None:
    """torchattacks' SPSA, asked about its iterate before every estimate of the gradient."""
    samples = spec.integer("samples")

    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        attack = adapter.build(
            "SPSA",
            observer,
            Copies(observer, inner=False),
            eps=spec.threat.eps,
            delta=spec.number("delta"),
            lr=spec.number("alpha"),
            nb_iter=spec.integer("steps"),
            nb_sample=samples,
            max_batch_size=min(samples, 64),
        )
        estimate = attack.spsa_grad

        def scored(point: torch.Tensor, *rest: Any) -> torch.Tensor:
            with torch.no_grad():
                observer(point)
            gradient: torch.Tensor = estimate(point, *rest)
            return gradient

        attack.spsa_grad = scored
        moved: torch.Tensor = attack(images, labels)
        return moved

    observer.attack(call)


def _noise(spec: AttackSpec, observer: Observer) -> None:
    """Random images of exactly the budget's size (before the box): a corner of the cube, or a random direction."""

    def call(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        drawn = torch.randn_like(images)
        if spec.norm == "Linf":
            return (images + spec.threat.eps * drawn.sign()).clamp(0, 1)
        return (images + spec.threat.eps * drawn / norms(drawn, "L2")[:, None, None, None]).clamp(0, 1)

    for draw in range(spec.integer("draws")):
        observer.attack(call, stream=f"draw {draw}")


def _gn(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("GN", observer, std=spec.number("std")), freeze=False)


def _vanila(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("VANILA", observer))


CARDS = (
    AttackCard(
        name="spsa",
        title="Simultaneous perturbation stochastic approximation, black box, margin loss",
        source="Uesato et al., ICML 2018, arXiv:1802.05666; torchattacks.SPSA",
        norms=("Linf",),
        parameters=(
            steps(20),
            alpha("eps/4"),
            Parameter("samples", 128, "random directions of an estimate, two queries each", low=1, high=100_000),
            Parameter("delta", 0.01, "length of a direction, in pixel units", low=0, high=1, open_low=True),
        ),
        forwards="steps x (2 samples + 1) + 1",
        backwards="0",
        program=_spsa,
        gradient=False,
        targeted=True,
        draws="one set of directions a step, shared by all rows and keyed by the step",
        status="corrected",
        notes=(
            "torchattacks' defaults are eps 0.3, one step of 0.01: it never goes beyond 0.01, whatever eps says. Here "
            "eps is the run's budget and 20 steps of eps/4 reach it.",
            "torchattacks' targeted form moves away from the target unless the target is given as the label, which is "
            "what is done here.",
        ),
    ),
    AttackCard(
        name="noise",
        title="Random noise of the budget's size, a control",
        source="no attack; what a gradient attack must beat (Zimmermann et al., NeurIPS 2022)",
        norms=("Linf", "L2"),
        parameters=(Parameter("draws", 100, "random images", low=1, high=1_000_000),),
        forwards="draws",
        backwards="0",
        program=_noise,
        gradient=False,
        draws="per row",
        notes=("Linf: every pixel up or down by eps. L2: a random direction of length eps.",),
    ),
    AttackCard(
        name="gn",
        title="One draw of Gaussian noise, a control",
        source="torchattacks.GN",
        norms=("L2", "Linf"),
        parameters=(Parameter("std", 0.1, "standard deviation, in pixel units", low=0, high=10, open_low=True),),
        forwards="1",
        backwards="0",
        program=_gn,
        gradient=False,
        freeze=False,
        record="smallest",
        draws="per row",
        notes=("It has no budget: the image is what it is, and counts at every eps that is as large as the image's.",),
    ),
    AttackCard(
        name="vanila",
        title="No attack, a control: the clean image again",
        source="torchattacks.VANILA",
        norms=("Linf", "L2"),
        parameters=(),
        forwards="1",
        backwards="0",
        program=_vanila,
        gradient=False,
        notes=("Its robust accuracy is the clean accuracy. Anything else is an error of the benchmark.",),
    ),
)
