"""What is known of an attack and how it is set: AttackCard, and the checking of parameters. It runs nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fer_bench.core.attack_spec import AttackSpec, Parameter, ParamValue, Record, Rows, describe_range
from fer_bench.core.labels import EXPRESSIONS, expression
from fer_bench.core.threat import Norm, ThreatModel, budget, parse_number
from fer_bench.engine.attack import Attack, Fit, Program
from fer_bench.engine.goals import LOSSES, TOLERANCE
from fer_bench.errors import UsageError
from fer_bench.faces.regions import parse_region
from fer_bench.registry import unknown_name

#: A step written in terms of the budget: "eps/4", "eps*2.5/50".
_OF_EPS = re.compile(r"eps(?:\*(?P<times>[0-9.]+))?(?:/(?P<over>[0-9.]+))?")


@dataclass(frozen=True)
class AttackCard:
    """An attack: its settings, what it costs, what may be done around it, and the program that runs it.

    `rows`, `freeze`, `record`, `draws` are the design's table (see docs/design/observer.md).
    """

    #: As `--attacks` has it.
    name: str
    #: One line for people.
    title: str
    #: Paper and implementation.
    source: str
    #: The norms it serves, the first by default.
    norms: tuple[Norm, ...]
    #: Its settings, in the order in which keys list them.
    parameters: tuple[Parameter, ...]
    #: Rows asked per sample that does not fall, in terms of its parameters; K is the number of classes.
    forwards: str
    #: Gradients taken per sample that does not fall, likewise.
    backwards: str
    #: What attacks an Observer.
    program: Program = field(repr=False, compare=False)
    #: Its set-level stage.
    fit: Fit | None = field(default=None, repr=False, compare=False)
    #: It can aim at a class.
    targeted: bool = False
    #: Whether it serves valence-arousal regression: not, with a tolerance, with or without one, or nothing else.
    regressors: Literal["no", "tolerance", "both", "only"] = "no"
    #: What it raises on a regressor where nothing else is asked for.
    loss: str = "squared"
    #: It uses gradients.
    gradient: bool = True
    #: How the rows of its queries relate to the samples.
    rows: Rows = "aligned"
    #: Samples that have fallen may be answered from cache.
    freeze: bool = True
    #: Which image is kept.
    record: Record = "first"
    #: How it draws random numbers.
    draws: str = "none"
    #: It climbs the cross-entropy, whose gradient a model with large logits rounds to zero; no attack of this kind may
    #: judge alone.
    masked_by_scale: bool = False
    #: Images with a longer side are refused; 0: any.
    largest_side: int = 0
    #: "corrected" with what was wrong and what was done in `notes`, "refused" with the reason there.
    status: Literal["ok", "corrected", "refused"] = "ok"
    #: What a user must know of it.
    notes: tuple[str, ...] = ()
    #: Raised by hand whenever its code could change a verdict.
    version: int = 1

    @property
    def minimum_norm(self) -> bool:
        """True where the attack has no budget and searches the smallest perturbation."""
        return self.record == "smallest"

    @property
    def regional(self) -> bool:
        """True where the attack can be confined to a region of the face: it spends a Linf or L2 budget."""
        return not self.minimum_norm and self.norms[0] in ("Linf", "L2")

    def attack(self, overrides: Mapping[str, str], eps: float | None = None) -> Attack:
        """The attack with every parameter set, ready to run; see `spec`."""
        return Attack(self.spec(overrides, eps), self.program, self.fit)

    def check(self, spec: AttackSpec, shape: Sequence[int]) -> None:
        """Refuses settings that images of `shape` (channels, height, width) cannot hold. Raises UsageError."""
        pixels = shape[1] * shape[2]
        if self.largest_side and max(shape[1:]) > self.largest_side:
            raise UsageError(
                f"{spec.name} cannot be used on images of {shape[1]}x{shape[2]}; its largest side is "
                f"{self.largest_side}."
            )
        if spec.norm == "L0" and not spec.minimum_norm and spec.threat.eps > pixels:
            raise UsageError(
                f"{spec.name}: eps={spec.threat.eps:g} cannot be used on images of {shape[1]}x{shape[2]}; an L0 budget "
                f"is a number of pixels from 1 to {pixels}."
            )

    def norm(self, overrides: Mapping[str, str]) -> Norm:
        """The norm that these settings ask for. Raises UsageError for one not served, or an attack not offered."""
        if self.status == "refused":
            raise UsageError(f"{self.name} is not offered. {self.notes[0]}")
        asked = overrides.get("norm", self.norms[0])
        for norm in self.norms:
            if asked.lower() == norm.lower():
                return norm
        raise UsageError(f"{self.name}: norm={asked} is not served; it serves {' and '.join(self.norms)}.")

    def spec(self, overrides: Mapping[str, str], eps: float | None = None) -> AttackSpec:
        """The attack with every parameter set: defaults, then `overrides` as written by the user.

        `eps` is the budget in [0, 1] pixel units where `overrides` does not name one. Raises UsageError, naming the
        parameter and its range, before any work is done.
        """
        norm = self.norm(overrides)
        bounded = not self.minimum_norm or "eps" in overrides
        allowed = [*(p.name for p in self.parameters), "norm", "eps"]
        allowed += ["target"] if self.targeted else []
        allowed += ["region"] if self.regional else []
        allowed += ["tolerance"] if self.regressors in ("tolerance", "both") else []
        allowed += ["loss"] if self.regressors in ("tolerance", "both") else []
        for name in overrides:
            if name not in allowed:
                raise unknown_name(f"parameter of {self.name}", name, allowed)
        eps = budget(self.name, norm, overrides.get("eps", eps)) if bounded else None
        params = tuple((p.name, _value(self.name, p, overrides.get(p.name), eps)) for p in self.parameters)
        target = _target(self.name, overrides["target"]) if "target" in overrides else ""
        region = str(parse_region(overrides["region"])) if "region" in overrides else ""
        loss = _loss(self.name, overrides["loss"]) if "loss" in overrides else ""
        spec = AttackSpec(
            name=self.name,
            threat=ThreatModel(norm, math.inf if eps is None else eps, region),
            params=params,
            version=self.version,
            record="first" if bounded else self.record,
            target=target,
            loss=loss,
            tolerance=_tolerance(self.name, overrides["tolerance"]) if "tolerance" in overrides else None,
        )
        return replace(spec, label=self._label(spec, eps))

    def _label(self, spec: AttackSpec, eps: float | None) -> str:
        """The name, then whatever differs from the card's defaults: 'pgd', 'pgd-10', 'square(norm=L2,queries=1000)'."""
        settings = dict(spec.key_params())
        odd = [
            f"{p.name}={_text(settings[p.name])}"
            for p in self.parameters
            if settings[p.name] != _value(self.name, p, None, eps)
        ]
        if spec.norm != self.norms[0]:
            odd.insert(0, f"norm={spec.norm}")
        odd += [f"{name}={settings[name]}" for name in ("target", "region", "loss", "tolerance") if name in settings]
        if len(odd) == 1 and odd[0].startswith("steps="):
            return f"{self.name}-{settings['steps']}"
        return f"{self.name}({','.join(odd)})" if odd else self.name


