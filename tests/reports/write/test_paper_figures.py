"""Figures for papers: what is drawn, read back from the drawing, is what the store's known answers come to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from matplotlib.axes import Axes
from PIL import Image
from stored_results import NEVER, WRONG, Made, cw, make, outcomes, pgd

from fer_bench.cli.main import main
from fer_bench.stats.rates import wilson
from reports.tables.breakdowns import curves
from reports.tables.frames import Frames
from reports.tables.results import Results
from reports.write.paper_figures import figures

STRONG, WEAK = outcomes(robust=120, wrong=40), outcomes(robust=50, wrong=60)


def drawn(frames: Frames) -> list[Axes]:
    results = Results(frames)
    return [figure.axes[0] for figure in figures(results.boards, curves(results))]


def bars(axes: Axes, across: bool = False) -> dict[str, list[tuple[float, float, float, float]]]:
    """Of each model the place of its dots, their value, and the two ends of their intervals."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for container in axes.containers:
        line, _, (reach,) = container.lines
        if line is None:  # intervals alone
            continue
        places, values = (line.get_ydata(), line.get_xdata()) if across else (line.get_xdata(), line.get_ydata())
        ends = [sorted(end[0 if across else 1] for end in segment) for segment in reach.get_segments()]
        rows = [(p, v, *e) for p, v, e in zip(map(float, places), map(float, values), ends, strict=True)]
        found.setdefault(str(container.get_label()), []).extend(rows)
    return found


def point(place: float, right: int, n: int = 200) -> Any:
    rate = wilson(right, n)
    return pytest.approx((place, 100 * rate.value, 100 * rate.low, 100 * rate.high))


def two_models(folder: Path) -> Frames:
    later = outcomes(robust=30, wrong=40)
    return make(
        folder,
        Made(STRONG, pgd(2 / 255), "strong"),
        Made(later, pgd(8 / 255), "strong"),
        Made(WEAK, pgd(2 / 255), "weak", "b" * 64),
        Made([NEVER] * 3 + [0.4] * 5 + [WRONG] * 2, cw(), "other", "c" * 64, data="few"),
    )


def test_curves_begin_at_the_clean_accuracy_and_show_every_budget(tmp_path: Path) -> None:
    by_title = {axes.get_title(): axes for axes in drawn(two_models(tmp_path))}
    axes = by_title["pgd on toys, n = 200"]
    assert bars(axes)["strong"] == [point(0, 160), point(2, 120), point(8, 30)]
    assert bars(axes)["weak"] == [point(0, 140), point(2, 50)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2", "8"]
    few = by_title["cw on few, n = 10"]
    assert bars(few)["other"] == [point(0, 8, 10), point(0.25, 8, 10), point(0.5, 3, 10), point(1, 3, 10)]
    for axes, unit in ((by_title["pgd on toys, n = 200"], "1/255"), (few, "pixels in [0, 1]")):
        assert unit in axes.get_xlabel()
        assert "(%)" in axes.get_ylabel()


def test_every_reading_of_every_model_has_its_row(tmp_path: Path) -> None:
    (axes,) = (a for a in drawn(two_models(tmp_path)) if a.get_title() == "robust accuracy on toys, n = 200")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["pgd@2/255", "pgd@8/255"]
    rows = bars(axes, across=True)
    assert [(round(place), *rest) for place, *rest in rows["strong"]] == [point(0, 120), point(1, 30)]
    assert [(round(place), *rest) for place, *rest in rows["weak"]] == [point(0, 50)]
    assert rows["strong"][0][0] != rows["weak"][0][0]  # not on top of each other


def test_clean_against_the_worst_case_at_the_smallest_budget(tmp_path: Path) -> None:
    (axes,) = (a for a in drawn(two_models(tmp_path)) if a.get_title() == "toys, n = 200")
    assert "Linf@2/255" in axes.get_ylabel()
    found = bars(axes)
    assert found["strong"][:1] == [point(80, 120)]
    assert found["weak"][:1] == [point(70, 50)]
    sideways = [container.lines[2][0].get_segments()[0] for container in axes.containers if container.lines[0] is None]
    rate = wilson(160, 200)
    assert sideways[0].tolist() == [pytest.approx([100 * end, 60]) for end in (rate.low, rate.high)]
    key = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert key == ["strong", "weak"]


def test_models_differ_without_colour_and_odd_names_stay_as_they_are(tmp_path: Path) -> None:
    names = ["_hidden", "$x_1$", *(f"m{i}" for i in range(8))]
    frames = make(tmp_path, *(Made(STRONG, pgd(), name, f"{i:064}") for i, name in enumerate(names)))
    axes = drawn(frames)[0]
    shown = [text.get_text().strip() for text in axes.figure.legends[0].get_texts()]
    assert sorted(shown) == sorted(names)
    curve = {a.get_title(): a for a in drawn(make(tmp_path / "b", *(Made(STRONG, cw(), n) for n in "abcdefgh")))}
    lines = [container.lines[0] for container in curve["cw on toys, n = 200"].containers]
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 8


def test_two_weights_of_one_name_are_told_apart(tmp_path: Path) -> None:
    frames = make(tmp_path, Made(STRONG, digest="a" * 64), Made(WEAK, digest="b" * 64))
    assert set(bars(drawn(frames)[0], across=True)) == {"toy (aaaaaaaa, seed 0)", "toy (bbbbbbbb, seed 0)"}


def said(*words: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["export", *map(str, words)])
    assert done.exit_code == code, done.output
    return done.output.strip()


def test_a_pdf_has_a_page_a_figure_and_text_that_can_be_found(tmp_path: Path) -> None:
    two_models(tmp_path / "r")
    path = tmp_path / "new" / "figures.pdf"
    assert said(tmp_path / "r", "--figures", path) == f"Figures: {path}"
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", content)) == 4
    assert b"/Subtype /Type3" not in content
    said(tmp_path / "r", "--figures", tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == content


def test_pictures_are_numbered_where_there_are_several(tmp_path: Path) -> None:
    two_models(tmp_path / "r")
    said(tmp_path / "r", "--figures", tmp_path / "f.svg")
    assert sorted(path.name for path in tmp_path.glob("*.svg")) == [f"f-{i}.svg" for i in range(1, 5)]
    assert "95 % interval" in (tmp_path / "f-1.svg").read_text(encoding="utf-8")
    make(tmp_path / "one", Made(STRONG, cw()))
    path = tmp_path / "g.PNG"
    assert said(tmp_path / "one", "--figures", path) == f"Figures: {path}"
    with Image.open(path) as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("cells", [[], [Made(STRONG)], [Made([], error="broke")]], ids=["none", "one", "failed"])
def test_nothing_to_compare_is_one_line(tmp_path: Path, cells: list[Made]) -> None:
    make(tmp_path / "r", *cells)
    text = said(tmp_path / "r", "--figures", tmp_path / "f.pdf", code=2)
    assert "there is nothing to draw" in text
    assert "\n" not in text
    assert not (tmp_path / "f.pdf").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--figures", "f.gif"], "cannot be drawn as '.gif'; it is one of .pdf, .svg, .png"),
        (["--figures", "f"], "a file without ending"),
        (["--figures", "f.pdf", "--table", "cells"], "leave --table and -o out"),
        (["--figures", "f.pdf", "-o", "x.csv"], "leave --table and -o out"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(tmp_path: Path, words: list[str], expected: str) -> None:
    text = said(tmp_path, *words, code=2)
    assert expected in text
    assert "\n" not in text
