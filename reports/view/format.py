"""Numbers and names to text for people. It never lies at the ends: only exact 0 and 1 are shown as 0 and 100."""

from __future__ import annotations

import math
import unicodedata

from fer_bench.core.attack_spec import ParamValue
from fer_bench.core.digest import digest
from fer_bench.core.threat import Norm, format_eps
from fer_bench.stats.rates import Rate
from fer_bench.store.results import StoredCell

ABSENT = "n/a"
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def percent(share: float | None) -> str:
    """A fraction in [0, 1] as a percentage with one decimal: '34.5', '<0.1', '>99.9', '0', '100', 'n/a'."""
    if share is None or math.isnan(share):
        return ABSENT
    if share in (0, 1):
        return f"{100 * share:.0f}"
    text = f"{100 * share:.1f}"
    return {"0.0": "<0.1", "100.0": ">99.9"}.get(text, text)


def interval(rate: Rate) -> str:
    """The 95 % interval of a rate in per cent: '28.1 to 41.5'."""
    return f"{percent(rate.low)} to {percent(rate.high)}"


def decimal(value: float | None) -> str:
    """A quantity that is not a rate, to three digits: '0.221', '12', '<0.001', '∞', 'n/a'."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞"
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Seconds with one decimal: '1,234.5'; '<0.1' for what would read 0.0."""
    text = f"{seconds:,.1f}"
    return "<0.1" if text == "0.0" and seconds > 0 else text


def visible(text: str) -> str:
    """`text` with control and text-direction characters written out, so that a name cannot disguise itself."""
    return "".join(_escaped(c) if c in _BIDI or _controls(c) else c for c in text)


def _controls(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}"


def attack_name(cell: StoredCell) -> str:
    """The attack of a cell with its budget: 'pgd@8/255 (Linf)', 'cw (L2, minimum norm)'."""
    attack = cell.cell.attack
    label = visible(cell.context.attack_label)
    if attack.minimum_norm:
        return f"{label} ({attack.norm}, minimum norm)"
    return f"{label}@{str(attack.threat).partition('@')[2]} ({attack.norm})"


def anchor(kind: str, *identity: str) -> str:
    """The id of a place on the page: the same for the same identity, and safe whatever it says."""
    return f"{kind}-{digest(identity)[:12]}"


def crop(text: str, width: int) -> str:
    """`text` in at most `width` characters, '...' at its end where something is missing."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def millions(parameters: int) -> str:
    """A number of parameters: '4.27 M parameters', '58,423 parameters'."""
    return f"{parameters / 1e6:.3g} M parameters" if parameters >= 1e6 else f"{parameters:,} parameters"


def parameter(name: str, value: ParamValue, norm: Norm) -> str:
    """One setting of an attack for reading: 'steps=50', 'eps=8/255', 'step=0.001961'."""
    if name == "eps" and isinstance(value, float):
        return f"eps={format_eps(value, norm)}"
    return f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
