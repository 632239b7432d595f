"""Verdicts to numbers: rates, worst cases, ranks, csv and terminal text, against stores whose answers are known."""

from __future__ import annotations

import dataclasses
import io
import math
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_results import CONTEXT, EPS, NEVER, WRONG, Made, cw, make, only, pgd

from fer_bench.core.threat import ThreatModel
from fer_bench.errors import StoreError
from fer_bench.stats.rates import Rate
from reports.tables import rates
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results
from reports.view.format import crop, decimal, duration, interval, percent, visible
from reports.write import html


def near(rate: Rate | None, value: float, low: float, high: float) -> bool:
    assert rate is not None
    return (rate.value, rate.low, rate.high) == pytest.approx((value, low, high), abs=5e-5)


# ------------------------------------------------------------------------------------------------------------- rates


def test_robust_accuracy_counts_images_right_before_and_not_fooled_with_scipys_wilson_bounds(tmp_path):
    entry = only(make(tmp_path, Made([WRONG, WRONG, NEVER, NEVER, NEVER, NEVER, NEVER, 0.01, 0.01, 0.01])))
    # 8 of 10 and 5 of 10: scipy.stats.binomtest(x, 10).proportion_ci(method="wilson").
    assert near(entry.clean.rate, 0.8, 0.49016, 0.94332)
    assert near(entry.scores["pgd@8/255"].robust.rate, 0.5, 0.23659, 0.76341)


def test_nothing_left_is_zero_with_an_interval_above_zero(tmp_path):
    entry = only(make(tmp_path, Made([0.01] * 10)))
    assert near(entry.scores["pgd@8/255"].robust.rate, 0.0, 0.0, 0.27753)


def test_worst_case_is_per_sample_over_attacks_of_one_norm_and_eps_only(tmp_path):
    entry = only(
        make(
            tmp_path,
            Made([0.01, 0.01, NEVER, NEVER, NEVER, NEVER, WRONG], pgd(EPS)),
            Made([0.01, NEVER, 0.01, NEVER, NEVER, NEVER, WRONG], pgd(EPS, "fgsm")),
            Made([NEVER, NEVER, NEVER, 0.001, NEVER, NEVER, WRONG], pgd(2 / 255)),
            Made([NEVER, NEVER, NEVER, NEVER, 0.02, NEVER, WRONG], pgd(EPS, "pgdl2", "L2")),
        )
    )
    assert {threat: (case.rate.value * 7, case.attacks) for threat, case in entry.worst.items()} == {
        "Linf@8/255": (pytest.approx(3), ("pgd", "fgsm")),
        "Linf@2/255": (pytest.approx(5), ("pgd",)),
        "L2@0.0313725": (pytest.approx(5), ("pgdl2",)),
    }


def test_a_minimum_norm_cell_is_read_at_every_budget_of_its_norm_with_rounding_allowed(tmp_path):
    sizes = [0.2, 0.5, 0.5 + 5e-7, 0.51, 0.9, NEVER, WRONG, 1.5]
    frames = make(tmp_path, Made(sizes, cw()), Made([NEVER] * 8, pgd(1.0, "pgdl2", "L2")), Made([NEVER] * 8, pgd(EPS)))
    entry = only(frames)
    left = {name: score.robust.rate.value * 8 for name, score in entry.scores.items() if name.startswith("cw")}
    assert left == {"cw@0.5": pytest.approx(4), "cw@1": pytest.approx(2)}
    assert entry.worst["L2@1"].attacks == ("cw", "pgdl2")
    assert "Linf@2/255" not in entry.worst


@pytest.mark.parametrize(
    ("outcomes", "median", "fell"),
    [
        ([0.1, 0.3, WRONG], 0.2, 2),
        ([0.1, 0.3, NEVER], 0.3, 2),
        ([0.1, NEVER, NEVER], math.inf, 1),
        ([0.1, NEVER], math.inf, 1),
        ([WRONG, WRONG], None, 0),
    ],
)
def test_the_median_norm_counts_survivors_as_infinite_and_leaves_wrong_ones_out(tmp_path, outcomes, median, fell):
    found = only(make(tmp_path, Made(outcomes, cw()))).minimum_norms["cw"]
    assert found.median == (None if median is None else pytest.approx(median))
    assert found.fell == fell


def test_macro_accuracy_gives_each_class_the_same_weight(tmp_path):
    entry = only(make(tmp_path, Made([NEVER] * 6 + [0.01, 0.01, 0.01, NEVER], labels=[0] * 6 + [3] * 4)))
    score = entry.scores["pgd@8/255"].robust
    assert score.rate.value == pytest.approx(0.7)
    assert score.macro is not None
    assert score.macro.value == pytest.approx((1 + 1 / 4) / 2)


def test_eight_bit_accuracy_gives_back_the_images_that_rounding_saves(tmp_path):
    made = Made([0.01, 0.01, 0.01, NEVER, WRONG], survive=frozenset({0}))
    score = only(make(tmp_path, made)).scores["pgd@8/255"]
    assert score.robust.rate.value == pytest.approx(1 / 5)
    assert score.eight_bit is not None
    assert score.eight_bit.value == pytest.approx(3 / 5)


