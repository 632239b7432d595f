"""The verb `run`: names become models, attacks and images, and the matrix is run; the report is written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attacks import choose_attacks
from attacks.on_regressors import for_task
from attacks.select import check
from fer_bench.bench import provenance
from fer_bench.bench.matrix import Entrant, Plan, Rerun, Summary, run_matrix
from fer_bench.bench.transfer import run_transfer
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import ModelCard
from fer_bench.data import open_data
from fer_bench.engine.local import choose_device
from fer_bench.errors import UsageError
from fer_bench.fetch.cards import card_files
from fer_bench.store.results import ResultStore
from models_zoo.loading import identity, open_model
from models_zoo.select import choose_models, left_out
from reports.tables.frames import Frames, collect
from reports.tables.leaderboard import leaderboard
from reports.tables.results import Results
from reports.write import html

if TYPE_CHECKING:
    import pandas as pd

REPORT_NAME = "report.html"
LEADERBOARD_NAME = "leaderboard.csv"


@dataclass(frozen=True)
class RunResult:
    """What `run_cells` did, where it wrote, and everything that the results folder now holds."""

    summary: Summary
    results: Results
    report: Path
    leaderboard: Path

    @property
    def frames(self) -> Frames:
        """The stored cells and verdicts of the folder."""
        return self.results.frames


def _of_task(cards: list[ModelCard], data: EvalSet, named: bool) -> list[ModelCard]:
    """The models that do what the data set is for. Raises UsageError where there is none, or a named one does not."""
    fitting = [card for card in cards if card.task == data.task]
    others = [card.name for card in cards if card.task != data.task]
    if not fitting or (named and others):
        kinds = {"expression": "expressions", "va": "valence and arousal"}
        raise UsageError(
            f"{data.source} is labelled with {kinds[data.task]}, and {', '.join(others[:4])} "
            f"{'does' if len(others) == 1 else 'do'} not predict that; `ferbench models list` shows each model's task."
        )
    return fitting


def entrant(card: ModelCard) -> Entrant:
    """The model of a card as the matrix takes it; a card without files is built once, for its digest."""
    return Entrant(card, identity(card), lambda: _fetch(card), lambda: open_model(card))


def _fetch(card: ModelCard) -> None:
    card_files(card.files, card.name)


def run_cells(
    models: str | Iterable[str | ModelCard] = "all",
    attacks: str | Iterable[str] = "pgd,cw",
    data: str = "demo",
    *,
    eps: str | None = None,
    target: str | None = None,
    n: int | None = None,
    out: str | Path = "results",
    device: str = "auto",
    batch_size: int | None = None,
    seed: int = 0,
    rerun: Rerun = "failed",
    transfer: bool = False,
    classes: str | Sequence[str] = (),
    given: str = "",
    weights: Iterable[str] = (),
    command: str | None = None,
) -> RunResult:
    """Runs the missing cells of the matrix and writes the report; `run` describes the parameters."""
    cards = choose_models(models, classes, given, weights)
    chosen = choose_attacks(attacks, eps, target)
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size {batch_size} cannot be used; give auto or a whole number from 1.")
    if n is not None and n < 1:
        raise UsageError(f"--n {n} cannot be used; give a whole number from 1.")
    where = choose_device(device)
    plan = Plan(device=where, seed=seed, batch_size=batch_size, rerun=rerun)
    folder = Path(out)
    evalset = open_data(data, n)
    chosen = for_task(chosen, evalset.task)
    cards = _of_task(cards, evalset, named=models != "all")
    check(chosen, evalset.images.shape[1:])
    with ResultStore(folder) as store:
        origin = provenance.collect(command or "fer_bench.run(...)", where)
        entrants = [entrant(card) for card in cards]
        summary = run_matrix(entrants, chosen, evalset, store, plan, origin)
        if transfer:
            summary += run_transfer(entrants, chosen, evalset, store, plan, origin)
        results = Results(collect(store))
    done = RunResult(summary, results, folder / REPORT_NAME, folder / LEADERBOARD_NAME)
    html.write_csv(results, done.leaderboard)
    html.write_html(results, done.report)
    return done


def run(
    models: str | Iterable[str | ModelCard] = "all",
    attacks: str | Iterable[str] = "pgd,cw",
    data: str = "demo",
    *,
    eps: str | None = None,
    target: str | None = None,
    n: int | None = None,
    out: str | Path = "results",
    device: str = "auto",
    batch_size: int | None = None,
    seed: int = 0,
    rerun: Rerun = "failed",
    transfer: bool = False,
    classes: str | Sequence[str] = (),
    given: str = "",
    weights: Iterable[str] = (),
) -> pd.DataFrame:
    """Benchmarks models under attacks and returns the leaderboard of `out`, one row per model and data set.

    `models`: 'all', names separated by commas, or a sequence of names and ModelCards of your own. `attacks`: such as
    "pgd,cw" or "pgd(steps=50,eps=4/255)" or a suite. `data`: NAME[:PATH[:SPLIT]]. `eps`: budgets such as
    "2/255,8/255,L2:0.5", in [0, 1] pixel units, or curves such as "0.25/255:16/255:log8". `target`: the class that
    attacks aim at, a word, 'least-likely' or 'random'; None: any wrong class. `n`: the n images of smallest pixel
    digest; None takes all. `device`: auto, cpu, cuda. `batch_size` None is automatic and cannot change a verdict
    beyond rounding. `rerun`: never, failed or all. `transfer`: the images of each model are also tried on every other.
    `classes` and `given` (its input, such as "224x224 RGB imagenet") are of a model of your own; `weights`: NAME=FILE.

    Columns: model, task, data, n, clean_accuracy, robust_accuracy[ATTACK@EPS] ..., worst_case[NORM@EPS] ...;
    fractions, NaN where not measured. Raises FerBenchError with one line for whatever cannot be used.
    """
    if skipped := left_out(models):
        print(skipped, file=sys.stderr)
    done = run_cells(
        models,
        attacks,
        data,
        eps=eps,
        target=target,
        n=n,
        out=out,
        device=device,
        batch_size=batch_size,
        seed=seed,
        rerun=rerun,
        transfer=transfer,
        classes=classes,
        given=given,
        weights=weights,
    )
    for failure in done.summary.failures:
        print(f"{failure.model}, {failure.attack}: {failure.error}", file=sys.stderr)
    return leaderboard(done.results)
