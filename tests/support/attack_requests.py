"""Every way of asking for an attack that changes its key, and what the store then writes. It must test nothing itself.

`PYTHONPATH=. python tests/support/attack_requests.py` makes golden/attack-params.json again, where keys are to change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from places import GOLDEN

from attacks import ATTACKS, SUITES, AttackCard, choose_attacks
from attacks.on_regressors import for_task
from fer_bench.bench.transfer import carries, transferred
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.model_card import Task
from fer_bench.core.threat import Norm
from fer_bench.store.records import definition_json

FILE = GOLDEN / "attack-params.json"
CURVES: dict[Norm, str] = {
    "Linf": "0.25/255:16/255:log4",
    "L2": "L2:0.1:2:log3",
    "L0": "L0:1:30:lin3",
    "flow": "flow:0.5:2:log3",
    "severity": "severity:1:5:lin5",
}


class Request(NamedTuple):
    """What is asked for, as `--attacks` and `--eps` say it, and on what data."""

    attacks: str
    eps: str = "8/255"
    target: str | None = None
    task: Task = "expression"


def requests() -> Iterator[Request]:
    """Every attack at each of its norms, aimed, confined, as a curve, on regressors; suites; settings in odd order."""
    for card in ATTACKS:
        if card.status == "refused":
            continue
        if card.regressors != "no":
            yield from _on_regressors(card)
        if card.regressors != "only":
            yield from _on_classifiers(card)
    for suite in SUITES:
        yield Request(suite.name)
    yield Request("autoattack(eps=4/255,square.queries=100,apgd-t.steps=10)")
    yield Request("pgd-10(target=sad,region=mouth),gaussian-noise(severity=2),fgsm(eps=0.1)")


def _on_classifiers(card: AttackCard) -> Iterator[Request]:
    for norm in card.norms:
        yield Request(f"{card.name}(norm={norm})")
    if card.minimum_norm:
        yield Request(f"{card.name}(eps=0.5)" if card.norms[0] != "L0" else f"{card.name}(eps=5)")
    setting = [f"{p.name}={p.default}" for p in card.parameters[:1]]
    aim = ["target=happiness"] if card.targeted else []
    confined = ["region=mouth+eyes"] if card.regional else []
    if aim:
        yield Request(f"{card.name}(target=happiness)")
        yield Request(card.name, target="least-likely")
    if confined:
        yield Request(f"{card.name}(region=mouth+eyes)")
    everything = f"{card.name}({','.join([*confined, *aim, *setting])})"
    yield Request(everything)
    if not card.minimum_norm and card.norms[0] in CURVES:
        curve = CURVES[card.norms[0]]
        yield Request(card.name, curve)
        yield Request(everything, curve)
        yield Request(f"{card.name}({','.join([*setting, *aim, *confined])})", curve)
        yield Request(f"{card.name}(norm={card.norms[0].lower()})", curve)


def _on_regressors(card: AttackCard) -> Iterator[Request]:
    asked = ["", "tolerance=0.25", "loss=valence-up", "loss=valence-up,tolerance=0.1", "tolerance=0.1,loss=quadrant"]
    for settings in asked if card.regressors != "only" else asked[:1]:
        yield Request(f"{card.name}({settings})", task="va")
    if not card.minimum_norm:
        yield Request(f"{card.name}(region=nose)", task="va")
    if not card.minimum_norm and card.regressors != "only":
        yield Request(card.name, CURVES[card.norms[0]], task="va")
        yield Request(f"{card.name}(loss=valence-up)", CURVES[card.norms[0]], task="va")


def specs(request: Request) -> list[AttackSpec]:
    """The specs of a request, and of those whose images carry over the spec of the transfer cell."""
    made = for_task(choose_attacks(request.attacks, request.eps, request.target), request.task)
    carried = [transferred(attack.spec, "other", "c" * 64) for attack in made if carries(attack)]
    return [*(attack.spec for attack in made), *carried]


def cell(spec: AttackSpec) -> Cell:
    """A cell of the spec, its version aside: an attack may be mended without its tuple's being another."""
    return Cell("toy", "a" * 64, replace(spec, version=1), "toys", "b" * 64, 8, 0)


def written(request: Request) -> list[list[Any]]:
    """For each spec what the store holds of its attack, its cell's key, and the seed of its draws."""
    return [[json.loads(definition_json(one))["attack"], one.key, one.draw_seed] for one in map(cell, specs(request))]


if __name__ == "__main__":
    lines = [json.dumps([list(request), written(request)], ensure_ascii=False) for request in requests()]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
