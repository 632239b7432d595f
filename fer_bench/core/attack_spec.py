"""AttackSpec, an attack with every setting, and Parameter, one setting of its own. No attack is known here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from fer_bench.core.threat import Norm, ThreatModel, format_eps, parse_number

Rows = Literal["aligned", "shrinking", "own", "single"]
Record = Literal["first", "smallest", "largest"]
ParamValue = int | float | str | bool
Params = tuple[tuple[str, ParamValue], ...]

#: What `AttackSpec.key_params` calls the fields, beside the attack's own settings.
_FIELDS = ("eps", "levels", "stages", "target", "region", "digest", "loss", "tolerance", "source", "source_digest")


@dataclass(frozen=True)
class Parameter:
    """One setting of an attack: its default, its range and what it means. It refuses `steps=0` and `alpha=-1`."""

    #: None of those by which `AttackSpec.key_params` calls its fields.
    name: str
    #: Its type is the setting's; a word may stand for a number: "eps/4".
    default: ParamValue
    #: One line for people.
    meaning: str
    #: The least number; None: any.
    low: float | None = None
    #: The largest number; None: any.
    high: float | None = None
    #: A number must be above `low`.
    open_low: bool = False
    #: The words that there are; empty for a number.
    choices: tuple[str, ...] = ()


def describe_range(parameter: Parameter) -> str:
    """The range of a parameter in words: 'steps is a whole number from 1 to 100000'."""
    if parameter.choices:
        return f"{parameter.name} is one of {', '.join(parameter.choices)}"
    kind = "a whole number" if isinstance(parameter.default, int) else "a number"
    low = "" if parameter.low is None else f" {'above' if parameter.open_low else 'from'} {parameter.low:g}"
    high = "" if parameter.high is None else f" {'and at most' if parameter.open_low else 'to'} {parameter.high:g}"
    return f"{parameter.name} is {kind}{low}{high}"


@dataclass(frozen=True)
class AttackSpec:
    """An attack with every setting: exactly what is done. Raises ValueError where a setting of `params` is a field's.

    Two specs are equal where their keys are: where all is equal but the labels.
    """

    #: The attack's name, or the suite's.
    name: str
    #: Norm, budget and region; of a search for the smallest perturbation, and of a curve, the budget is infinite.
    threat: ThreatModel
    #: The attack's own settings (steps, alpha, ...), in the order of its card. Of a suite and a curve those that were
    #: asked for, as they were written.
    params: Params
    #: Raised by hand whenever the attack's own code could change a verdict.
    version: int
    #: Which image is kept: the first adversarial one within the budget, the one of smallest norm, or (regressors, no
    #: tolerance) the one of largest loss.
    record: Record = "first"
    #: How tables call it: the name, and the settings that differ from the card's defaults.
    label: str = field(default="", compare=False)
    #: The class that the attack aims at: a class word, 'least-likely', 'random', or empty (any wrong class).
    target: str = ""
    #: What is raised on a regressor (`fer_bench.engine.goals.LOSSES`); empty for an attack on a classifier.
    loss: str = ""
    #: The loss above which a regressor's prediction counts as broken; None where the largest loss is sought.
    tolerance: float | None = None
    #: The rising budgets of a security curve, as `format_eps` writes them; empty for any other attack.
    levels: tuple[float, ...] = ()
    #: The labels of a suite's stages, in the order in which they run; empty for any other attack.
    stages: tuple[str, ...] = ()
    #: 16 hex digits of what the stages of a suite or a curve are.
    stages_digest: str = ""
    #: For a transfer cell the name of the model that the images were made on; empty otherwise.
    source: str = ""
    #: The beginning of that model's digest, 16 hex digits.
    source_digest: str = ""
    #: The names of `key_params` in the order in which a key has them, where that is not the usual one.
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own = [name for name, _ in self.params]
        for name in own:
            if name in _FIELDS or own.count(name) > 1:
                raise ValueError(f"{self.name}: '{name}' stands twice; no setting of an attack's own can be called so")
        if self.order:  # one way of writing each order, so that equal keys are equal specs
            listed = tuple(name for name, _ in self.key_params())
            object.__setattr__(self, "order", () if listed == tuple(self._usual()) else listed)

    @classmethod
    def from_params(
        cls, name: str, norm: Norm, params: Params, version: int, record: Record = "first", label: str = ""
    ) -> AttackSpec:
        """The spec that `key_params` wrote: its own `key_params` are `params`, in order, value and type.

        `name`, `version`, `record`, `label`: the fields of these names.
        `norm`: of the threat model.
        `params`: names and values, in the order of the key.

        Raises ValueError or TypeError for what `key_params` does not write.
        """
        values = dict(params)
        spec = cls(
            name=name,
            threat=ThreatModel(norm, _number(values.get("eps", math.inf)), _text(values, "region")),
            params=tuple(item for item in params if item[0] not in _FIELDS),
            version=version,
            record=record,
            label=label,
            target=_text(values, "target"),
            loss=_text(values, "loss"),
            tolerance=_number(values["tolerance"]) if "tolerance" in values else None,
            levels=tuple(parse_number(text) for text in _text(values, "levels").split(",") if text),
            stages=_labels(_text(values, "stages")),
            stages_digest=_text(values, "digest"),
            source=_text(values, "source"),
            source_digest=_text(values, "source_digest"),
            order=tuple(values),
        )
        if spec.key_params() != params:
            raise ValueError(f"the settings of {name} are {params}, which would be written {spec.key_params()}")
        return spec

    def key_params(self) -> Params:
        """Every setting as names and values: what keys, draws, stores and baselines know of the attack.

        The usual order: the budget `eps` or the `levels` of a curve; the `stages` of a suite; `params`; `target`,
        `region`; the stages' `digest`; `loss`, `tolerance`; `source`, `source_digest`. What is empty, infinite or None
        is left out. `order` names those that stand otherwise: the settings of a curve stand as they were asked for,
        and a tolerance that was asked for stands before a loss that was not.
        """
        usual = self._usual()
        return tuple((name, usual[name]) for name in dict.fromkeys((*self.order, *usual)) if name in usual)

    def _usual(self) -> dict[str, ParamValue]:
        """The values of `key_params` in the usual order."""
        threat = self.threat
        after: dict[str, ParamValue | None] = {
            "target": self.target,
            "region": threat.region,
            "digest": self.stages_digest,
            "loss": self.loss,
            "tolerance": self.tolerance,
            "source": self.source,
            "source_digest": self.source_digest,
        }
        values: dict[str, ParamValue] = {} if math.isinf(threat.eps) else {"eps": threat.eps}
        if self.levels:
            values["levels"] = ",".join(format_eps(level, threat.norm) for level in self.levels)
        if self.stages:
            values["stages"] = ",".join(self.stages)
        values.update(self.params)
        values.update({name: value for name, value in after.items() if value is not None and value != ""})
        return values

    def param(self, name: str) -> ParamValue:
        """The value of the setting `name`, as `key_params` calls it ('steps', 'eps'). Raises KeyError for any other."""
        return self._usual()[name]

    def number(self, name: str) -> float:
        """The value of the numeric setting `name`."""
        value = self.param(name)
        if isinstance(value, str):
            raise TypeError(f"parameter {name} of {self.name} is a word, not a number")
        return float(value)

    def integer(self, name: str) -> int:
        """The value of the whole-number setting `name`."""
        return int(self.number(name))

    @property
    def norm(self) -> Norm:
        """The norm of the perturbation."""
        return self.threat.norm

    @property
    def minimum_norm(self) -> bool:
        """True where the attack searches the smallest perturbation instead of spending a budget."""
        return self.record == "smallest"


def _text(values: dict[str, ParamValue], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, not a word")
    return value


def _number(value: ParamValue) -> float:
    if isinstance(value, str):
        raise TypeError(f"'{value}' is a word, not a number")
    return value


def _labels(text: str) -> tuple[str, ...]:
    """The labels of a suite's stages: what stands between commas outside of brackets."""
    depth, labels, label = 0, [], ""
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            labels.append(label)
            label = ""
        else:
            label += character
    return tuple([*labels, label] if label else labels)
