"""ATTACKS: the registry of attack cards; importing it runs nothing."""

from __future__ import annotations

from attacks import (
    autoattack,
    blackbox,
    cam,
    ccc,
    cw,
    deepfool,
    ead,
    frequency,
    gradient,
    hopskipjump,
    jsma,
    minimum,
    momentum,
    pyramid,
    refused,
    severity,
    sparse,
    universal,
    variants,
    warp,
)
from attacks.card import AttackCard
from fer_bench.registry import Registry

#: Every attack by name; third-party packages add theirs through the entry-point group "ferbench.attacks".
ATTACKS: Registry[AttackCard] = Registry("attack", "ferbench.attacks")

for _family in (
    gradient,
    variants,
    momentum,
    autoattack,
    cw,
    deepfool,
    minimum,
    ead,
    blackbox,
    hopskipjump,
    jsma,
    sparse,
    ccc,
    cam,
    pyramid,
    frequency,
    universal,
    warp,
    severity,
    refused,
):
    for _card in _family.CARDS:
        ATTACKS.register(_card.name, _card)

#: Names that stand for several attacks.
GROUPS = {"corruptions": tuple(card.name for card in severity.CARDS)}
