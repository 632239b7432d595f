"""The page's tables in a real browser: search, filters, columns, several sorts, the address, and the saved files."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from pages import HOSTILE, Tree, dom
from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd

from reports.tables.frames import Frames
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results
from reports.write import html

pytestmark = pytest.mark.slow

BEFORE, AFTER = "<!-- before -->", "<!-- after -->"


def several(folder: Path) -> Frames:
    """Four models of two families, one defended, two equal in clean accuracy; two data sets."""
    defended = dataclasses.replace(CONTEXT, family="nets, old", defended=True)
    return make(
        folder,
        Made([NEVER, NEVER, 0.001, WRONG], pgd(2 / 255), model="ant"),
        Made([NEVER, 0.001, 0.001, WRONG], pgd(2 / 255), model="bee"),
        Made([NEVER, NEVER, WRONG, WRONG], pgd(2 / 255), model="cat", context=defended),
        Made([NEVER, NEVER, NEVER, WRONG], pgd(8 / 255), model='d"o,g', context=defended),
        Made([0.2, 0.3, NEVER, WRONG], cw(), model="ant"),
        Made([NEVER, 0.001], pgd(2 / 255), model="ant", data="zoo"),
    )


def open_page(tmp_path: Path, frames: Frames, view: str = "", script: str = "") -> Tree:
    """The page after its scripts, and then `script`, ran; with a script of a test the page's policy is lifted."""
    page = html.render(Results(frames))
    if script:
        start, end = page.index("<meta http-equiv"), page.index('<meta name="viewport')
        page = page[:start] + page[end:]
        page = page.replace("</body>", f"<script>{script}</script></body>")
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    return Seen(dom(f"{path.as_uri()}{view}", tmp_path / "profile"))


class Seen(Tree):
    """A page of which `shown` is what is not hidden: the models of each table, in order, and the headings."""

    def __init__(self, text: str) -> None:
        self.hidden: list[bool] = []
        self.shown: dict[str, list[str]] = {}
        self.titles: dict[str, list[str]] = {}
        self.body: dict[str, str | None] = {}
        self.bars: list[bool] = []
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        given = dict(attrs)
        gone = "hidden" in given or any(self.hidden)
        if tag == "body":
            self.body = given
        if tag == "th" and given.get("class") == "sticky" and given.get("scope") == "row" and not gone:
            self.shown.setdefault(self.table, []).append(given.get("data-sort") or "")
        if tag == "th" and given.get("data-group") and not gone:
            self.titles.setdefault(self.table, []).append(given["data-group"] or "")
        if tag not in ("meta", "br", "link", "img", "hr", "input", "wbr"):
            self.hidden.append("hidden" in given)

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        self.hidden.pop()


@pytest.mark.parametrize(
    ("view", "models"),
    [
        ("table-1.find=TOY+ant", ["ant"]),  # every word must be found; "A toy" is its title
        ("table-1.find=bee", ["bee"]),
        ("table-1.family=nets,+old", ["cat", 'd"o,g']),
        ("table-1.defended=no&table-1.sort=4.ascending", ["bee", "ant"]),
        ("table-1.sort=2.descending~1.descending", ['d"o,g', "bee", "ant", "cat"]),
        ("table-1.sort=2.descending~4.ascending", ["bee", "ant", 'd"o,g', "cat"]),
        ("table-1.family=nobody&table-9.sort=1.ascending&table-1.sort=99.ascending", ["ant", "cat", "bee", 'd"o,g']),
    ],
)
def test_a_view_is_read_from_the_address(tmp_path, view, models):
    frames = several(tmp_path / "store")
    seen = open_page(tmp_path, frames, f"#{view}")
    assert seen.shown.get("table-1", []) == models


def test_filters_of_threat_columns_and_data_hide_what_they_leave_out(tmp_path):
    seen = open_page(
        tmp_path, several(tmp_path / "store"), "#data=toys,+n+%3D+4&table-1.threat=Linf@2/255&table-1.hide=3"
    )
    assert "table-2" not in seen.shown
    assert seen.titles["table-1"] == ["no attack", "worst case over attacks", *["pgd@2/255 (Linf)"] * 3]


