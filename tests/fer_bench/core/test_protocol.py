"""Protocol v1: its constants, written a second time, and the reading of --eps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_bench.core import protocol
from fer_bench.core.threat import ThreatModel, format_eps, parse_number
from fer_bench.errors import UsageError

LINF_2, LINF_8, L2_HALF = ThreatModel("Linf", 2 / 255), ThreatModel("Linf", 8 / 255), ThreatModel("L2", 0.5)


def test_the_threats_of_version_1() -> None:
    """A change of any of these is a new version; leaderboards of the two do not compare."""
    assert protocol.VERSION == "v1"
    assert [str(threat) for threat in protocol.THREATS] == [
        "Linf@0.5/255",
        "Linf@1/255",
        "Linf@2/255",
        "Linf@4/255",
        "Linf@8/255",
        "L2@0.25",
        "L2@0.5",
        "L2@1",
    ]
    assert protocol.DEFAULT_EPS == (LINF_2, LINF_8, L2_HALF)
    assert set(protocol.DEFAULT_EPS) <= set(protocol.THREATS)


@pytest.mark.parametrize(
    ("text", "threats"),
    [
        (None, (LINF_2, LINF_8, L2_HALF)),
        ("2/255,8/255", (LINF_2, LINF_8, L2_HALF)),
        (" 4/255 ", (ThreatModel("Linf", 4 / 255), L2_HALF)),
        ("0.03", (ThreatModel("Linf", 0.03), L2_HALF)),
        ("1", (ThreatModel("Linf", 1.0), L2_HALF)),
        ("l2:1,L2:0.25", (ThreatModel("L2", 1.0), ThreatModel("L2", 0.25), LINF_2, LINF_8)),
        ("Linf:1/255,L2:3", (ThreatModel("Linf", 1 / 255), ThreatModel("L2", 3.0))),
        ("2/255,2/255,4/510,", (LINF_2, L2_HALF)),
    ],
)
def test_budgets_are_read(text: str | None, threats: tuple[ThreatModel, ...]) -> None:
    assert protocol.parse_eps(text) == protocol.Budgets(threats)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no budget"),
        (" , ", "names no budget"),
        ("8", "Linf budgets are above 0 and at most 1"),
        ("0", "above 0"),
        ("-1/255", "above 0"),
        ("L2:0", "L2 budgets are above 0 and at most 1000"),
        ("2/0", "'2/0' cannot be used"),
        ("nan", "cannot be used"),
        ("inf", "cannot be used"),
        ("1e400", "cannot be used"),
        ("1e400/1", "cannot be used"),
        ("8/255/2", "cannot be used"),
        ("eight", "'eight' cannot be used"),
        ("Lp:1", "names the norm 'Lp'; it is one of Linf, L2, L1, L0"),
        ("L2:Linf:1", "'L2:Linf:1' cannot be read"),
        ("1/255:2/255", "cannot be read"),
        ("2/255:1/255:log4", "LOW < HIGH"),
        ("1/255:2/255:log1", "K >= 2"),
        ("1/255:2/255:cubic4", "is no curve"),
        ("1/255:2/255:log4,1/255:4/255:log4", "two curves of Linf"),
        ("severity:6", "at most 5"),
    ],
)
def test_what_is_no_budget_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        protocol.parse_eps(text)
    assert reason in str(error.value)


@given(st.text("0123456789/.eE+-_ infa,:L2", max_size=12))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        budgets = protocol.parse_eps(text)
    except UsageError:
        return
    assert all(0 < threat.eps <= (1 if threat.norm == "Linf" else 1000) for threat in budgets.threats)


@given(st.sampled_from(["Linf", "L2"]), st.integers(1, 510))
def test_a_budget_survives_being_written(norm: str, halves: int) -> None:
    """Half steps of 1/255 (Linf) and of 1/200 (L2): what a table shows is what --eps takes."""
    eps = halves / 2 / 255 if norm == "Linf" else halves / 200
    written = format_eps(eps, norm)  # type: ignore[arg-type]
    assert parse_number(written) == pytest.approx(eps, rel=1e-12)
    assert protocol.parse_eps(f"{norm}:{written}").threats[0].eps == parse_number(written)


def test_a_curve_has_equal_ratios_or_equal_steps_and_ends_exactly() -> None:
    budgets = protocol.parse_eps("0.25/255:16/255:log7,L2:0.5:2:lin4")
    assert budgets.threats == ()
    log, lin = budgets.curve("Linf"), budgets.curve("L2")
    assert [round(level * 255, 9) for level in log] == [0.25, 0.5, 1, 2, 4, 8, 16]
    assert lin == (0.5, 1.0, 1.5, 2.0)
    assert (log[-1], lin[-1]) == (16 / 255, 2.0)
    assert protocol.parse_eps("L0:1:9:log5").curve("L0") == (1, 2, 3, 5, 9)
