"""How keys, draws and stores write an attack: golden/attack-params.json, written before attacks were typed.

A key that changes is a cell that is run again and a verdict that no seed finds.
"""

from __future__ import annotations

import json

import pytest
from attack_requests import FILE, Request, requests, written

STORED = [(Request(*request), specs) for request, specs in json.loads(FILE.read_text(encoding="utf-8"))]


def test_the_file_has_every_attack():
    assert [request for request, _ in STORED] == list(requests())


@pytest.mark.parametrize(("request_", "specs"), STORED, ids=[f"{r.attacks}@{r.eps}" for r, _ in STORED])
def test_definition_key_and_draws_are_those_that_were_written(request_, specs):
    assert json.dumps(written(request_)) == json.dumps(specs)  # as text: 1 is not 1.0, and the order counts
