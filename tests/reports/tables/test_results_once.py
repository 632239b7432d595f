"""What the tables and pages of a run share is derived once, however many of them ask for it."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from stored_results import NEVER, WRONG, Made, cw, make, pgd
from toys import SmallConvToy, faces, toy_card, write_csv

import fer_bench.api.benchmark
import fer_bench.api.results
from attacks import choose_attacks
from fer_bench.cli.main import main
from fer_bench.core import protocol
from models_zoo import MODELS
from reports.tables import agreement, boards, rates, stages, transfer
from reports.tables.rates import readings, readings_at
from reports.write import exports

#: What every table and page is made from. Each reads all cells, most of them all verdicts.
DERIVATIONS = (
    rates.readings,
    boards.boards,
    transfer.transfers,
    agreement.regressions,
    stages.stage_frame,
)


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the calls of DERIVATIONS by name, whoever makes them and with whatever arguments.

    Readings of regressors are a call of their own, which the gate makes and a run does not: here it would count too.
    """
    assert fer_bench.api.benchmark
    assert fer_bench.api.results
    assert exports
    calls: Counter[str] = Counter()

    def counting(derive: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **settings: object) -> object:
            calls[derive.__name__] += 1
            return derive(*arguments, **settings)

        return counted

    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("fer_bench", "reports")]
    for derive in DERIVATIONS:
        replacement = counting(derive)
        for module in modules:
            for name, value in list(vars(module).items()):
                if value is derive:
                    monkeypatch.setattr(module, name, replacement)
    return calls


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with eight images in `fer` that the model `toy` gets right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    images = faces(8)
    with torch.no_grad():
        labels = SmallConvToy()(torch.from_numpy(images).float()[:, None] / 255).argmax(1).tolist()
    write_csv(tmp_path / "fer" / "fer2013.csv", list(images), labels)
    monkeypatch.setitem(MODELS._items, "toy", toy_card("toy", SmallConvToy))


def ferbench(*words: str) -> str:
    done = CliRunner().invoke(main, words, prog_name="ferbench")
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_one_run_of_one_cell_derives_each_once_for_csv_page_and_terminal(toy: None, derived: Counter[str]) -> None:
    told = ferbench("run", "--models", "toy", "--attacks", "fgsm", "--data", "fer2013:fer", "--eps", "1/255")
    assert "1 cells run" in told
    assert "worst case" in told
    assert Path("results/report.html").is_file()
    assert Path("results/leaderboard.csv").is_file()
    assert derived == {derive.__name__: 1 for derive in DERIVATIONS}


@pytest.mark.parametrize("words", [("--output", "page.html"), ("--output", "page.html", "--gallery")])
def test_a_report_derives_each_once_also_with_a_gallery(
    words: tuple[str, ...], toy: None, derived: Counter[str]
) -> None:
    ferbench("run", "--models", "toy", "--attacks", "fgsm", "--data", "fer2013:fer", "--eps", "8/255")
    derived.clear()
    ferbench("report", *words, "results")
    assert derived == {derive.__name__: 1 for derive in DERIVATIONS}


def test_readings_at_more_budgets_are_those_that_would_be_derived_anew(tmp_path: Path) -> None:
    """Labels that settings tell apart, budgets off the protocol, curves, other norms, and the order of them all."""
    (curve,) = choose_attacks("fgsm", "1/255:3/255:lin3")
    outcomes = (NEVER, 0.001, 0.3, WRONG)
    frames = make(
        tmp_path,
        Made(outcomes, cw()),
        Made(outcomes, dataclasses.replace(cw(), params=(("c", 2.0), ("steps", 50)))),
        Made(outcomes, curve.spec),
        Made(outcomes, pgd(3 / 255)),
        Made(outcomes, pgd(3 / 255, steps=10)),
        Made(outcomes, cw("fab", "Linf")),
        Made(outcomes, cw(), model="another"),
        Made(outcomes, cw("ead", "L1")),
        Made(outcomes, pgd(0.7, norm="L2")),
        Made(outcomes, cw("late"), finished=False, n=9),
    )
    known = readings(frames)
    wanted = readings(frames, protocol.THREATS)
    assert len(wanted) > len(known)
    assert readings_at(frames, known, protocol.THREATS) == wanted
    assert readings_at(frames, known, protocol.DEFAULT_EPS) == known