def _text(value: ParamValue) -> str:
    """`value` as short as it can be written and read back exactly: '5', '0.01', '2/255'."""
    if not isinstance(value, float):
        return str(value)
    written = [f"{value:g}", f"{round(value * 255, 9):g}/255", repr(value)]
    return next(text for text in written if parse_number(text) == value)


#: The one setting of attacks on regressors that is a number.
_TOLERANCE = Parameter("tolerance", TOLERANCE, "loss above which a prediction counts as broken", low=-4, high=4)


def _tolerance(attack: str, given: str) -> float:
    return float(_value(attack, _TOLERANCE, given, None))


def _loss(attack: str, given: str) -> str:
    known = tuple(loss for loss in LOSSES if loss != "ccc")
    if given not in known:
        raise UsageError(f"{attack}: loss={given} cannot be used; it is one of {', '.join(known)}.")
    return given


def _target(attack: str, given: str) -> str:
    words = ("least-likely", "random", *EXPRESSIONS)
    word = expression(given)
    if word not in words:
        raise UsageError(f"{attack}: target={given} cannot be used; it is one of {', '.join(words)}.")
    return word


def _value(attack: str, parameter: Parameter, given: str | None, eps: float | None) -> ParamValue:
    """The value of one parameter, from the user's text or the default, checked against its range."""
    default = parameter.default
    if parameter.choices:
        word = str(default) if given is None else given
        if word not in parameter.choices:
            raise UsageError(
                f"{attack}: {parameter.name}={word} cannot be used; it is one of {', '.join(parameter.choices)}."
            )
        return word
    whole = isinstance(default, int)
    text = str(default) if given is None else given
    number = _number(text, eps)
    if whole and number is not None and number != int(number):
        number = None
    if number is None or not _in_range(parameter, number):
        raise UsageError(f"{attack}: {parameter.name}={text} cannot be used; {describe_range(parameter)}.")
    return int(number) if whole else number


def _number(text: str, eps: float | None) -> float | None:
    """The number `text` stands for ('0.01', '2/255', 'eps/4'), or None where it stands for none."""
    relative = _OF_EPS.fullmatch(text.replace(" ", ""))
    try:
        if relative is not None:
            times, over = float(relative["times"] or 1), float(relative["over"] or 1)
            return None if eps is None else eps * times / over
        number = parse_number(text)
    except (ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _in_range(parameter: Parameter, number: float) -> bool:
    low, high = parameter.low, parameter.high
    if low is not None and (number <= low if parameter.open_low else number < low):
        return False
    return high is None or number <= high
