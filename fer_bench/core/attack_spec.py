"""AttackSpec, an attack with every parameter set, and Parameter, one setting of it. No attack is known here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from fer_bench.core.threat import Norm, ThreatModel, parse_number

Rows = Literal["aligned", "shrinking", "own", "single"]
Record = Literal["first", "smallest", "largest"]
ParamValue = int | float | str | bool
Params = tuple[tuple[str, ParamValue], ...]


@dataclass(frozen=True)
class Parameter:
    """One setting of an attack: its default, its range (both ends allowed unless `open_low`) and what it means.

    `low` and `high` bound numbers; `choices` bound words. `steps=0` and `eps=-1` are refused by these.
    """

    name: str
    default: ParamValue
    meaning: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class AttackSpec:
    """An attack with every parameter set: exactly what is done.

    `record`: keep the first adversarial image within the budget, or (minimum-norm attacks, which have no `eps`) the
    one of smallest norm, or (regressors, no tolerance) the one of largest loss. `version` is raised by hand whenever
    the attack's own code could change a verdict. `label` is how tables call it: the name, and the parameters that
    differ from the card's defaults.
    """

    name: str
    norm: Norm
    params: Params
    version: int
    record: Record = "first"
    label: str = field(default="", compare=False)

    def param(self, name: str) -> ParamValue:
        """The value of the parameter `name`."""
        return dict(self.params)[name]

    def number(self, name: str) -> float:
        """The value of the numeric parameter `name`."""
        value = self.param(name)
        if isinstance(value, str):
            raise TypeError(f"parameter {name} of {self.name} is a word, not a number")
        return float(value)

    def word(self, name: str) -> str:
        """The value of a setting that is a word and need not be set: 'region', 'target'; empty where it is not."""
        return str(dict(self.params).get(name, ""))

    @property
    def target(self) -> str:
        """The class that the attack aims at: a class word, 'least-likely', 'random', or empty (any wrong class)."""
        return self.word("target")

    @property
    def loss(self) -> str:
        """What is raised on a regressor (`fer_bench.engine.goals.LOSSES`); empty for an attack on a classifier."""
        return self.word("loss")

    @property
    def tolerance(self) -> float | None:
        """The loss above which a regressor's prediction counts as broken; None where the largest loss is sought."""
        return self.number("tolerance") if "tolerance" in dict(self.params) else None

    @property
    def levels(self) -> tuple[float, ...]:
        """The rising budgets of a security curve; empty for any other attack."""
        return tuple(parse_number(text) for text in self.word("levels").split(",") if text)

    @property
    def source(self) -> str:
        """For a transfer cell the name of the model that the images were made on; empty otherwise."""
        return self.word("source")

    def integer(self, name: str) -> int:
        """The value of the whole-number parameter `name`."""
        return int(self.number(name))

    @property
    def minimum_norm(self) -> bool:
        """True where the attack searches the smallest perturbation instead of spending a budget."""
        return self.record == "smallest"

    @property
    def threat(self) -> ThreatModel:
        """Norm, budget and region; the budget of a minimum-norm attack is infinite."""
        return ThreatModel(self.norm, math.inf if self.minimum_norm else self.number("eps"), self.word("region"))