def test_a_minimum_norm_reading_has_no_eight_bit_accuracy(tmp_path):
    assert only(make(tmp_path, Made([0.1, NEVER], cw()))).scores["cw@0.5"].eight_bit is None


def test_images_right_in_one_cell_and_wrong_in_another_are_counted(tmp_path):
    cells = (Made([NEVER, NEVER, WRONG]), Made([WRONG, NEVER, WRONG], pgd(2 / 255)))
    assert only(make(tmp_path, *cells)).unsteady == 1


# ----------------------------------------------------------------------------------------------------- rows and ranks


def test_ranks_follow_the_smallest_linf_budget_then_clean_accuracy_and_are_shared(tmp_path):
    def two(model: str, small: list, large: list) -> tuple[Made, Made]:
        return Made(small, pgd(2 / 255), model=model), Made(large, pgd(EPS), model=model)

    frames = make(
        tmp_path,
        *two("late", [NEVER, NEVER, 0.001, WRONG], [NEVER, NEVER, 0.01, WRONG]),
        *two("first", [NEVER, NEVER, NEVER, WRONG], [0.01, 0.01, 0.01, WRONG]),
        *two("equal", [NEVER, NEVER, 0.001, WRONG], [NEVER, NEVER, 0.01, WRONG]),
        *two("cleaner", [NEVER, NEVER, 0.001, 0.001], [0.01] * 4),
        Made([NEVER] * 4, pgd(EPS), model="unranked"),
    )
    [board] = Results(frames).boards
    assert board.ranked_by == ThreatModel("Linf", 2 / 255)
    names = [entry.first.cell.model for entry in board.entries]
    assert list(zip(board.ranks, names, strict=True)) == [
        (1, "first"),
        (2, "cleaner"),
        (3, "equal"),
        (3, "late"),
        (None, "unranked"),
    ]
    assert list(leaderboard(Results(frames))["model"]) == names


def test_other_data_weights_or_seed_is_another_row_and_the_difference_is_shown(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, 0.01]),
        Made([0.01, 0.01], seed=7),
        Made([NEVER, NEVER], digest="b" * 64),
        Made([NEVER, NEVER, NEVER]),
    )
    assert [(board.n, len(board.entries)) for board in Results(frames).boards] == [(2, 3), (3, 1)]
    text = html.as_text(Results(frames))
    assert "toy, weights aaaaaaaa, seed 7" in text
    assert "toy, weights bbbbbbbb, seed 0" in text


def test_settings_and_versions_that_share_a_label_are_told_apart(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, NEVER], pgd(version=1)),
        Made([NEVER, 0.01], pgd(version=2)),
        Made([0.001, 0.001], pgd(2 / 255, version=2)),
        Made([0.01, NEVER], pgd(name="bim", steps=10)),
        Made([0.01, NEVER], pgd(name="bim", steps=20)),
    )
    scores = {name: score.robust.rate.value for name, score in only(frames).scores.items()}
    assert scores == {
        "pgd v1@8/255": 1,
        "pgd v2@8/255": 0.5,
        "pgd@2/255": 0,
        "bim steps=10@8/255": 0.5,
        "bim steps=20@8/255": 0.5,
    }


def test_readings_come_attack_by_attack_in_order_of_eps(tmp_path):
    cells = [Made([NEVER], pgd(EPS)), Made([NEVER], pgd(EPS, "fgsm")), Made([NEVER], pgd(2 / 255)), Made([0.1], cw())]
    names = [reading.name for reading in rates.readings(make(tmp_path, *cells))]
    assert names == ["pgd@2/255", "pgd@8/255", "fgsm@8/255", "cw@0.5"]


def test_unfinished_and_failed_cells_are_in_no_number(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, 0.01]),
        Made([0.01], pgd(2 / 255), finished=False, n=2),
        Made([0.01], pgd(EPS, "fgsm"), error="broke", n=2),
    )
    assert list(only(frames).scores) == ["pgd@8/255"]
    assert only(frames).worst["Linf@8/255"].rate.value == pytest.approx(0.5)


# ---------------------------------------------------------------------------------------------------------------- csv


def test_csv_has_exactly_the_columns_and_blanks_where_nothing_was_measured(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, 0.01, WRONG, WRONG], pgd(EPS), model="a"),
        Made([0.3, 0.7, WRONG, NEVER], cw(), model='b,"'),
    )
    html.write_csv(Results(frames), tmp_path / "new" / "board.csv")
    assert (tmp_path / "new" / "board.csv").read_text().splitlines() == [
        "model,task,data,n,clean_accuracy,robust_accuracy[pgd@8/255],robust_accuracy[cw@0.5],"
        "worst_case[Linf@8/255],worst_case[L2@0.5]",
        "a,expression,toys,4,0.5,0.25,,0.25,",
        '"b,""",expression,toys,4,0.75,,0.5,,0.5',
    ]


def test_csv_of_nothing_is_a_header(tmp_path):
    html.write_csv(Results(make(tmp_path)), tmp_path / "board.csv")
    assert (tmp_path / "board.csv").read_text() == "model,task,data,n,clean_accuracy\n"
    assert pd.read_csv(tmp_path / "board.csv").empty


