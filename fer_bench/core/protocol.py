"""Protocol v1: what a number on our leaderboard means. A change of anything here is protocol v2.

It holds constants and reads eps lists; it must not run or format anything. See docs/design/protocol.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fer_bench.core.threat import BUDGETS, NORMS, Norm, ThreatModel, parse_number
from fer_bench.errors import UsageError

VERSION = "v1"

#: Every threat of the protocol.
THREATS = (
    *(ThreatModel("Linf", k / 255) for k in (0.5, 1, 2, 4, 8)),
    *(ThreatModel("L2", eps) for eps in (0.25, 0.5, 1.0)),
)
#: Budgets used where a run names none.
DEFAULT_EPS: tuple[ThreatModel, ...] = (
    ThreatModel("Linf", 2 / 255),
    ThreatModel("Linf", 8 / 255),
    ThreatModel("L2", 0.5),
)
#: Where a run names none, for threats beside the protocol: an L1 of 5, ten pixels, a warp of one pixel, corruptions of
#: the middle level. Minimum-norm attacks of these norms are read there where nothing else is spent.
BESIDE: dict[Norm, tuple[float, ...]] = {"L1": (5.0,), "L0": (10.0,), "flow": (1.0,), "severity": (3.0,)}

_EXPECTED = "give numbers such as 2/255,8/255, L2:0.5, or a curve such as 0.25/255:16/255:log8"
_LEVELS = re.compile(r"(?P<scale>log|lin)(?P<count>\d{1,3})")


@dataclass(frozen=True)
class Budgets:
    """What --eps asks for: budgets, each a cell of its own, and per norm the rising levels of a security curve."""

    threats: tuple[ThreatModel, ...]
    curves: tuple[tuple[Norm, tuple[float, ...]], ...] = ()

    def of(self, norm: Norm) -> tuple[float, ...]:
        """The budgets of a norm, in the order asked for; of a threat beside the protocol its one default otherwise."""
        asked = tuple(threat.eps for threat in self.threats if threat.norm == norm)
        return asked or (() if self.curve(norm) else BESIDE.get(norm, ()))

    def curve(self, norm: Norm) -> tuple[float, ...]:
        """The levels of a norm's security curve; empty where none was asked for."""
        return dict(self.curves).get(norm, ())


def parse_eps(text: str | None) -> Budgets:
    """Reads '2/255,8/255,L2:0.5' and '0.25/255:16/255:log8': Linf unless a norm stands first. None gives DEFAULT_EPS.

    A curve LOW:HIGH:logK (linK) has K levels from LOW to HIGH at equal ratios (differences). A norm that the text does
    not mention keeps its defaults. Raises UsageError naming what cannot be read.
    """
    if text is None:
        return Budgets(DEFAULT_EPS)
    asked: list[ThreatModel] = []
    curves: dict[Norm, tuple[float, ...]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        norm, numbers = _norm(part)
        if len(numbers) == 3:
            if norm in curves:
                raise UsageError(f"--eps names two curves of {norm}; give one.")
            curves[norm] = _levels(part, norm, *numbers)
        elif len(numbers) == 1:
            asked.append(ThreatModel(norm, _eps(part, numbers[0], norm)))
        else:
            raise UsageError(f"--eps: '{part}' cannot be read; {_EXPECTED}.")
    if not asked and not curves:
        raise UsageError(f"--eps names no budget; {_EXPECTED}.")
    mentioned = {threat.norm for threat in asked} | set(curves)
    threats = (*dict.fromkeys(asked), *(threat for threat in DEFAULT_EPS if threat.norm not in mentioned))
    return Budgets(threats, tuple(curves.items()))


def _norm(part: str) -> tuple[Norm, list[str]]:
    """The norm that a part names (Linf where it names none), and what stands between its colons."""
    first, *rest = [piece.strip() for piece in part.split(":")]
    for norm in NORMS:
        if first.lower() == norm.lower():
            return norm, rest
    if rest and not any(character.isdigit() for character in first):
        raise UsageError(f"--eps: '{part}' names the norm '{first}'; it is one of {', '.join(NORMS)}, as in L2:0.5.")
    return "Linf", [first, *rest]


def _levels(part: str, norm: Norm, low_text: str, high_text: str, scale: str) -> tuple[float, ...]:
    found = _LEVELS.fullmatch(scale)
    low, high = _eps(part, low_text, norm), _eps(part, high_text, norm)
    if found is None or int(found["count"]) < 2 or not low < high:
        raise UsageError(f"--eps: '{part}' is no curve; give LOW:HIGH:logK or LOW:HIGH:linK, LOW < HIGH, K >= 2.")
    count = int(found["count"])
    shares = [i / (count - 1) for i in range(count)]
    if found["scale"] == "log":
        levels = [low * (high / low) ** share for share in shares]
    else:
        levels = [low + (high - low) * share for share in shares]
    levels[-1] = high
    if norm in ("L0", "severity"):
        levels = [float(round(level)) for level in levels]
    return tuple(dict.fromkeys(levels))


def _eps(part: str, number: str, norm: Norm) -> float:
    high, _ = BUDGETS[norm]
    try:
        eps = parse_number(number)
    except (ValueError, ZeroDivisionError):
        eps = -1.0
    if not 0 < eps <= high:
        raise UsageError(
            f"--eps: '{part}' cannot be used; {norm} budgets are above 0 and at most {high:g}, for pixels in [0, 1]."
        )
    return eps
