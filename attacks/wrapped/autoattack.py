"""AutoAttack's parts at the reference settings: APGD, targeted APGD, targeted FAB, Square. Cards and programs.

torchattacks.AutoAttack runs 10 steps where the reference (Croce and Hein, ICML 2020, arXiv:2003.01690) runs 100, and
asks for 9 target classes whatever the model has. Here each restart and each target class is one call on a fixed set
of rows, the number of classes is the model's, and only samples that still stand go on to the next call.
"""

from __future__ import annotations

import math

from attacks.card import AttackCard
from attacks.parameters import RESTARTS, steps
from attacks.wrapped import adapter
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer
from fer_bench.errors import AttackError

_RHO = Parameter("rho", 0.75, "share of rising steps below which APGD halves its step", low=0, high=1)
_EOT = Parameter("eot", 1, "gradients averaged per step, for models with randomness", low=1, high=1000)
_ALPHA_MAX = Parameter("alpha_max", 0.1, "largest pull of FAB back to the clean image", low=0, high=1)
_ETA = Parameter("eta", 1.05, "FAB's overshoot across the boundary", low=1, high=10)
_BETA = Parameter("beta", 0.9, "FAB's step back towards the clean image", low=0, high=1)
_QUERIES = Parameter("queries", 5000, "Square's queries", low=1, high=10_000_000)
_P_INIT = Parameter("p_init", 0.8, "share of pixels that Square's first windows cover", low=0, high=1, open_low=True)

_STEPS_NOTE = "torchattacks' default is 10 steps; the reference's 100 are used."
_CLASSES_NOTE = "torchattacks assumes 10 classes and breaks on fewer; the model's own number is used."


def _targets(spec: AttackSpec, observer: Observer) -> range:
    """Ranks of the target classes: 2 is the likeliest wrong class, up to the number of classes."""
    if observer.classes < 4 and spec.name != "fab-t":
        raise AttackError(
            f"{spec.name} needs a model of at least 4 classes (the DLR loss compares four logits); "
            f"this one has {observer.classes}. Use apgd-ce, fab-t or square."
        )
    return range(2, observer.classes + 1)


def _apgd(spec: AttackSpec, observer: Observer, loss: str) -> None:
    for restart in range(spec.integer("restarts")):
        call = adapter.apgd(
            observer,
            norm=spec.norm,
            eps=spec.threat.eps,
            steps=spec.integer("steps"),
            loss=loss,
            rho=spec.number("rho"),
            eot=spec.integer("eot"),
        )
        observer.attack(call, stream=f"apgd-{loss} {restart}")


def _apgd_ce(spec: AttackSpec, observer: Observer) -> None:
    _apgd(spec, observer, "ce")


def _apgd_dlr(spec: AttackSpec, observer: Observer) -> None:
    if observer.classes < 3:
        raise AttackError("apgd-dlr needs a model of at least 3 classes; use apgd-ce.")
    _apgd(spec, observer, "dlr")


def _apgd_t(spec: AttackSpec, observer: Observer) -> None:
    for restart in range(spec.integer("restarts")):
        for target in _targets(spec, observer):
            call = adapter.apgd_targeted(
                observer,
                eps=spec.threat.eps,
                steps=spec.integer("steps"),
                target=target,
                rho=spec.number("rho"),
                eot=spec.integer("eot"),
            )
            observer.attack(call, stream=f"apgd-t {restart} {target}")


def _fab_t(spec: AttackSpec, observer: Observer) -> None:
    radius = spec.threat.eps
    if not math.isfinite(radius):
        radius = {"Linf": 0.3, "L2": 1.0}[spec.norm]  # the reference's, where no budget is given
    for restart in range(spec.integer("restarts")):
        for target in _targets(spec, observer):
            call = adapter.fab_targeted(
                observer,
                norm=spec.norm,
                steps=spec.integer("steps"),
                target=target,
                start=radius if restart else None,
                alpha_max=spec.number("alpha_max"),
                eta=spec.number("eta"),
                beta=spec.number("beta"),
            )
            observer.attack(call, stream=f"fab-t {restart} {target}", freeze=False)


