"""The attacks: one registry of cards. It knows no model, no data set and no page."""

from __future__ import annotations

from attacks import autoattack, cw, gradient
from attacks.card import AttackCard
from fer_bench.registry import Registry

__all__ = ["ATTACKS", "AttackCard"]

#: Every attack by name; third-party packages add theirs through the entry-point group "ferbench.attacks".
ATTACKS: Registry[AttackCard] = Registry("attack", "ferbench.attacks")

for _card in (*gradient.CARDS, *autoattack.CARDS, *cw.CARDS):
    ATTACKS.register(_card.name, _card)
