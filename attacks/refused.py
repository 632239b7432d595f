"""What torchattacks has and this package does not offer, each with its reason. Nothing here runs."""

from __future__ import annotations

from attacks.card import AttackCard
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.threat import Norm
from fer_bench.engine.observer import Observer
from fer_bench.errors import UsageError


def _never(spec: AttackSpec, observer: Observer) -> None:
    raise UsageError(f"{spec.name} is refused and cannot be run.")


def _card(name: str, title: str, source: str, norms: tuple[Norm, ...], reason: str) -> AttackCard:
    return AttackCard(
        name=name,
        title=title,
        source=source,
        norms=norms,
        parameters=(),
        forwards="-",
        backwards="-",
        program=_never,
        status="refused",
        notes=(reason,),
    )


CARDS = (
    _card(
        "multiattack",
        "Several attacks one after the other",
        "torchattacks.MultiAttack",
        ("Linf", "L2"),
        "A suite does this and keeps what each attack found: name a suite, or several attacks.",
    ),
    _card(
        "lgv",
        "Transfer attack from a trained collection of surrogates",
        "Gubri et al., ECCV 2022, arXiv:2207.13129; torchattacks.LGV",
        ("Linf", "L2"),
        "It trains surrogate models on the training data and attacks those: it judges a transfer, not the model named.",
    ),
    _card(
        "fab-l1",
        "Fast adaptive boundary attack in L1",
        "Croce and Hein, ICML 2020, arXiv:1907.02044; torchattacks.FAB with norm L1",
        ("L1",),
        "torchattacks.FAB breaks in L1 (a variable is used before it is set); use fmn(norm=L1) or eadl1.",
    ),
)