def test_a_write_that_fails_is_one_line_and_leaves_the_old_file_alone(tmp_path, monkeypatch):
    frames = make(tmp_path / "store", Made([NEVER]))
    (tmp_path / "board.csv").write_text("old")

    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StoreError, match=r"board\.csv cannot be written \(No space left on device\)") as caught:
            html.write_csv(Results(frames), tmp_path / "board.csv")
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError):
        html.write_html(Results(frames), tmp_path / "board.csv" / "report.html")
    assert (tmp_path / "board.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board.csv", "store"]


# --------------------------------------------------------------------------------------------------------------- text


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 100, 140, 700])
def test_text_keeps_to_the_width_and_every_block_names_the_models(tmp_path, width):
    cells = [Made([NEVER, 0.0001], pgd(k / 255, f"attack{k}"), model=m) for k in range(1, 20) for m in ("aa", "bb")]
    text = html.as_text(Results(make(tmp_path, *cells)), width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert all(f"attack{k}@{k}/255" in text for k in range(1, 20))
    headings = sum(line.startswith(" # ") or line.startswith("#") for line in lines)
    assert sum(" aa " in line for line in lines) == sum(" bb " in line for line in lines) == headings >= 1
    assert (headings == 1) == (width == 700)


def test_text_shows_numbers_of_the_row_and_na_for_what_is_absent(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, 0.01, WRONG], pgd(EPS), model="a"),
        Made([NEVER, NEVER, NEVER], pgd(2 / 255), model="b"),
    )
    rows = {line.split()[1]: line.split() for line in html.as_text(Results(frames), 120).splitlines() if " 3 " in line}
    assert rows == {
        "a": ["-", "a", "3", "66.7", "n/a", "33.3", "n/a", "33.3"],
        "b": ["1", "b", "3", "100", "100", "n/a", "100", "n/a"],
    }


def test_text_of_an_empty_store_and_of_failures_only_says_so(tmp_path):
    assert html.as_text(Results(make(tmp_path / "empty"))) == (
        "These results hold no cells yet; `ferbench run` makes some."
    )
    failed = make(tmp_path / "failed", Made([], error="weights\nlost", n=3), Made([NEVER], cw(), finished=False, n=3))
    assert html.as_text(Results(failed), 100).splitlines() == [
        "No cell is finished, so there is no leaderboard yet.",
        "",
        "2 of 2 cells failed or are unfinished:",
        "  failed: toy, pgd@8/255 (Linf): weights lost",
        "  unfinished: toy, cw (L2, minimum norm): 1 of 3 images judged; the command that started it goes ...",
    ]


def test_text_takes_hostile_names_literally_and_lets_no_control_character_through(tmp_path):
    names = ["[red]x[/red]", "\x1b[31mx", "a\nb", "\u202etxt", "y" * 500]
    text = html.as_text(Results(make(tmp_path, *(Made([NEVER], model=name) for name in names))), 100)
    assert "[red]x[/red]" in text
    assert not set(text) & {"\x1b", "\u202e"}
    assert r"a\u000ab" in text
    assert max(map(len, text.splitlines())) <= 100


def test_text_survives_a_terminal_without_unicode(tmp_path, monkeypatch):
    frames = make(tmp_path, Made([NEVER], model="модель"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert html.as_text(Results(frames), 100).isascii()


# ------------------------------------------------------------------------------------------------------------ display


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0"),
        (0.0004, "<0.1"),
        (1e-12, "<0.1"),
        (0.0006, "0.1"),
        (0.345, "34.5"),
        (0.9994, "99.9"),
        (0.9996, ">99.9"),
        (1 - 1e-12, ">99.9"),
        (1.0, "100"),
        (None, "n/a"),
        (math.nan, "n/a"),
    ],
)
def test_percent_never_lies_at_the_ends(share, text):
    assert percent(share) == text


@given(st.floats(0, 1))
def test_only_exact_ends_are_shown_as_0_and_100(share):
    text = percent(share)
    assert (text in ("0", "0.0")) == (share == 0)
    assert (text in ("100", "100.0")) == (share == 1)


def test_other_numbers_for_display():
    assert [decimal(x) for x in (0.0, 0.0001, 0.2214, 32.51, 12345.6, math.inf, None)] == [
        *("0", "<0.001", "0.221", "32.5", "12,346", "∞", "n/a")
    ]
    assert [duration(x) for x in (0.0, 0.01, 2.25, 1234.5)] == ["0.0", "<0.1", "2.2", "1,234.5"]
    assert interval(Rate(0.5, 0.0002, 0.99999)) == "<0.1 to >99.9"
    assert crop("abcdef", 5) == "ab..."
    assert visible("a\u202eb\x00é") == r"a\u202eb\u0000é"


def test_context_of_a_cell_reaches_the_page_rows(tmp_path):
    defended = dataclasses.replace(CONTEXT, defended=True, parameters=58_423)
    assert "toys · 2024 · 58,423 parameters · defended" in html.render(
        Results(make(tmp_path, Made([NEVER], context=defended)))
    )
