"""Sanity flags on an outcome: what a reader must know before trusting a number. It only reads stored counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fer_bench.store.results import StoredCell

#: Share of backward rows with an exactly zero gradient above which gradients may be masked.
ZERO_GRADIENT_SHARE = 0.01
#: Largest Linf budget at which an 8-bit image cannot hold the perturbation.
EIGHT_BIT_FLOOR = 1 / 255


@dataclass(frozen=True)
class Flag:
    """A badge: a short code, the reason in one sentence, and what it is about: a cell, its model, or its threat."""

    code: str
    reason: str
    about: Literal["cell", "model", "threat"] = "cell"


def flags(found: StoredCell) -> tuple[Flag, ...]:
    """The flags of a stored cell, most serious first."""
    raised: list[Flag] = []
    backward = max(found.backward_rows, 1)
    if found.bad_gradient_rows:
        raised.append(
            Flag("non-finite gradient", f"{found.bad_gradient_rows} of {backward} gradients were not finite.")
        )
    share = found.zero_gradient_rows / backward
    if share > ZERO_GRADIENT_SHARE:
        raised.append(
            Flag(
                "zero gradient",
                f"{share:.1%} of the gradients were exactly zero: gradient attacks may be blind here, and this robust "
                "accuracy too high.",
            )
        )
    if found.unconfirmed:
        raised.append(
            Flag(
                "unconfirmed",
                f"{found.unconfirmed} adversarial images did not fool the model when asked again, and were attacked "
                "once more: the model may be random or depend on the batch.",
            )
        )
    if found.context.contaminated:
        raised.append(Flag("contaminated?", found.context.contaminated, "model"))
    raised += [Flag(finding.code, finding.reason, "model") for finding in found.findings]
    if found.context.missing_in_model:
        names = ", ".join(found.context.missing_in_model)
        raised.append(
            Flag("lacks classes", f"The model has no class for {names}; those images count as wrong.", "model")
        )
    threat = found.cell.attack.threat
    if threat.norm == "Linf" and threat.eps < EIGHT_BIT_FLOOR:
        raised.append(
            Flag(
                "below 8 bits",
                "The budget is below one grey level (1/255): the perturbation usually cannot be stored in an 8-bit "
                "image.",
                "threat",
            )
        )
    return tuple(raised)
