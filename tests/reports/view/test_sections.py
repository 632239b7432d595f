"""What stands below the leaderboards: figures, matrices and kills, against numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest
from pages import HOSTILE, Tree
from regressors import CPU, va_card, va_data
from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd
from toys import CLASSES, sample_name, toy_provenance

from attacks import choose_attacks
from attacks.on_regressors import for_task
from fer_bench.bench.matrix import Entrant, Plan, run_matrix
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.model_card import Loaded
from fer_bench.core.outcome import Verdict
from fer_bench.store.results import ResultStore
from reports.tables.agreement import va_frame
from reports.tables.frames import Frames, collect
from reports.tables.results import Results
from reports.view.figures import security_curves, trade_off
from reports.view.matrices import Kill, target_matrices, transfer_matrices, unique_kills
from reports.view.page import page
from reports.view.sections import sections
from reports.view.svg import PERCENT, Axis, Dot, Line, lines
from reports.write import html


def below(frames: Frames):
    results = Results(frames)
    return sections(results, page(results).boards)


def carried(eps: float, source: str) -> AttackSpec:
    own = pgd(eps)
    return dataclasses.replace(own, source=source, label=f"pgd from {source}")


def aimed(target: str) -> AttackSpec:
    own = pgd()
    return dataclasses.replace(own, target=target, label=f"pgd(target={target})")


def test_a_curve_begins_at_the_clean_accuracy_and_has_every_budget(tmp_path):
    frames = make(tmp_path, Made([NEVER, 0.2, 0.6, WRONG], cw()), Made([NEVER, 0.001, NEVER, WRONG], pgd()))
    [figure] = security_curves(Results(frames))  # pgd was run at one budget: a point and its start are no curve
    exact = [float(value) for value in re.findall(r'data-value="([^"]+)"', figure.drawing)]
    assert exact == [0.75, 0.5, 0.5, 0.25]  # at L2 0, then the protocol's budgets 0.25, 0.5, 1
    assert figure.title == "cw on toys, n = 4"


def test_points_stand_where_their_numbers_are():
    axis = Axis("eps", 0, 4, ((0, "0"), (4, "4")), lambda value: value**0.5)
    drawing = lines(axis, PERCENT, [Line("m", (Dot(0, 100, ""), Dot(1, 50, ""), Dot(4, 0, "")))], "chart")
    [path] = re.findall(r'polyline points="([^"]+)"', drawing)
    (a, top), (b, middle), (c, bottom) = [tuple(map(float, point.split(","))) for point in path.split()]
    assert b - a == pytest.approx((c - a) / 2, abs=0.2)
    assert middle - top == pytest.approx((bottom - top) / 2, abs=0.2)
    assert bottom > top


def test_names_of_lines_that_end_together_do_not_cover_each_other():
    drawn = [Line(f"model {number}", (Dot(0, 50, ""), Dot(1, 0, ""))) for number in range(40)]
    drawing = lines(Axis("eps", 0, 1, ()), PERCENT, drawn, "chart")
    heights = sorted(float(y) for y in re.findall(r'class="name-of[^>]* y="([^"]+)"', drawing))
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 12.9
    [height] = re.findall(r'viewBox="0 0 \d+ (\d+)"', drawing)
    assert heights[-1] < float(height)


def test_the_front_is_what_no_other_model_beats(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, 0.001, 0.001, 0.001], model="clean"),
        Made([NEVER, NEVER, WRONG, WRONG], model="robust"),
        Made([NEVER, 0.001, WRONG, WRONG], model="beaten"),
    )
    [board] = Results(frames).boards
    figure = trade_off(board, tuple(entry.first.cell.model for entry in board.entries))
    names = re.findall(r'class="name-of[^>]*>([^<]+)<', figure.drawing)
    assert sorted(names) == ["beaten", "clean (front)", "robust (front)"]
    assert figure.drawing.count('class="marked"') == 2
    assert trade_off(dataclasses.replace(board, entries=board.entries[:1]), ("clean",)) is None


def test_transfer_marks_what_breaks_more_than_the_white_box(tmp_path):
    frames = make(
        tmp_path,
        Made([NEVER, NEVER, NEVER, 0.001], model="masked", digest="a" * 64),
        Made([0.001, NEVER, NEVER, 0.001], model="other", digest="b" * 64),
        Made([0.001, NEVER, NEVER, 0.001], carried(8 / 255, "other"), model="masked", digest="a" * 64),
        Made([NEVER, NEVER, NEVER, NEVER], carried(8 / 255, "masked"), model="other", digest="b" * 64),
    )
    [matrix] = transfer_matrices(Results(frames).transfers)
    found = {
        (row, column): square
        for row, squares in matrix.rows
        for column, square in zip(matrix.columns, squares, strict=True)
    }
    assert {at: (square.text, square.flag) for at, square in found.items()} == {
        ("masked", "masked"): ("75.0", "white box"),
        ("other", "other"): ("50.0", "white box"),
        ("other", "masked"): ("50.0", "stronger"),
        ("masked", "other"): ("100", ""),
    }


def test_targets_count_images_that_were_right_and_not_of_the_target(tmp_path):
    """Aimed at class 1: of two right images one is reached; one of class 1 itself and a wrong one are not asked."""
    verdicts = [
        Verdict(sample_name(0), 0, 0, True, 1, 0.01, None, 1, 2, 1, target=1),
        Verdict(sample_name(1), 0, 0, False, 0, None, None, None, 2, 1, target=1),
        Verdict(sample_name(2), 1, 1, False, 1, None, None, None, 1, 0, target=1),
        Verdict(sample_name(3), 0, 2, False, 2, None, None, None, 1, 0, target=1),
    ]
    frames = make(tmp_path / "made", Made([NEVER] * 4, aimed(CLASSES[1]), labels=(0, 0, 1, 0)))
    changed = frames.verdicts.assign(
        target=[float(v.target) for v in verdicts],
        fooled=[v.fooled for v in verdicts],
        right=[v.clean_right for v in verdicts],
    )
    [matrix] = target_matrices(dataclasses.replace(frames, verdicts=changed))
    assert (matrix.columns, [name for name, _ in matrix.rows]) == ((CLASSES[1],), [CLASSES[0]])
    [square] = matrix.rows[0][1]
    assert (square.text, square.sort) == ("50.0", "0.5")
    assert square.tip.startswith("1 of 2")


def test_unique_kills_are_those_of_one_attack_alone(tmp_path):
    frames = make(
        tmp_path,
        Made([0.001, 0.001, NEVER, WRONG], pgd()),
        Made([0.001, NEVER, NEVER, WRONG], pgd(name="fgsm")),
        Made([NEVER, NEVER, 0.001, WRONG], pgd(2 / 255)),  # another budget: with nobody to compare with
    )
    [board] = Results(frames).boards
    assert unique_kills(frames, board, ("toy",)) == (
        Kill("toy", "toys, n = 4", "Linf@8/255", "pgd", 2, 1, 3),
        Kill("toy", "toys, n = 4", "Linf@8/255", "fgsm", 1, 0, 3),
    )


@pytest.mark.slow
def test_hostile_names_stay_text_in_every_section(tmp_path):
    cells = []
    for number, name in enumerate(HOSTILE):
        context = dataclasses.replace(CONTEXT, model_classes=(name, *CLASSES[1:]), data_classes=(name, *CLASSES[1:]))
        own = {"model": name, "digest": f"{number}" * 64, "context": context}
        cells += [Made([NEVER, 0.3, 0.001], cw(), **own), Made([NEVER, 0.003, 0.001], **own)]
        cells.append(Made([0.003, 0.001, 0.001], carried(8 / 255, HOSTILE[number - 1]), **own))
        cells.append(Made([0.003, 0.001, 0.001], pgd(name="fgsm"), **own))
    tree = Tree(html.render(Results(make(tmp_path, *cells))))
    assert tree.open == []
    assert tree.seen.count("script") == tree.seen.count("style") == 1
    for section in ("trade-off", "curves", "heat", "kills", "transfer"):
        assert ("id", section) in tree.attributes, section
    assert not {name for name, _ in tree.attributes if name.startswith("on")}


def test_what_was_not_measured_has_no_section(tmp_path):
    found = below(make(tmp_path, Made([NEVER, WRONG])))
    assert [len(matrix.rows) for matrix in found.heat_maps] == [1]
    rest = (found.trade_offs, found.curves, found.kills, found.transfers, found.targets, found.circumplexes)
    assert rest == ((), (), (), (), (), ())
    assert found.stages.rows == found.regressors == ()


def test_a_regressor_has_its_table_and_an_arrow_an_image_and_no_leaderboard(tmp_path):
    card, data = va_card(), va_data(6)
    chosen = for_task(choose_attacks("fgsm,fgsm(tolerance=0.01)", "16/255"), "va")
    with ResultStore(tmp_path) as store:
        entrant = Entrant(card, card.digest, lambda: None, lambda: Loaded(card.build(())))
        assert not run_matrix([entrant], chosen, data, store, Plan(CPU), toy_provenance()).failures
        frames = collect(store)
    found = below(frames)
    assert [row.attack for row in found.regressors] == ["fgsm", "fgsm(tolerance=0.01)"]
    stored = va_frame(Results(frames).regressions).set_index("attack")
    for _, _, attack, _, _, *numbers in Tree(html.render(Results(frames))).rows["table-regressors"]:
        wanted = [
            stored.loc[attack, f"{when}_{name}_{dimension}"]
            for name in ("ccc", "rmse")
            for dimension in ("valence", "arousal")
            for when in ("clean", "attacked")
        ]
        shown = [float(number or "nan") for number in numbers]
        assert shown == pytest.approx([*wanted, stored.loc[attack, "within_tolerance"]], rel=0, abs=0, nan_ok=True)
    [figure] = found.circumplexes  # a cell with a tolerance stops early: its attacked predictions say nothing
    assert figure.drawing.count('class="move"') == 6
    own = frames.verdicts[frames.verdicts["cell"] == frames.verdicts["cell"].iloc[0]].iloc[0]
    ring = re.search(r'class="move"><circle cx="([^"]+)" cy="([^"]+)"', figure.drawing)
    assert float(ring[1]) == pytest.approx(200 + 160 * own["clean_valence"], abs=0.06)
    assert float(ring[2]) == pytest.approx(200 - 160 * own["clean_arousal"], abs=0.06)
    tree = Tree(html.render(Results(frames)))
    assert "No leaderboard yet" not in tree.text
    assert "Moves on the circumplex" in tree.text


def test_a_models_profile_counts_by_class_before_and_after_under_the_strongest_attack(tmp_path):
    labels = (0, 0, 1, 1, 1)
    frames = make(
        tmp_path,
        Made([NEVER, 0.001, NEVER, NEVER, WRONG], pgd(2 / 255), labels=labels),
        Made([NEVER, NEVER, NEVER, NEVER, WRONG], pgd(2 / 255, "weak"), labels=labels),
        Made([0.4, 0.1, 0.2, NEVER, WRONG], cw(), labels=labels),
    )
    [profile] = below(frames).profiles
    assert profile.attack == "pgd@2/255"
    assert [(e.name, e.images, e.clean.sort, e.robust.sort) for e in profile.expressions] == [
        (CLASSES[0], 2, "1.0", "0.5"),
        (CLASSES[1], 3, repr(2 / 3), repr(2 / 3)),
    ]
    assert (profile.hardest, profile.easiest) == (CLASSES[0], CLASSES[1])
    before = {name: [square.text for square in squares] for name, squares in profile.before.rows}
    after = {name: [square.text for square in squares] for name, squares in profile.after.rows}
    assert before == {CLASSES[0]: ["100", "0", "0"], CLASSES[1]: ["0", "66.7", "33.3"]}
    assert after == {CLASSES[0]: ["50.0", "50.0", "0"], CLASSES[1]: ["0", "66.7", "33.3"]}
    # Of four right images: the first by 10 and 25 %, the second by 50 %, the third by 75 %, and 90 % never fell.
    assert profile.norms == (("cw (L2)", ("0.1", "0.1", "0.2", "0.4", "∞")),)
