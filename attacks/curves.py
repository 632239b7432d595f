"""Security curves: one attack at rising budgets, each on what the smaller ones left standing. It runs nothing.

A sample that fell at one budget has fallen at every larger one, so that robust accuracy cannot rise with eps. A curve
is a cell of its own; minimum-norm attacks give their whole curve in one run without this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attacks.card import AttackCard
from fer_bench.attack import Attack, by_stages
from fer_bench.types import AttackSpec, ParamValue, digest, format_eps, parse_number


def curve(card: AttackCard, settings: Mapping[str, str], levels: Sequence[float]) -> Attack:
    """The curve of an attack at `levels` (pixels in [0, 1], rising).

    The levels are those that nine decimals of 255ths can write, so that the stored ones are the ones attacked.
    Parameters written in terms of eps ('eps/4') follow each level. The cell keeps the smallest budget at which a sample
    fell through the norm of its perturbation, and is read at its own levels.
    """
    norm = card.norm(settings)
    written = [format_eps(level, norm) for level in levels]
    stages = tuple(card.attack(settings, parse_number(level)) for level in written)
    first = stages[0].spec
    params: list[tuple[str, ParamValue]] = [
        ("levels", ",".join(written)),
        *((name, value) for name, value in settings.items()),
        ("digest", digest([[a.spec.name, a.spec.params, a.spec.version] for a in stages])[:16]),
    ]
    label = f"{first.label} curve"
    spec = AttackSpec(card.name, first.norm, tuple(params), card.version, record="smallest", label=label)
    return Attack(spec, by_stages, stages=stages)
