"""ThreatModel: the norm of a perturbation and its budget, how budgets are read and how they are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fer_bench.errors import UsageError

#: Of each norm the largest budget that can be asked for, and what a budget of it is in words.
BUDGETS: dict[Norm, tuple[float, str]] = {
    "Linf": (1.0, "a number above 0 and at most 1 in [0, 1] pixel units, such as 8/255"),
    "L2": (1000.0, "a number above 0 and at most 1000 in [0, 1] pixel units, such as 0.5"),
    "L1": (1e6, "a number above 0 and at most 1000000 in [0, 1] pixel units, such as 10"),
    "L0": (1e6, "a whole number of pixels from 1"),
    "flow": (1000.0, "a number of pixels above 0, such as 1"),
    "severity": (5.0, "a whole number from 1 to 5"),
}


def budget(attack: str, norm: Norm, given: str | float | None) -> float:
    """The budget that was `given`, checked against the range of its norm. Raises UsageError."""
    high, expected = BUDGETS[norm]
    if given is None:
        raise UsageError(f"{attack} needs a budget: give eps, {expected}.")
    try:
        eps = given if isinstance(given, float) else parse_number(str(given))
    except (ValueError, ZeroDivisionError):
        eps = math.nan
    whole = norm not in ("L0", "severity") or eps == int(eps if math.isfinite(eps) else 0)
    if not 0 < eps <= high or not whole:
        raise UsageError(f"{attack}: eps={given} cannot be used; eps is {expected}.")
    return eps


#: Linf, L2, L1: of the pixel difference. L0: changed pixel positions. flow: largest displacement, in pixels.
#: severity: the level of a corruption, 1 to 5. The last two are budgets by construction: no pixel tells them.
Norm = Literal["Linf", "L2", "L1", "L0", "flow", "severity"]
NORMS: tuple[Norm, ...] = ("Linf", "L2", "L1", "L0", "flow", "severity")


def format_eps(eps: float, norm: Norm) -> str:
    """`eps` as the field writes it: Linf in 255ths ('8/255', '0.5/255'), other norms as a decimal ('0.5', '12').

    An infinite budget, that of an attack that searches the smallest perturbation, is written 'minimum'.
    """
    if math.isinf(eps):
        return "minimum"
    if norm == "Linf":
        return f"{round(eps * 255, 9):g}/255"
    return f"{eps:g}"


@dataclass(frozen=True)
class ThreatModel:
    """What the attacker may do: the norm of the perturbation and its budget `eps`, for pixels in [0, 1].

    A gray image counts one channel. `eps` is infinite for an attack that searches the smallest perturbation.
    `region` names the part of the face that may be touched (`fer_bench.faces.landmarks`); empty: all of the image.
    """

    norm: Norm
    eps: float
    region: str = ""

    def __str__(self) -> str:
        where = f" {self.region}" if self.region else ""
        return f"{self.norm}@{format_eps(self.eps, self.norm)}{where}"

    @property
    def tolerance(self) -> float:
        """Rounding allowed on top of `eps` for an image in float32.

        1e-6, and for L2 1e-6 of eps besides; for L1, a sum over all pixels, 1e-5 of eps; L0 counts and has none.
        """
        if self.norm == "L0":
            return 0.0
        return 1e-6 + {"L2": 1e-6, "L1": 1e-5}.get(self.norm, 0.0) * (self.eps if math.isfinite(self.eps) else 0.0)

    @property
    def by_construction(self) -> bool:
        """True where the attack states the size of what it did, because the pixels do not tell it."""
        return self.norm in ("flow", "severity")


def parse_number(text: str) -> float:
    """A number as people write it: '0.03', '0.5/255', '1e-3'. Raises ValueError (8/255/2) or ZeroDivisionError."""
    numerator, slash, denominator = text.partition("/")
    return float(numerator) / float(denominator) if slash else float(text)
