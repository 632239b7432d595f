"""Figures of cost and of smallest perturbations, and places that belong together, by numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import Tree
from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd
from toys import CLASSES

from reports.tables.frames import Frames
from reports.tables.results import Results
from reports.view.costs import cost_figures, logarithmic, strength_figures
from reports.view.figures import distributions, security_curves, smallest, within
from reports.view.page import page
from reports.view.sections import sections
from reports.view.svg import round_ticks
from reports.write import html


def costing(frames: Frames, rows: list[tuple[int, int, float]]) -> Frames:
    """The same cells, in order, with other costs: forward rows, backward rows, seconds."""
    cells = zip(frames.stored.values(), rows, strict=True)
    stored = {
        cell.id: dataclasses.replace(cell, forward_rows=forward, backward_rows=backward, seconds=seconds)
        for cell, (forward, backward, seconds) in cells
    }
    return dataclasses.replace(frames, stored=stored)


def exact(drawing: str) -> list[float]:
    return [float(value) for value in re.findall(r'data-value="([^"]+)"', drawing)]


def names(drawing: str) -> list[str]:
    return re.findall(r'class="name-of[^>]*>([^<]+)<', drawing)


def named(frames: Frames):
    [board] = Results(frames).boards
    return board, tuple(entry.first.cell.model for entry in board.entries)


def test_the_cost_figures_show_each_cell_and_the_dearest_attack_on_top(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, WRONG], pgd(), model="ant"),
        Made([NEVER, WRONG], pgd(), model="bee"),
        Made([NEVER, 0.001], pgd(name="fgsm"), model="ant"),
        Made([], pgd(name="bim"), model="ant", n=2, error="It broke."),
    )
    rows, seconds = cost_figures(costing(frames, [(20, 18, 2.0), (200, 180, 0.5), (6, 2, 40.0), (0, 0, 0.0)]))
    assert (exact(rows.drawing), exact(seconds.drawing)) == ([6, 20, 200], [0.5, 2, 40])  # lines from below
    assert (names(rows.drawing), names(seconds.drawing)) == (["pgd", "fgsm"], ["fgsm", "pgd"])  # names from above
    assert "bee, pgd@8/255 (Linf): 200" in rows.drawing
    places = [float(x) for x in re.findall(r'class="mark-of" d="M([\d.]+)', rows.drawing)]
    # From 6 to 20 and to 200 on a logarithmic axis: the steps are as log(20/6) to log(10).
    assert (places[1] - places[0]) / (places[2] - places[1]) == pytest.approx(math.log10(20 / 6), abs=0.02)


def test_an_attack_is_the_strongest_for_its_cost_where_no_other_is_as_strong_for_as_few_rows(tmp_path):
    """On ant pgd is stronger and dearer than fgsm; on bee it is dearer only; bim is alone on its budget."""
    frames = make(
        tmp_path,
        Made([0.001, 0.001, NEVER, WRONG], pgd(), model="ant"),
        Made([0.001, NEVER, NEVER, WRONG], pgd(name="fgsm"), model="ant"),
        Made([0.001, NEVER, NEVER, WRONG], pgd(), model="bee"),
        Made([0.001, NEVER, NEVER, WRONG], pgd(name="fgsm"), model="bee"),
        Made([0.001, NEVER, NEVER, WRONG], pgd(2 / 255, "bim"), model="bee"),
    )
    frames = costing(frames, [(40, 36, 1.0), (8, 4, 1.0), (40, 36, 1.0), (8, 4, 1.0), (8, 4, 1.0)])
    [figure] = strength_figures(frames, *named(frames))
    assert figure.title == "Linf@8/255: toys, n = 4"
    assert sorted(names(figure.drawing)) == ["fgsm (2 of 2)", "pgd (1 of 2)"]
    assert sorted(exact(figure.drawing)) == [0.25, 0.5, 0.5, 0.5]
    assert "ant, pgd: 25.0 % robust for 19 rows per image" in figure.drawing
    assert "bee, fgsm: 50.0 % robust for 3 rows per image" in figure.drawing


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=9))
def test_a_logarithmic_axis_holds_its_values_between_ticks_that_rise(values):
    axis = logarithmic("rows", values)
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value in values)
    ticks = [place for place, _ in axis.ticks]
    assert ticks == sorted(set(ticks))
    assert (ticks[0], ticks[-1]) == (axis.low, axis.high)


@given(st.floats(1e-4, 1e5))
def test_round_ticks_are_few_even_and_within(high):
    ticks = round_ticks(high)
    steps = {round((b - a) / ticks[1][0], 6) for (a, _), (b, _) in itertools.pairwise(ticks)}
    assert steps == {1.0}
    assert 0.5 * high <= ticks[-1][0] <= high * (1 + 1e-6)
    assert 4 <= len(ticks) - 1 <= 10
    assert [float(words) for _, words in ticks] == pytest.approx([place for place, _ in ticks], rel=1e-5)


def test_a_share_falls_within_the_size_that_holds_it():
    sizes = [0.1, 0.2, 0.3, 0.4, math.inf]
    shares = (0.2, 0.21, 0.4, 0.8, 0.81)
    assert [within(sizes, share) for share in shares] == [0.1, 0.2, 0.2, 0.4, math.inf]
    assert within([float(size) for size in range(1, 101)], 11 / 20) == 55  # 11 / 20 * 100 is above 55 in floating point
    assert within([], 0.5) is None


def test_the_distribution_falls_by_the_images_that_fell_within_each_size(tmp_path):
    """Of four right images of ant three fell, two of them at one size; of bee's one none fell, and it has no line."""
    frames = make(
        tmp_path,
        Made([0.4, 0.1, 0.1, NEVER, WRONG], cw(), model="ant"),
        Made([NEVER, WRONG, WRONG, WRONG, WRONG], cw(), model="bee"),
    )
    [figure] = distributions(frames, *named(frames))
    assert names(figure.drawing) == ["ant"]
    assert exact(figure.drawing) == [0.0, 0.1, 0.4]
    [path] = re.findall(r'polyline points="([^"]+)"', figure.drawing)
    heights = [float(point.split(",")[1]) for point in path.split()]
    top, bottom = heights[0], float(re.search(r'class="grid" d="M[\d.]+ ([\d.]+)V([\d.]+)', figure.drawing)[2])
    assert [(bottom - y) / (bottom - top) for y in heights] == pytest.approx([1, 0.5, 0.25], abs=1e-3)
    ant = next(own for own in frames.by_cell.values() if own["fooled"].any())
    assert smallest(ant) == [0.1, 0.1, 0.4, math.inf]


