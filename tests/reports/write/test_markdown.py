"""The report as Markdown: the numbers of the leaderboard, models across; nothing becomes markup; nothing is dropped."""

from __future__ import annotations

import re

from stored_results import NEVER, WRONG, Made, cw, make, pgd

from fer_bench.api import results
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results
from reports.write.markdown import as_markdown


def rows(text: str) -> dict[str, list[str]]:
    """The cells of every table line by its first cell."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_numbers_stand_under_their_model_in_the_order_of_the_ranks(tmp_path):
    outcomes = [0.01, 0.02, 0.001, NEVER, WRONG]
    frames = make(
        tmp_path,
        Made([0.01, 0.02, 0.001, 0.004, WRONG], model="weak"),
        Made(outcomes, model="strong"),
        Made([0.3, 0.6, 0.2, NEVER, WRONG], cw(), model="strong"),
    )
    table = rows(as_markdown(Results(frames)))
    assert table[""] == ["strong", "weak"]
    assert [cell.split(" ")[0] for cell in table["clean accuracy"]] == ["80.0", "80.0"]
    assert [cell.split(" ")[0] for cell in table["pgd@8/255"]] == ["20.0", "0"]
    assert [cell.split(" ")[0] for cell in table["worst case Linf@8/255"]] == ["20.0", "0"]
    assert table["cw@0.5"][0].startswith("40.0 (")
    assert table["cw@0.5"][1] == "n/a"
    assert table["cw, median norm"][0] == "0.45 (3 of 4 fell)"
    board = leaderboard(Results(frames)).set_index("model")
    assert board.loc["strong", "robust_accuracy[pgd@8/255]"] == 0.2


def test_failed_cells_are_listed_with_their_reason(tmp_path):
    frames = make(tmp_path, Made([0.01]), Made([], pgd(2 / 255), error="pgd broke: ValueError: no luck"))
    assert "pgd broke: ValueError: no luck" in as_markdown(Results(frames))


def test_hostile_names_stay_text(tmp_path):
    name = "<script>alert(1)</script> | `x` [y](http://z) *b* _i_"
    text = as_markdown(Results(make(tmp_path, Made([0.01], model=name))))
    assert "<script>" not in text.replace("\\<script\\>", "")
    header = next(line for line in text.splitlines() if "alert" in line)
    assert len(re.findall(r"(?<!\\)\|", header)) == 3  # still one model in one column
    assert "](http" not in text.replace("\\](http", "")


def test_the_report_verb_writes_markdown_for_a_name_in_md(tmp_path):
    make(tmp_path / "results", Made([0.01]))
    page = results.report(tmp_path / "results", tmp_path / "deep" / "page.md")
    assert page.read_text(encoding="utf-8").startswith("# Robustness of FER models, protocol v1")


def test_flags_stand_below_the_table_with_what_they_are_about(tmp_path):
    text = as_markdown(
        Results(make(tmp_path, Made([0.01, NEVER], zero_gradient_rows=6), Made([0.001], pgd(0.5 / 255), model="b")))
    )
    notes = [line for line in text.splitlines() if line.startswith("- ")]
    assert any("zero gradient" in line and "pgd@8/255" in line for line in notes)
    assert any("below 8 bits" in line for line in notes)
