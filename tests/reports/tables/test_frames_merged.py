"""Several results folders in one report: which cell counts, and that numbers of cells and runs do not mix."""

from __future__ import annotations

import webbrowser

from click.testing import CliRunner
from stored_results import NEVER, WRONG, Made, make, pgd

from fer_bench.api import results
from fer_bench.cli.main import main
from reports.tables.frames import merged
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results


def test_a_cell_of_several_folders_counts_once_and_the_first_that_finished_it_is_taken(tmp_path):
    failed = make(tmp_path / "a", Made([], pgd(), n=2, error="no network"), Made([NEVER, NEVER], model="only a"))
    done = make(tmp_path / "b", Made([NEVER, WRONG], pgd()), Made([WRONG, WRONG], model="only b"), command="b")
    later = make(tmp_path / "c", Made([NEVER, NEVER], pgd()), command="c")
    both = merged([failed, done, later])
    assert sorted(both.cells["model"]) == ["only a", "only b", "toy"]
    assert set(both.cells["cell"]) == set(both.stored) == set(both.verdicts["cell"]) == {1, 2, 3}
    [toy] = [cell for cell in both.stored.values() if cell.cell.model == "toy"]
    assert (toy.status, both.runs[toy.run_id].command) == ("done", "b")
    board = leaderboard(Results(both)).set_index("model")["clean_accuracy"]
    assert board.to_dict() == {"only a": 1.0, "toy": 0.5, "only b": 0.0}
    assert merged([done]) is done


def test_report_takes_several_folders_and_opens_the_page(tmp_path, monkeypatch):
    make(tmp_path / "a", Made([NEVER, WRONG], model="ant"))
    make(tmp_path / "b", Made([NEVER, NEVER], model="bee"))
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    page = tmp_path / "both.html"
    result = CliRunner().invoke(main, ["report", str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(page), "--open"])
    assert result.exit_code == 0, result.output
    assert opened == [page.resolve().as_uri()]
    text = page.read_text(encoding="utf-8")
    assert "ant" in text
    assert "2 of 2 cells finished" in text
    assert results.report([tmp_path / "a"]) == tmp_path / "a" / "report.html"