def _square(spec: AttackSpec, observer: Observer) -> None:
    for restart in range(spec.integer("restarts")):
        call = adapter.square(
            observer,
            norm=spec.norm,
            eps=spec.threat.eps,
            queries=spec.integer("queries"),
            p_init=spec.number("p_init"),
        )
        observer.attack(call, stream=f"square {restart}", rows="shrinking")


_APGD_PARAMETERS = (steps(100), RESTARTS, _RHO, _EOT)

CARDS = (
    AttackCard(
        name="apgd-ce",
        title="Auto-PGD on the cross-entropy",
        source="Croce and Hein, ICML 2020, arXiv:2003.01690; torchattacks.APGD",
        norms=("Linf", "L2"),
        parameters=_APGD_PARAMETERS,
        forwards="restarts x (steps + 1) x eot",
        backwards="restarts x (steps + 1) x eot",
        program=_apgd_ce,
        regressors="both",
        masked_by_scale=True,
        rows="aligned",
        draws="per row",
        status="corrected",
        notes=(_STEPS_NOTE,),
    ),
    AttackCard(
        name="apgd-dlr",
        title="Auto-PGD on the difference-of-logits ratio",
        source="Croce and Hein, ICML 2020, arXiv:2003.01690; torchattacks.APGD",
        norms=("Linf", "L2"),
        parameters=_APGD_PARAMETERS,
        forwards="restarts x (steps + 1) x eot",
        backwards="restarts x (steps + 1) x eot",
        program=_apgd_dlr,
        draws="per row",
        status="corrected",
        notes=(_STEPS_NOTE, "Needs at least 3 classes."),
    ),
    AttackCard(
        name="apgd-t",
        title="Auto-PGD on the targeted difference-of-logits ratio, every wrong class in turn",
        source="Croce and Hein, ICML 2020, arXiv:2003.01690; torchattacks.APGDT",
        norms=("Linf",),
        parameters=_APGD_PARAMETERS,
        forwards="restarts x (K - 1) x (steps + 2) x eot",
        backwards="restarts x (K - 1) x (steps + 1) x eot",
        program=_apgd_t,
        draws="per row",
        status="corrected",
        notes=(
            _STEPS_NOTE,
            _CLASSES_NOTE,
            "Linf only: torchattacks' L2 form uses the first sample's step for the whole batch. Needs 4 classes.",
        ),
    ),
    AttackCard(
        name="fab-t",
        title="Fast adaptive boundary attack, every wrong class in turn",
        source="Croce and Hein, ICML 2020, arXiv:1907.02044; torchattacks.FAB",
        norms=("Linf", "L2"),
        parameters=(steps(100), RESTARTS, _ALPHA_MAX, _ETA, _BETA),
        forwards="restarts x (K - 1) x (2 steps + 2)",
        backwards="restarts x (K - 1) x steps",
        program=_fab_t,
        freeze=False,
        record="smallest",
        draws="per row",
        status="corrected",
        notes=(
            _STEPS_NOTE,
            _CLASSES_NOTE,
            "A minimum-norm attack: one cell is read at every eps. Its L1 form crashes in torchattacks; not offered.",
        ),
    ),
    AttackCard(
        name="square",
        title="Square attack, black box, margin loss",
        source="Andriushchenko et al., ECCV 2020, arXiv:1912.00049; torchattacks.Square",
        norms=("Linf", "L2"),
        parameters=(_QUERIES, RESTARTS, _P_INIT),
        forwards="restarts x (queries + 1)",
        backwards="0",
        program=_square,
        regressors="tolerance",
        gradient=False,
        rows="shrinking",
        draws="per row at the start, then one window a query shared by all rows and keyed by the query",
        notes=("Its windows never cover the last row or column, in the reference code as in torchattacks.",),
    ),
)
