"""ATTACKS: the registry of attack cards; importing it runs nothing."""

from __future__ import annotations

from attacks import autoattack, cam, ccc, cw, frequency, gradient, hopskipjump, pyramid, severity, universal, warp
from attacks.card import AttackCard
from fer_bench.registry import Registry

#: Every attack by name; third-party packages add theirs through the entry-point group "ferbench.attacks".
ATTACKS: Registry[AttackCard] = Registry("attack", "ferbench.attacks")

for _module in (gradient, autoattack, cw, ccc, cam, pyramid, frequency, universal, warp, hopskipjump, severity):
    for _card in _module.CARDS:
        ATTACKS.register(_card.name, _card)

#: Names that stand for several attacks.
GROUPS = {"corruptions": tuple(card.name for card in severity.CARDS)}
