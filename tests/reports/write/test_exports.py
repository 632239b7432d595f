"""Tables for other programs: what they count, against stores of known answers, and that every form reads back."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from stored_kinds import regressor_cell, suite_cell, targeted_cell, transfer_cells
from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd

import fer_bench
from fer_bench.cli.main import main
from fer_bench.errors import UsageError
from fer_bench.stats.rates import wilson
from reports.tables import breakdowns
from reports.tables.results import Results
from reports.write.exports import TABLES

SUFFIXES = [".csv", ".parquet", ".json", ".md", ".tex"]


def store(tmp_path: Path, name: str = "toy") -> Path:
    """Four images of 'angry' (one wrong, one fooled) and two of 'happy' (one fooled); a cw cell; a failure."""
    make(
        tmp_path,
        Made([NEVER, NEVER, 0.01, WRONG, NEVER, 0.02], labels=[0, 0, 0, 0, 3, 3], model=name),
        Made([0.3, 0.7, 0.1, WRONG, NEVER, 2.0], cw(), labels=[0, 0, 0, 0, 3, 3], model=name),
        Made([], pgd(2 / 255), labels=[0, 0, 0, 0, 3, 3], n=6, model=name, error="no luck"),
    )
    return tmp_path


def two_models(tmp_path: Path) -> None:
    """Three images that a model withstands, and another one only in part."""
    make(tmp_path, Made([NEVER, NEVER, NEVER]), Made([NEVER, WRONG, 0.01], model="other"))


def test_per_class_accuracies_are_counted_within_the_class(tmp_path):
    table = breakdowns.per_class(Results(fer_bench.load(store(tmp_path))))
    rows = table[table["reading"] == "pgd@8/255"].set_index("class")
    assert rows["images"].to_dict() == {"angry": 4, "happy": 2}
    assert rows["clean_accuracy"].to_dict() == {"angry": 0.75, "happy": 1.0}
    assert rows["robust_accuracy"].to_dict() == {"angry": 0.5, "happy": 0.5}
    assert rows["low"].to_dict() == pytest.approx({"angry": wilson(2, 4).low, "happy": wilson(1, 2).low})


def test_confusion_counts_sum_to_the_matrices_before_and_after(tmp_path):
    """A fooled sample of class c is predicted as c + 1; a wrong one was so before."""
    table = breakdowns.confusion(Results(fer_bench.load(store(tmp_path))))
    own = table[table["reading"] == "pgd@8/255"]
    assert own["images"].sum() == 6
    clean = own.groupby(["truth", "clean"])["images"].sum().to_dict()
    assert clean == {("angry", "angry"): 3, ("angry", "disgust"): 1, ("happy", "happy"): 2}
    attacked = own.groupby(["truth", "attacked"])["images"].sum().to_dict()
    assert attacked == {
        ("angry", "angry"): 2,
        ("angry", "disgust"): 2,
        ("happy", "happy"): 1,
        ("happy", "sad"): 1,
    }
    within = table[table["reading"] == "cw@0.5"].groupby(["truth", "attacked"])["images"].sum().to_dict()
    assert within == {("angry", "angry"): 1, ("angry", "disgust"): 3, ("happy", "happy"): 2}  # 0.7 and 2.0 are beyond


def test_a_class_that_the_model_lacks_is_named_so(tmp_path):
    fewer = dataclasses.replace(CONTEXT, model_classes=("angry",))
    table = breakdowns.confusion(Results(make(tmp_path, Made([WRONG, NEVER], context=fewer))))
    assert table["clean"].tolist() == ["angry", breakdowns.UNKNOWN]


def test_targets_are_counted_by_true_class_and_class_aimed_at_without_those_that_were_not_tried(tmp_path):
    """Of class 0 two were aimed at 3 (one reached) and one at 4; wrong images and those of class 3 are left out."""
    targeted_cell(tmp_path)
    table = TABLES["targeted"].build(Results(fer_bench.load(tmp_path)))
    assert list(table.columns)[5:] == ["reading", "truth", "target", "tried", "reached", "success_rate", "low", "high"]

    def counts(reading):
        own = table[table["reading"] == reading].set_index(["truth", "target"])
        return {pair: (row["tried"], row["reached"]) for pair, row in own.iterrows()}

    assert counts("pgd(random)@8/255") == {
        ("angry", "happy"): (2, 1),
        ("angry", "sad"): (1, 1),
        ("disgust", "happy"): (2, 2),
        ("disgust", "sad"): (1, 0),
    }
    assert counts("cw(random)@2/255") == {  # 0.0078: nothing was reached so near
        ("angry", "happy"): (2, 0),
        ("angry", "sad"): (1, 0),
        ("disgust", "happy"): (2, 0),
        ("disgust", "sad"): (1, 0),
    }
    first = table.iloc[0]
    rate = wilson(1, 2)
    assert (first["success_rate"], first["low"], first["high"]) == (0.5, rate.low, rate.high)


def test_cells_without_a_target_have_no_row_among_the_targeted(tmp_path):
    assert TABLES["targeted"].build(Results(fer_bench.load(store(tmp_path)))).empty


def test_a_curve_falls_from_the_clean_accuracy_through_the_budgets(tmp_path):
    table = breakdowns.curves(Results(fer_bench.load(store(tmp_path))))
    points = {
        attack: list(zip(own["norm"], own["eps"].round(6), (own["robust_accuracy"] * 6).round(6), strict=True))
        for attack, own in table.groupby("attack")
    }
    assert points == {
        "cw": [("L2", 0, 5), ("L2", 0.25, 4), ("L2", 0.5, 3), ("L2", 1.0, 2)],
        "pgd": [("Linf", 0, 5), ("Linf", round(8 / 255, 6), 3)],
    }


def test_verdicts_carry_the_names_of_classes_and_of_their_cell(tmp_path):
    table = breakdowns.named_verdicts(fer_bench.load(store(tmp_path)))
    assert len(table) == 12
    own = table[table["attack"] == "pgd"]
    assert own["truth"].tolist() == ["angry"] * 4 + ["happy"] * 2
    assert own["attacked_prediction"].tolist() == ["angry", "angry", "disgust", "disgust", "happy", "sad"]
    assert own["right"].tolist() == [True, True, True, False, True, True]
    assert set(own["eps"]) == {8 / 255}
    assert table.loc[table["attack"] == "cw", "eps"].isna().all()


@pytest.mark.parametrize("name", TABLES)
def test_csv_parquet_and_json_hold_the_same_numbers_exactly(tmp_path, name):
    stores = {"transfer": transfer_cells, "stages": suite_cell, "va": regressor_cell, "pairs": two_models}
    stores["targeted"] = targeted_cell
    stores.get(name, store)(tmp_path)
    for suffix in (".csv", ".parquet", ".json"):
        fer_bench.export(tmp_path, tmp_path / f"t{suffix}", name)
    parquet = pd.read_parquet(tmp_path / "t.parquet")
    assert len(parquet) > 0
    csv = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, na_values=[""])
    text = (tmp_path / "t.json").read_text()
    records = json.loads(text, parse_constant=lambda word: pytest.fail(f"JSON with {word}"))
    assert list(csv.columns) == list(parquet.columns) == list(records[0])
    for row, (_, other), record in zip(parquet.itertuples(index=False), csv.iterrows(), records, strict=True):
        for value, read, stated in zip(row, other, record.values(), strict=True):
            if pd.isna(value) or value == "":
                assert pd.isna(read)
                assert stated in (None, "")
            else:
                assert value == stated
                assert read == (pytest.approx(value, rel=1e-15) if isinstance(value, float) else value)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_table_of_an_empty_store_can_be_written(tmp_path, name, suffix):
    make(tmp_path)
    path = fer_bench.export(tmp_path, tmp_path / f"t{suffix}", name)
    assert path.stat().st_size > 0
    if suffix == ".json":
        assert json.loads(path.read_text()) == []


HOSTILE = "a&b_c%d$#{e}~^\\ <script>|\n\u202e" + "x" * 500


def test_hostile_names_stay_in_their_cell(tmp_path):
    store(tmp_path, HOSTILE)
    for suffix in SUFFIXES:
        fer_bench.export(tmp_path, tmp_path / f"t{suffix}", "leaderboard")
    assert pd.read_csv(tmp_path / "t.csv")["model"].tolist() == [HOSTILE]
    assert json.loads((tmp_path / "t.json").read_text())[0]["model"] == HOSTILE
    assert (tmp_path / "t.json").read_text().isascii()
    columns = len(pd.read_csv(tmp_path / "t.csv").columns)
    markdown = (tmp_path / "t.md").read_text().splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in markdown] == [columns + 1] * 3
    assert "<script" not in markdown[2].replace("\\<script", "")
    latex = (tmp_path / "t.tex").read_text()
    assert "\u202e" not in latex
    body = latex.split("\\midrule\n")[1].split("\\bottomrule")[0]
    assert len(body.splitlines()) == 1
    assert len(re.findall(r"(?<!\\)&", body)) == columns - 1
    commands = ("\\textbackslash ", "\\textasciitilde ", "\\textasciicircum ", "\\space ")
    for command in (*commands, "\\{", "\\}", "\\_", "\\#", "\\%", "\\$", "\\&"):
        body = body.replace(command, "")
    assert not set(body.rstrip("\\\n ")) & set("#$%_{}~^\\")


def test_latex_is_a_booktabs_table_with_numbers_to_the_right(tmp_path):
    store(tmp_path)
    lines = fer_bench.export(tmp_path, tmp_path / "t.tex", "curves").read_text().splitlines()
    assert lines[:2] == ["\\begin{tabular}{lllrrllrrrr}", "\\toprule"]
    assert lines[3] == "\\midrule"
    assert lines[-2:] == ["\\bottomrule", "\\end{tabular}"]
    assert lines[4].startswith("toy & ")


def test_text_tables_never_lie_at_the_ends_and_say_na(tmp_path):
    frame = pd.DataFrame({"share": [1 / 35_887, 1 - 1 / 35_887, 1.0, math.nan]})
    from reports.write.exports import _FORMATS

    text = _FORMATS[".md"](frame)
    assert isinstance(text, str)
    assert [line.strip("| ") for line in text.splitlines()[2:]] == ["2.78652e-05", "0.999972", "1", "n/a"]
    latex = _FORMATS[".tex"](frame)
    assert isinstance(latex, str)
    assert "n/a" in latex
    parquet = _FORMATS[".parquet"](frame)
    assert isinstance(parquet, bytes)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet)), frame)


def test_an_unknown_table_or_ending_is_refused_before_the_results_are_read(tmp_path):
    with pytest.raises(UsageError, match=r"unknown table 'curve'\. Did you mean curves"):
        fer_bench.export(tmp_path / "nowhere", "t.csv", "curve")
    with pytest.raises(UsageError, match=r"written as '\.xls'; it is one of \.csv, \.parquet"):
        fer_bench.export(tmp_path / "nowhere", "t.xls")


def test_the_command_writes_where_asked_and_lists_the_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store(Path("results"))
    done = CliRunner().invoke(main, ["export", "--table", "cells"])
    assert done.stdout == "Table: cells.csv\n", done.exception
    assert pd.read_csv("cells.csv")["status"].tolist() == ["done", "done", "failed"]
    listed = CliRunner().invoke(main, ["export", "--list"]).stdout
    assert all(name in listed for name in TABLES)
    refused = CliRunner().invoke(main, ["export", "-o", "t"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
