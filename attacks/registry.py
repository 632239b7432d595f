"""ATTACKS: the registry of attack cards; importing it runs nothing."""

from __future__ import annotations

from attacks import refused
from attacks.card import AttackCard
from attacks.corruptions import cards
from attacks.face import band_pgd, cam, pyramid, warp
from attacks.minimum import cw, deepfool, ead, fmn, hopskipjump, jsma
from attacks.setwise import ccc, universal
from attacks.wrapped import autoattack, blackbox, few_pixels, gradient, momentum, variants
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
    fmn,
    ead,
    blackbox,
    hopskipjump,
    jsma,
    few_pixels,
    ccc,
    cam,
    pyramid,
    band_pgd,
    universal,
    warp,
    cards,
    refused,
):
    for _card in _family.CARDS:
        ATTACKS.register(_card.name, _card)

#: Names that stand for several attacks.
GROUPS = {"corruptions": tuple(card.name for card in cards.CARDS)}
