"""The command under a row, read back: it asks for the same attacks, budgets, settings and curves."""

from __future__ import annotations

import shlex

import pytest
from stored_results import EPS, NEVER, Made, make, only

from attacks import ATTACKS, choose_attacks
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from reports.view.commands import command


@pytest.mark.slow
def test_the_command_of_a_row_asks_for_the_same_attacks(tmp_path):
    cards = [card for card in ATTACKS if card.status != "refused"]
    budgets = {"Linf": 2 / 255, "L2": 0.5, "L1": 5.0, "L0": 3.0, "flow": 1.0, "severity": 2.0}
    specs = [card.spec({}, None if card.minimum_norm else budgets[card.norms[0]]) for card in cards]
    specs += [ATTACKS.get("pgd").spec({"steps": "7"}, EPS), ATTACKS.get("pgd").spec({"alpha": "0.0123456789"}, 0.0123)]
    specs += [ATTACKS.get("cw").spec({"c": "5", "steps": "3"})]
    specs += [
        ATTACKS.get("square").spec({"norm": "L2", "queries": "9"}, 0.5),
        ATTACKS.get("fab-t").spec({"norm": "L2"}),
    ]
    frames = make(tmp_path, *(Made([NEVER], spec, model="a b", seed=3) for spec in specs))
    words = shlex.split(command(only(frames).cells))
    assert words[:4] == ["ferbench", "run", "--models", "a b"]
    assert words[6:] == ["--data", "toy", "--n", "1", "--seed", "3", "--out", "reproduced"]

    def key(spec: AttackSpec) -> str:
        return Cell("m", "", spec, "", "", 1, 0).key

    assert {key(attack.spec) for attack in choose_attacks(words[5])} == {key(spec) for spec in specs}


def test_the_commands_of_curves_ask_for_their_levels_and_settings(tmp_path):
    asked = [
        ("pgd-10,pgd(steps=3,alpha=eps/8),fgsm", "0.25/255:8/255:log5"),
        ("square(norm=L2,queries=20),pgdl2", "L2:0.5:2:lin4"),
    ]
    made = [attack.spec for text, eps in asked for attack in choose_attacks(text, eps)]
    specs = [*made, ATTACKS.get("pgd").spec({"steps": "7"}, EPS)]
    frames = make(tmp_path, *(Made([NEVER], spec) for spec in specs))
    parts = [shlex.split(part) for part in command(only(frames).cells).split(" && ")]
    again = [a.spec for words in parts for a in choose_attacks(words[5], words[7] if words[6] == "--eps" else None)]
    assert len(parts) == 2
    assert [spec.levels for spec in made if spec.levels] == [spec.levels for spec in again if spec.levels]
    assert {(spec.name, spec.key_params()) for spec in specs} == {(spec.name, spec.key_params()) for spec in again}
