"""From what people ask for (names, settings, budgets) to attacks ready to run. It runs nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from attacks.card import AttackCard
from attacks.on_regressors import for_task
from attacks.registry import ATTACKS, GROUPS
from attacks.staged import SUITES, curve, suite_of
from fer_bench.core import protocol
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine.attack import Attack
from fer_bench.errors import UsageError
from fer_bench.registry import unknown_name


def choose_attacks(text: str | Iterable[str], eps: str | None = None, target: str | None = None) -> list[Attack]:
    """The attacks of 'all', 'corruptions' or of a list such as "pgd(steps=50,eps=4/255),cw,standard", one per budget.

    A budget attack or a suite without an eps of its own is run at every budget of `eps` of its norm (protocol v1's
    defaults where None), and a budget attack once more as a security curve where `eps` asks for one; a minimum-norm
    attack is run once. `target`, a class word, 'least-likely' or 'random', is given to every attack that can aim. 'all'
    leaves out what is refused, is for regressors only, has no budget of its norm, or cannot aim at `target`. Raises
    UsageError before any work.
    """
    joined = text if isinstance(text, str) else ",".join(text)
    budgets = protocol.parse_eps(eps)
    chosen: dict[AttackSpec, Attack] = {}
    for request in parse_attacks(joined):
        names = _all(budgets, target) if request.name == "all" else GROUPS.get(request.name, (request.name,))
        if request.name == "all" and request.settings:
            raise UsageError("'all' takes no parameters; name the attack that they are for.")
        for name in names:
            for attack in _budgeted(_aimed(AttackRequest(name, request.settings), target), budgets):
                chosen[attack.spec] = attack
    return list(chosen.values())


def _all(budgets: protocol.Budgets, target: str | None) -> list[str]:
    """The attacks that a run with these budgets and this target can carry out."""
    return [
        card.name
        for card in ATTACKS
        if card.status != "refused"
        and card.regressors != "only"
        and (card.targeted or target is None)
        and (card.minimum_norm or budgets.of(card.norms[0]) or budgets.curve(card.norms[0]))
    ]


def attack_again(spec: AttackSpec) -> Attack:
    """The attack of a stored spec, as this version of the program has it. Raises UsageError where it has none."""
    suite = suite_of(spec.name)
    if suite is not None:
        settings = {name: str(value) for name, value in spec.params}
        return suite.attack(ATTACKS, {**settings, "norm": spec.norm}, spec.threat.eps)
    card = ATTACKS.get(spec.name)
    if spec.levels:
        # What was asked for stands before the digest of the stages; a loss or a tolerance behind it follows by itself.
        asked = itertools.takewhile(lambda setting: setting[0] != "digest", spec.key_params())
        again = curve(card, {name: str(value) for name, value in asked if name != "levels"}, spec.levels)
        return for_task([again], "va" if spec.loss else "expression")[0]
    return Attack(replace(spec, version=card.version), card.program, card.fit)


def check(attacks: Iterable[Attack], shape: Sequence[int]) -> None:
    """Refuses budgets that images of `shape` (channels, height, width) cannot hold. Raises UsageError."""
    for attack in attacks:
        check(attack.stages, shape)
        if not attack.stages and attack.spec.name in ATTACKS:
            ATTACKS.get(attack.spec.name).check(attack.spec, shape)


def card_of(name: str) -> tuple[AttackCard, dict[str, str]]:
    """The card of a name, and the settings that the name itself makes: 'pgd-10' is pgd(steps=10). Raises UsageError."""
    stem, dash, count = name.rpartition("-")
    if name not in ATTACKS and dash and count.isdigit() and stem in ATTACKS:
        return ATTACKS.get(stem), {"steps": count}
    if name not in ATTACKS:
        raise unknown_name("attack", name, [*ATTACKS.names(), *GROUPS, *SUITES.names()])
    return ATTACKS.get(name), {}


def _aimed(request: AttackRequest, target: str | None) -> AttackRequest:
    """The request with the run's target, where it can have one. Raises UsageError where it cannot, but was named."""
    if target is None or "target" in dict(request.settings):
        return request
    if suite_of(request.name) or not card_of(request.name)[0].targeted:
        served = ", ".join(card.name for card in ATTACKS if card.targeted)
        raise UsageError(f"{request.name} cannot aim at a class (--target {target}); these can: {served}.")
    return AttackRequest(request.name, (*request.settings, ("target", target)))


def _budgeted(request: AttackRequest, budgets: protocol.Budgets) -> list[Attack]:
    """One attack for each budget it is asked for, and one for its curve."""
    settings = dict(request.settings)
    suite = suite_of(request.name)
    if suite is not None:
        if "eps" in settings:
            return [suite.attack(ATTACKS, settings)]
        return [suite.attack(ATTACKS, settings, eps) for eps in budgets.of(suite.norm(settings))]
    card, implied = card_of(request.name)
    if "steps" in settings and implied:
        raise UsageError(f"{request.name} and steps={settings['steps']} name two numbers of steps; give one.")
    settings = {**settings, **implied}
    if card.norms == ("severity",) and "severity" in settings:
        settings["eps"] = settings.pop("severity")
    if card.minimum_norm or "eps" in settings:
        return [card.attack(settings)]
    norm = card.norm(settings)
    made = [card.attack(settings, eps) for eps in budgets.of(norm)]
    levels = budgets.curve(norm)
    if not made and not levels:
        raise UsageError(f"{request.name} needs a budget of {norm}: give eps, or --eps {norm}:NUMBER.")
    return [*made, curve(card, settings, levels)] if levels else made


_ITEM = re.compile(r"\s*(?P<name>[A-Za-z0-9_\-]+)\s*(?:\((?P<settings>[^()]*)\))?\s*")


@dataclass(frozen=True)
class AttackRequest:
    """An attack as asked for: its name and the settings as written, in order."""

    name: str
    settings: tuple[tuple[str, str], ...] = ()


def parse_attacks(text: str) -> list[AttackRequest]:
    """Splits a comma-separated list of attacks. Raises UsageError with the place that cannot be read."""
    requests = []
    position = 0
    while position < len(text):
        found = _ITEM.match(text, position)
        if found is None:
            raise UsageError(
                f"cannot read the attacks from '{text[position:]}' on; expected NAME or NAME(parameter=value,...), "
                "separated by commas."
            )
        requests.append(AttackRequest(found["name"], _settings(found["name"], found["settings"])))
        position = found.end()
        if position < len(text):
            if text[position] == "(":
                raise UsageError(f"{found['name']}: its bracket is not closed, or holds another one.")
            if text[position] != ",":
                raise UsageError(f"cannot read the attacks from '{text[position:]}' on; a comma was expected there.")
            position += 1
    if not requests:
        raise UsageError("no attack was named; give names separated by commas, or 'all'.")
    return requests


def _settings(name: str, text: str | None) -> tuple[tuple[str, str], ...]:
    settings: list[tuple[str, str]] = []
    for part in (text or "").split(","):
        if not part.strip():
            continue
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value:
            raise UsageError(f"{name}: cannot read '{part.strip()}'; expected parameter=value.")
        if key in dict(settings):
            raise UsageError(f"{name}: {key} is set twice.")
        settings.append((key, value))
    return tuple(settings)
