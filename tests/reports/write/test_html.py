"""The report page: against its golden file, with hostile and with missing content, and in a real browser.

`python tests/reports/write/test_html.py` writes the golden page again; read the difference before committing it.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import tempfile
from pathlib import Path

import pytest
from pages import HOSTILE, Tree, dom
from places import GOLDEN
from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd

import fer_bench
from reports.tables.frames import Frames
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results
from reports.write import html

PAGE = GOLDEN / "report.html"


def example(folder: Path) -> Frames:
    """A store with everything that a page can show."""
    odd = dataclasses.replace(
        CONTEXT,
        model_title="An odd one",
        missing_in_model=("fear",),
        missing_in_data=("contempt",),
        contaminated="It was trained on the test images.",
        notes=("Its licence is in doubt.",),
        licence="unknown",
    )
    some = [NEVER, NEVER, 0.01, WRONG]
    return make(
        folder,
        Made(some, pgd(2 / 255), labels=(0, 0, 3, 3), survive=frozenset({2})),
        Made([0.001, NEVER, NEVER, WRONG], pgd(2 / 255, "fgsm"), labels=(0, 0, 3, 3)),
        Made([NEVER, 0.03, 0.03, WRONG], pgd(8 / 255), labels=(0, 0, 3, 3)),
        Made([0.2, NEVER, NEVER, WRONG], cw(), labels=(0, 0, 3, 3)),
        Made([NEVER, NEVER, NEVER, 0.001], pgd(0.5 / 255), model="odd", labels=(0, 0, 3, 3), context=odd),
        Made(some, pgd(2 / 255), model="odd", labels=(0, 0, 3, 3), context=odd, zero_gradient_rows=6),
        Made([0.003], pgd(2 / 255, "fgsm"), model="odd", n=4, labels=(0, 0, 3, 3), finished=False, context=odd),
        Made([], pgd(2 / 255), model="lost", n=4, labels=(0, 0, 3, 3), error="The weights are\ngone."),
        command="ferbench run --models toy,odd,lost",
    )


def scrub(page: str) -> str:
    """The page without what changes from release to release."""
    return page.replace(f"fer_bench {fer_bench.__version__}", "fer_bench VERSION")


def test_the_page_is_the_golden_one(tmp_path):
    assert scrub(html.render(Results(example(tmp_path)))) == PAGE.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_only_its_own_script_may_run(tmp_path):
    page = html.render(Results(example(tmp_path)))
    tree = Tree(page)
    assert tree.open == []
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(tree.seen)
    names = {name for name, _ in tree.attributes}
    assert not {name for name in names if name.startswith("on")} | ({"src", "srcset", "action"} & names)
    assert all(value.startswith("#") for name, value in tree.attributes if name == "href")
    assert "url(" not in page
    assert "@import" not in page
    [policy] = [value for name, value in tree.attributes if value and value.startswith("default-src")]
    allowed = base64.b64encode(hashlib.sha256(tree.script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{allowed}';" in policy


def test_every_link_goes_somewhere_and_no_id_stands_twice(tmp_path):
    tree = Tree(html.render(Results(example(tmp_path))))
    ids = [value for name, value in tree.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value.removeprefix("#") for name, value in tree.attributes if name == "href"}
    wanted |= {value for name, value in tree.attributes if name == "aria-labelledby"}
    assert wanted <= set(ids)


def test_flags_failures_and_missing_classes_are_in_the_text(tmp_path):
    text = Tree(html.render(Results(example(tmp_path)))).text
    for words in (
        "contaminated? : It was trained on the test images. ( odd )",
        "lacks classes : The model has no class for fear",
        "zero gradient : 50.0% of the gradients were exactly zero",
        "( odd, pgd@2/255 )",
        "fewer attacks",
        "below 8 bits : The budget is below one grey level",
        "lost pgd@2/255 (Linf) toys, n = 4, seed 0 failed The weights are gone.",
        "odd fgsm@2/255 (Linf) toys, n = 4, seed 0 unfinished 1 of 4 images judged",
        "eps=0.5/255, steps=50",
        "licence unknown",
        "Its licence is in doubt.",
        "ferbench run --models odd --attacks",
        "1 of 3 fell",
        "a" * 64,
    ):
        assert words in text, words


def hostile(folder: Path) -> Frames:
    """A store whose every free text is hostile."""
    cells = []
    for name in HOSTILE:
        context = dataclasses.replace(
            CONTEXT,
            **dict.fromkeys(("model_title", "family", "licence", "trained_on", "input", "contaminated"), name),
            **dict.fromkeys(("notes", "model_classes", "missing_in_model", "missing_in_data"), (name,)),
        )
        cells.append(Made([NEVER, 0.01], model=name, data=name, context=context))
        cells.append(Made([], pgd(2 / 255), model=name, data=name, context=context, n=2, error=name))
    return make(folder, *cells, command=HOSTILE[0])


def test_hostile_text_stays_text(tmp_path):
    page = html.render(Results(hostile(tmp_path)))
    plain, tree = Tree(html.render(Results(make(tmp_path / "plain", Made([NEVER]))))), Tree(page)
    assert tree.open == []
    assert set(tree.seen) == {*plain.seen, "ul", "li", "ol", "a", "strong"} | set(tree.seen) & {"bdi", "span"}
    assert tree.seen.count("script") == tree.seen.count("style") == tree.of_the_page == 1
    assert tree.script == plain.script
    assert {name for name, _ in tree.attributes} <= {name for name, _ in plain.attributes} | {"colspan"}
    assert HOSTILE[0] in tree.text
    assert HOSTILE[5] in tree.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page)


def test_a_store_without_cells_or_with_failures_only_is_a_clear_page(tmp_path):
    empty = Tree(html.render(Results(make(tmp_path / "empty"))))
    assert "This results folder holds no cells." in empty.text
    failed = Tree(html.render(Results(make(tmp_path / "failed", Made([], error="no network", n=3)))))
    assert "No cell is finished." in failed.text
    assert "toy pgd@8/255 (Linf) toys, n = 3, seed 0 failed no network" in failed.text
    assert empty.open == failed.open == []


def ranked(folder: Path) -> Frames:
    """Three models whose clean and robust orders differ; one was not measured at 2/255."""
    return make(
        folder,
        Made([NEVER, 0.001, 0.001, 0.001], pgd(2 / 255), model="clean"),
        Made([NEVER, NEVER, WRONG, WRONG], pgd(2 / 255), model="robust"),
        Made([NEVER, NEVER, NEVER, WRONG], pgd(8 / 255), model="absent"),
        Made([0.1, 0.2, 0.3, NEVER], cw(), model="clean"),
        Made([NEVER, NEVER, WRONG, WRONG], cw(), model="robust"),
    )


@pytest.mark.slow
def test_the_browser_shows_the_numbers_of_the_store(tmp_path):
    frames = ranked(tmp_path / "store")
    html.write_html(Results(frames), tmp_path / "report.html")
    seen = Tree(dom((tmp_path / "report.html").as_uri(), tmp_path / "profile")).rows["table-1"]
    board = leaderboard(Results(frames))
    assert [row[1] for row in seen] == list(board["model"]) == ["robust", "clean", "absent"]
    worst = [name for name in board if name.startswith("worst_case")]
    for row, (_, wanted) in zip(seen, board.iterrows(), strict=True):
        numbers = [float(text) if text else None for text in (row[2], *row[4 : 4 + len(worst)])]
        expected = [None if wanted[name] != wanted[name] else wanted[name] for name in ("clean_accuracy", *worst)]
        assert numbers == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "direction", "order"),
    [
        (1, "ascending", ["absent", "clean", "robust"]),
        (2, "descending", ["clean", "absent", "robust"]),
        (4, "ascending", ["clean", "robust", "absent"]),
        (4, "descending", ["robust", "clean", "absent"]),
        (13, "descending", ["robust", "clean", "absent"]),
    ],
)
def test_sorting_by_address_puts_what_is_absent_last(tmp_path, column, direction, order):
    html.write_html(Results(ranked(tmp_path / "store")), tmp_path / "report.html")
    url = f"{(tmp_path / 'report.html').as_uri()}#table-1.sort={column}.{direction}"
    tree = Tree(dom(url, tmp_path / "profile"))
    assert [row[1] for row in tree.rows["table-1"]] == order
    assert [value for name, value in tree.attributes if name == "aria-sort"] == [direction]


@pytest.mark.slow
def test_headings_are_buttons_that_sort_and_turn_the_order(tmp_path):
    page = html.render(Results(ranked(tmp_path / "store")))
    click = "document.querySelectorAll('#table-1 th button')[2].click();"
    start, end = page.index("<meta http-equiv"), page.index('<meta name="viewport')
    free = page[:start] + page[end:]
    for clicks, order in ((1, ["clean", "absent", "robust"]), (2, ["robust", "absent", "clean"])):
        path = tmp_path / f"{clicks}.html"
        path.write_text(free.replace("</body>", f"<script>{click * clicks}</script></body>"), encoding="utf-8")
        shown = Tree(dom(path.as_uri(), tmp_path / f"profile{clicks}"))
        assert [row[1] for row in shown.rows["table-1"]] == order
    assert "Sorted by accuracy, ascending." in shown.text


@pytest.mark.slow
def test_the_browser_runs_no_hostile_script(tmp_path):
    html.write_html(Results(hostile(tmp_path / "store")), tmp_path / "report.html")
    page = dom((tmp_path / "report.html").as_uri(), tmp_path / "profile")
    assert "<title>fer_bench: robustness" in page
    assert len(Tree(page).rows["table-1"]) == 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(scrub(html.render(Results(example(Path(folder))))), encoding="utf-8", newline="\n")
