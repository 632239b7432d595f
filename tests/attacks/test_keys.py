"""How keys, draws and stores write an attack: golden/attack-params.json, written before attacks were typed.

A key that changes is a cell that is run again and a verdict that no seed finds.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from attack_requests import FILE, Request, cell, requests, specs, written

from attacks.on_regressors import for_task
from attacks.select import attack_again, choose_attacks
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.errors import UsageError
from fer_bench.store.records import cell_from, definition_json

STORED = [(Request(*request), stored) for request, stored in json.loads(FILE.read_text(encoding="utf-8"))]
EACH = pytest.mark.parametrize(("asked", "stored"), STORED, ids=[f"{r.attacks}@{r.eps}-{r.task}" for r, _ in STORED])


def test_the_file_has_every_attack():
    assert [request for request, _ in STORED] == list(requests())


@EACH
def test_definition_key_and_draws_are_those_that_were_written(asked, stored):
    assert json.dumps(written(asked)) == json.dumps(stored)  # as text: 1 is not 1.0, and the order counts


@EACH
def test_what_is_read_back_is_the_attack_that_was_asked_for(asked, stored):
    """From the store's JSON; from a baseline's, whose params are an object; and as what a replay runs again."""
    for spec in specs(asked):
        text = definition_json(replace(cell(spec), attack=spec))
        assert cell_from(text).attack == spec
        params = tuple(dict(json.loads(text)["attack"]["params"]).items())
        assert AttackSpec.from_params(spec.name, spec.norm, params, spec.version, spec.record) == spec
        again = attack_again(spec)
        assert again.spec == spec
        assert all(stage.spec.loss == spec.loss for stage in again.stages)


def test_a_curve_on_regressors_has_the_tolerance_that_was_asked_for():
    asked = choose_attacks("fgsm(tolerance=0.25)", "1/255:4/255:log3")
    (curve,) = for_task(asked, "va")
    assert {curve.spec.tolerance, *(stage.spec.tolerance for stage in curve.stages)} == {0.25}
    assert [name for name, _ in curve.spec.key_params()] == ["levels", "tolerance", "digest", "loss"]
    assert attack_again(curve.spec).spec == curve.spec
    with pytest.raises(UsageError, match=r"fgsm\(tolerance=...\) is for valence-arousal regressors"):
        for_task(asked, "expression")
