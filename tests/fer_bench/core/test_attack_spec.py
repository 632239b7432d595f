"""The order in which a key lists an attack's settings, and what is no attack's definition."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.threat import ThreatModel

PGD = AttackSpec("pgd", ThreatModel("Linf", 0.5, "eyes"), (("steps", 3),), 1, target="random")
CURVE = AttackSpec("pgd", ThreatModel("Linf", math.inf), (("steps", "3"),), 1, levels=(1 / 255, 0.5), target="sad")


def names(spec: AttackSpec) -> list[str]:
    return [name for name, _ in spec.key_params()]


def test_the_usual_order():
    everything = replace(PGD, loss="squared", tolerance=0.0, stages=("fgsm", "pgd"), stages_digest="d", source="other")
    assert replace(everything, source_digest="a").key_params() == (
        ("eps", 0.5),
        ("stages", "fgsm,pgd"),
        ("steps", 3),
        ("target", "random"),
        ("region", "eyes"),
        ("digest", "d"),
        ("loss", "squared"),
        ("tolerance", 0.0),
        ("source", "other"),
        ("source_digest", "a"),
    )
    assert CURVE.key_params() == (("levels", "1/255,127.5/255"), ("steps", "3"), ("target", "sad"))


def test_what_stands_otherwise_is_named_and_the_rest_follows_in_the_usual_order():
    asked = replace(CURVE, order=("levels", "target", "steps", "digest"), stages_digest="d")
    assert names(asked) == ["levels", "target", "steps", "digest"]
    assert names(replace(asked, loss="squared", tolerance=0.0))[3:] == ["digest", "loss", "tolerance"]
    late = replace(PGD, tolerance=0.1)
    assert names(replace(late, loss="squared", order=tuple(names(late))))[-2:] == ["tolerance", "loss"]
    assert names(replace(late, loss="squared"))[-2:] == ["loss", "tolerance"]


def test_specs_are_equal_where_their_keys_are_however_the_order_was_said():
    assert replace(PGD, order=("eps",)) == replace(PGD, order=tuple(names(PGD))) == replace(PGD, order=("loss",)) == PGD
    turned = replace(PGD, order=("region",))
    assert turned == replace(PGD, order=("region", "eps", "steps", "target")) != PGD
    assert replace(turned, threat=ThreatModel("Linf", 0.5)) == replace(PGD, threat=ThreatModel("Linf", 0.5))
    there = replace(turned, source="other", source_digest="a")
    assert replace(there, source="", source_digest="") == turned


@pytest.mark.parametrize("params", [(("eps", 0.5),), (("steps", 3), ("steps", 4))])
def test_a_setting_stands_once(params):
    with pytest.raises(ValueError, match=f"'{params[0][0]}' stands twice"):
        replace(PGD, params=params)


@pytest.mark.parametrize(
    "params",
    [
        (("eps", "0.5"),),
        (("tolerance", "0.5"),),
        (("target", 3),),
        (("levels", "0.00392/1"),),  # no curve writes its levels so: they would be stored anew under another key
        (("target", ""),),
        (("steps", 3), ("steps", 3)),
    ],
)
def test_what_no_spec_writes_is_refused(params):
    with pytest.raises((ValueError, TypeError)):
        AttackSpec.from_params("pgd", "Linf", params, 1)


def test_a_setting_is_asked_for_by_the_name_that_the_key_has():
    assert (PGD.number("eps"), PGD.integer("steps"), PGD.param("region")) == (0.5, 3, "eyes")
    with pytest.raises(KeyError):
        CURVE.param("eps")
    with pytest.raises(TypeError, match="region of pgd is a word"):
        PGD.number("region")