def test_a_model_has_one_style_in_every_figure(tmp_path):
    """The board ranks bee above ant, the curves stand by name, and cat is in one figure only."""
    frames = make(
        tmp_path,
        Made([0.001, 0.001, 0.1, 0.1], cw(), model="cat"),
        Made([0.6, 0.6, 0.1, WRONG], cw(), model="ant"),
        Made([0.9, 0.9, 0.6, 0.4], cw(), model="bee"),
        Made([NEVER, 0.001, 0.1, 0.1], pgd(2 / 255), model="bee"),
        Made([NEVER, 0.001, 0.001, 0.1], pgd(8 / 255), model="bee"),
    )
    drawings = [f.drawing for f in (*security_curves(Results(frames)), *distributions(frames, *named(frames)))]
    style = [re.findall(r'class="name-of n(\d)"[^>]*>([^<]+)<', drawing) for drawing in drawings]
    assert sorted(len(own) for own in style) == [1, 3, 3]
    assert {pair for own in style for pair in own} == {("0", "ant"), ("1", "bee"), ("2", "cat")}


def test_what_is_right_stands_on_the_diagonal_of_a_confusion(tmp_path):
    """The model names the classes in another order, and one that the data lack; the last is never predicted."""
    turned = (CLASSES[1], "contempt", *CLASSES[2:], CLASSES[0])
    context = dataclasses.replace(CONTEXT, model_classes=turned)
    frames = make(tmp_path, Made([NEVER, 0.001, NEVER, NEVER], labels=(0, 0, 1, 2), context=context))
    verdicts = frames.verdicts.assign(  # as the model numbers its classes
        label=[len(turned) - 1, len(turned) - 1, 0, 2],
        clean_prediction=[len(turned) - 1, len(turned) - 1, 0, 1],
        attacked_prediction=[len(turned) - 1, 0, 0, 1],
        right=[True, True, True, False],
    )
    frames = dataclasses.replace(frames, verdicts=verdicts)
    results = Results(frames)
    [profile] = sections(results, page(results).boards).profiles
    assert profile.before.columns == profile.after.columns == (*CLASSES[:3], "contempt")
    before = {name: [square.text for square in squares] for name, squares in profile.before.rows}
    assert before == {
        CLASSES[0]: ["100", "0", "0", "0"],
        CLASSES[1]: ["0", "100", "0", "0"],
        CLASSES[2]: ["0", "0", "0", "100"],
    }
    assert [square.text for square in profile.after.rows[0][1]] == ["50.0", "50.0", "0", "0"]


def test_headings_go_down_one_level_at_a_time_and_rows_lead_to_their_places(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, 0.001, WRONG], pgd(2 / 255), model="ant"),
        Made([NEVER, NEVER, WRONG], pgd(2 / 255, "fgsm"), model="ant"),
        Made([NEVER, 0.3, WRONG], cw(), model="ant"),
        Made([NEVER, NEVER, WRONG], pgd(8 / 255), model="bee"),  # not at the board's budget: it has no profile
    )
    tree = Tree(html.render(Results(frames)))
    levels = [int(tag[1]) for tag in tree.seen if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    links = [value.removeprefix("#") for name, value in tree.attributes if name == "href"]
    ids = {value for name, value in tree.attributes if name == "id"}
    assert {link.split("-")[0] for link in links} >= {"profile", "card", "command", "main", "contents"}
    assert set(links) <= ids
    assert len([place for place in ids if place.startswith("profile-") and place.count("-") == 1]) == 1
    assert len([place for place in ids if place.startswith("card-")]) == 2