def test_what_is_clicked_and_typed_stands_in_the_address_and_comes_back(tmp_path):
    frames = several(tmp_path / "store")
    script = """
      const press = (at, shiftKey) => document.querySelectorAll("#table-1 thead tr:last-child button")[at]
        .dispatchEvent(new MouseEvent("click", { shiftKey }));
      press(2, false); press(1, true); press(1, true);
      const search = document.querySelector("input[type=search]");
      search.value = "toy"; search.dispatchEvent(new Event("input"));
      const select = document.querySelector(".tools option[value='nets, old']").parentElement;
      select.value = "nets, old"; select.dispatchEvent(new Event("change"));
      document.querySelectorAll(".columns input")[1].click();
      document.body.dataset.view = location.hash;
    """
    clicked = open_page(tmp_path, frames, script=script)
    assert clicked.shown["table-1"] == ['d"o,g', "cat"]
    assert "Sorted by accuracy, descending; then model, descending." not in clicked.text  # the count came after it
    assert "2 of 4 models" in clicked.text
    again = open_page(tmp_path, frames, clicked.body["data-view"] or "", "document.body.dataset.view = location.hash;")
    assert again.body["data-view"] == clicked.body["data-view"]
    for word in ("sort=2.descending%7E1.descending", "find=toy", "family=nets%2C+old", "hide=3"):
        assert f"table-1.{word}" in again.body["data-view"]
    assert (again.shown, again.titles) == (clicked.shown, clicked.titles)
    order = [value for name, value in again.attributes if name == "data-order" and value]
    assert order == ["2", "1"]  # the headings stand in the table's order: model, then accuracy


def test_the_saved_files_hold_what_is_shown_to_every_digit(tmp_path):
    frames = several(tmp_path / "store")
    script = """
      const made = [];
      URL.createObjectURL = (blob) => { made.push(blob); return "#"; };
      for (const button of [...document.querySelectorAll(".tool")].slice(0, 3)) button.click();
      Promise.all(made.map((blob) => blob.text()))
        .then((texts) => { document.body.dataset.made = JSON.stringify(texts); });
    """
    seen = open_page(tmp_path, frames, "#table-1.sort=1.descending&table-1.hide=3", script)
    as_csv, as_json, as_tex = json.loads(seen.body["data-made"] or "")
    board = leaderboard(Results(frames)).query("data == 'toys'").set_index("model")
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    objects = json.loads(as_json)
    assert [row["model"] for row in rows] == [row["model"] for row in objects] == ['d"o,g', "cat", "bee", "ant"]
    for row, record in zip(rows, objects, strict=True):
        wanted = board.loc[row["model"]]
        assert "no attack: macro" not in row
        for title, name in (
            ("no attack: accuracy", "clean_accuracy"),
            ("pgd@2/255 (Linf): robust", "robust_accuracy[pgd@2/255]"),
        ):
            expected = None if wanted[name] != wanted[name] else float(wanted[name])
            assert record[title] == expected
            assert row[title] == ("" if expected is None else repr(expected))
    assert "\\begin{tabular}{rl" in as_tex
    assert as_tex.count("\\\\\n") == 5
    assert "66.7" not in as_tex
    assert 'd"o,g & 75.0' in as_tex


def test_hostile_names_break_no_control_and_nothing_is_fetched(tmp_path):
    cells = []
    for number, name in enumerate(HOSTILE):
        context = dataclasses.replace(CONTEXT, family=name)
        cells.append(Made([NEVER, 0.01], model=name, digest=f"{number}" * 64, context=context))
    script = """
      document.body.dataset.fetched = performance.getEntriesByType("resource").map((entry) => entry.name).join();
      document.body.dataset.families = [...document.querySelectorAll(".tools select option")].length;
    """
    seen = open_page(tmp_path, make(tmp_path / "store", *cells), script=script)
    assert len(seen.shown["table-1"]) == len(HOSTILE)
    assert seen.body["data-fetched"] == ""
    assert int(seen.body["data-families"] or 0) >= len(HOSTILE) + 1
    assert "owned" not in seen.words[0]
