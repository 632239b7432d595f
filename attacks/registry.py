"""ATTACKS: the registry of attack cards; importing it runs nothing."""

from __future__ import annotations

from attacks import autoattack, ccc, cw, gradient
from attacks.card import AttackCard
from fer_bench.registry import Registry

#: Every attack by name; third-party packages add theirs through the entry-point group "ferbench.attacks".
ATTACKS: Registry[AttackCard] = Registry("attack", "ferbench.attacks")

for _card in (*gradient.CARDS, *autoattack.CARDS, *cw.CARDS, *ccc.CARDS):
    ATTACKS.register(_card.name, _card)
