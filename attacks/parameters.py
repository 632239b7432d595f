"""The settings that cards of gradient attacks share: steps, step size, restarts, and the default ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attacks.card import AttackCard
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.observer import Observer

MAX_STEPS = 100_000
#: Added to the gradient's norm before dividing. torchattacks' 1e-10 shrinks the steps of confident models, whose
#: gradients are that small, and makes them depend on the batch size, by which the mean loss scales them.
TINY = 1e-30


def steps(default: int) -> Parameter:
    """The parameter `steps` with a default of its own."""
    return Parameter("steps", default, "gradient steps", low=1, high=MAX_STEPS)


def alpha(default: str) -> Parameter:
    """The parameter `alpha`, the size of a step in pixel units or as a part of eps."""
    return Parameter("alpha", default, "step size, in pixel units or as 'eps/4'", low=0, high=1000, open_low=True)


def settings(spec: AttackSpec, *names: str) -> dict[str, Any]:
    """eps and the named parameters, as torchattacks' classes of the same names take them."""
    return {"eps": spec.threat.eps, **{name: spec.param(name) for name in names}}


def linf(
    name: str,
    title: str,
    source: str,
    parameters: tuple[Parameter, ...],
    cost: tuple[str, str],
    program: Callable[[AttackSpec, Observer], None],
    **fields: Any,
) -> AttackCard:
    """The card of an Linf gradient attack on the cross-entropy.

    `name`, `title`, `source`, `parameters`, `program`: the card's fields.
    `cost`: its forwards and backwards.
    `fields`: any others.
    """
    chosen: dict[str, Any] = {"norms": ("Linf",), "targeted": True, "masked_by_scale": True, **fields}
    return AttackCard(
        name=name,
        title=title,
        source=source,
        parameters=parameters,
        forwards=cost[0],
        backwards=cost[1],
        program=program,
        **chosen,
    )


RESTARTS = Parameter("restarts", 1, "random restarts; later ones attack only what stands", low=1, high=1000)
