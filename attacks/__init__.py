"""The attacks: cards, suites, curves, and how they are asked for. It knows no model, no data set and no page."""

from __future__ import annotations

from attacks.card import AttackCard
from attacks.registry import ATTACKS
from attacks.select import choose_attacks
from attacks.staged import SUITES, SuiteCard

__all__ = ["ATTACKS", "SUITES", "AttackCard", "SuiteCard", "choose_attacks"]
