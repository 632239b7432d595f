"""Protocol v1: what a number on our leaderboard means. A change of anything here is protocol v2.

It holds constants and reads eps lists; it must not run or format anything. See docs/design/protocol.md.
"""

from __future__ import annotations

from fer_bench.errors import UsageError
from fer_bench.types import Norm, ThreatModel, parse_number

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


def parse_eps(text: str | None) -> tuple[ThreatModel, ...]:
    """Reads '2/255,8/255,L2:0.5': Linf unless a norm stands before a colon. None gives DEFAULT_EPS.

    A norm that the text does not mention keeps its defaults. Raises UsageError naming what cannot be read.
    """
    if text is None:
        return DEFAULT_EPS
    asked: list[ThreatModel] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        word, colon, number = part.rpartition(":")
        norm: Norm = "Linf"
        if colon:
            if word.strip().lower() not in ("linf", "l2"):
                raise UsageError(f"--eps: '{part}' names the norm '{word}'; it is Linf or L2, as in L2:0.5.")
            norm = "L2" if word.strip().lower() == "l2" else "Linf"
        asked.append(ThreatModel(norm, _eps(part, number, norm)))
    if not asked:
        raise UsageError("--eps names no budget; give numbers such as 2/255,8/255 or L2:0.5.")
    mentioned = {threat.norm for threat in asked}
    return (*dict.fromkeys(asked), *(threat for threat in DEFAULT_EPS if threat.norm not in mentioned))


def _eps(part: str, number: str, norm: Norm) -> float:
    high = 1.0 if norm == "Linf" else 1000.0
    try:
        eps = parse_number(number)
    except (ValueError, ZeroDivisionError):
        eps = -1.0
    if not 0 < eps <= high:
        raise UsageError(
            f"--eps: '{part}' cannot be used; {norm} budgets are above 0 and at most {high:g}, for pixels in [0, 1]."
        )
    return eps
