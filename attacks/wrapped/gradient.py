"""Gradient attacks of one call: FGSM, BIM, PGD, MI-FGSM, PGD in L2. Cards and programs, nothing else."""

from __future__ import annotations

from attacks.card import AttackCard
from attacks.parameters import RESTARTS, TINY, alpha, settings, steps
from attacks.wrapped import adapter
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer


def _fgsm(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("FGSM", observer, eps=spec.threat.eps))


def _bim(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("BIM", observer, **settings(spec, "alpha", "steps")))


def _pgd(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps")
    for restart in range(spec.integer("restarts")):
        call = adapter.whole("PGD", observer, random_start=True, **chosen)
        observer.attack(call, stream=f"restart {restart}")


def _mifgsm(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(adapter.whole("MIFGSM", observer, **settings(spec, "alpha", "steps", "decay")))


def _pgdl2(spec: AttackSpec, observer: Observer) -> None:
    chosen = settings(spec, "alpha", "steps")
    for restart in range(spec.integer("restarts")):
        call = adapter.whole("PGDL2", observer, random_start=True, eps_for_division=TINY, **chosen)
        observer.attack(call, stream=f"restart {restart}")


CARDS = (
    AttackCard(
        name="fgsm",
        title="Fast gradient sign method",
        source="Goodfellow et al., ICLR 2015, arXiv:1412.6572; torchattacks.FGSM",
        norms=("Linf",),
        parameters=(),
        forwards="1 + 1 (the returned image)",
        backwards="1",
        program=_fgsm,
        masked_by_scale=True,
        targeted=True,
        regressors="both",
        notes=("Its only adversarial image is never queried by torchattacks; it is scored here.",),
    ),
    AttackCard(
        name="bim",
        title="Basic iterative method (I-FGSM)",
        source="Kurakin et al., ICLR 2017 workshop, arXiv:1607.02533; torchattacks.BIM",
        norms=("Linf",),
        parameters=(steps(10), alpha("eps/4")),
        forwards="steps + 1",
        backwards="steps",
        program=_bim,
        masked_by_scale=True,
        targeted=True,
        regressors="both",
    ),
    AttackCard(
        name="pgd",
        title="Projected gradient descent on the cross-entropy, random start",
        source="Madry et al., ICLR 2018, arXiv:1706.06083; torchattacks.PGD",
        norms=("Linf",),
        parameters=(steps(50), alpha("eps/4"), RESTARTS),
        forwards="restarts x (steps + 1)",
        backwards="restarts x steps",
        program=_pgd,
        masked_by_scale=True,
        targeted=True,
        regressors="both",
        draws="per row",
    ),
    AttackCard(
        name="mifgsm",
        title="Momentum iterative FGSM",
        source="Dong et al., CVPR 2018, arXiv:1710.06081; torchattacks.MIFGSM",
        norms=("Linf",),
        parameters=(
            steps(10),
            alpha("eps/10"),
            Parameter("decay", 1.0, "momentum's decay factor", low=0, high=100),
        ),
        forwards="steps + 1",
        backwards="steps",
        program=_mifgsm,
        masked_by_scale=True,
        targeted=True,
        regressors="both",
        notes=("A sample whose gradient is exactly zero stops moving (0/0 in the normalisation): it is flagged.",),
    ),
    AttackCard(
        name="pgdl2",
        title="Projected gradient descent in L2, random start",
        source="Madry et al., ICLR 2018, arXiv:1706.06083; torchattacks.PGDL2",
        norms=("L2",),
        parameters=(steps(50), alpha("eps/4"), RESTARTS),
        forwards="restarts x (steps + 1)",
        backwards="restarts x steps",
        program=_pgdl2,
        masked_by_scale=True,
        targeted=True,
        regressors="both",
        draws="per row",
        status="corrected",
        notes=("torchattacks divides by the gradient's norm + 1e-10, which stalls confident models; here + 1e-30.",),
    ),
)
