"""The verb `run`: names become models, attacks and images, and the matrix is run; the report is written."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attacks import choose_attacks
from attacks.on_regressors import for_task
from attacks.select import check
from fer_bench.api.request import Request, Settings
from fer_bench.bench import provenance
from fer_bench.bench.matrix import Entrant, Plan, Summary, run_matrix
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
    from typing_extensions import Unpack

REPORT_NAME = "report.html"
LEADERBOARD_NAME = "leaderboard.csv"


@dataclass(frozen=True)
class RunResult:
    """What a run did, where it wrote, and everything that the results folder now holds."""

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


def run_request(request: Request) -> RunResult:
    """Runs the missing cells of the matrix, writes table and report. Raises FerBenchError for what cannot be used."""
    cards = choose_models(request.models, request.classes, request.input, request.weights)
    chosen = choose_attacks(request.attacks, request.eps, request.target)
    device = choose_device(request.device)
    plan = Plan(device=device, seed=request.seed, batch_size=request.batch_size, rerun=request.rerun)
    folder = Path(request.out)
    evalset = open_data(request.data, request.n)
    chosen = for_task(chosen, evalset.task)
    cards = _of_task(cards, evalset, named=request.models != "all")
    check(chosen, evalset.images.shape[1:])
    with ResultStore(folder) as store:
        origin = provenance.collect(request.command, device)
        entrants = [entrant(card) for card in cards]
        summary = run_matrix(entrants, chosen, evalset, store, plan, origin)
        if request.transfer:
            summary += run_transfer(entrants, chosen, evalset, store, plan, origin)
        results = Results(collect(store))
    result = RunResult(summary, results, folder / REPORT_NAME, folder / LEADERBOARD_NAME)
    html.write_csv(results, result.leaderboard)
    html.write_html(results, result.report)
    return result


def run_cells(
    models: str | Iterable[str | ModelCard] = "all",
    attacks: str | Iterable[str] = "pgd,cw",
    data: str = "demo",
    **settings: Unpack[Settings],
) -> RunResult:
    """As `run`, but silent, and with everything that the results folder holds in place of its leaderboard."""
    return run_request(Request.of(models, attacks, data, **settings))


def run(
    models: str | Iterable[str | ModelCard] = "all",
    attacks: str | Iterable[str] = "pgd,cw",
    data: str = "demo",
    **settings: Unpack[Settings],
) -> pd.DataFrame:
    """Benchmarks models under attacks and returns the leaderboard of `out`, one row per model and data set.

    - `models`: 'all', names separated by commas, or a sequence of names and ModelCards of your own.
    - `attacks`: such as "pgd,cw" or "pgd(steps=50,eps=4/255)" or a suite.
    - `data`: NAME[:PATH[:SPLIT]].

    By keyword:

    - `eps`: budgets such as "2/255,8/255,L2:0.5", in [0, 1] pixel units, or curves such as "0.25/255:16/255:log8";
      default: those of the protocol.
    - `target`: the class that attacks aim at, a word, 'least-likely' or 'random'; default: any wrong class.
    - `n`: the n images of smallest pixel digest; default: all.
    - `out`: the results folder; default: "results".
    - `device`: "auto", the default, "cpu", "cuda" or "cuda:N".
    - `batch_size`: images attacked together; default: automatic. It cannot change a verdict beyond rounding.
    - `seed`: of every random draw; default: 0.
    - `rerun`: which stored cells are run again, "never", "failed", the default, or "all".
    - `transfer`: the images of each model are also tried on every other; default: False.
    - `classes`: the outputs of a model of your own, in their order.
    - `input`: what a model of your own takes, such as "224x224 RGB imagenet".
    - `weights`: NAME=FILE, for models whose weights only you can bring.

    Columns: model, task, data, n, clean_accuracy, robust_accuracy[ATTACK@EPS] ..., worst_case[NORM@EPS] ...;
    fractions, NaN where not measured. Raises FerBenchError with one line for whatever cannot be used.
    """
    request = Request.of(models, attacks, data, **settings)
    if skipped := left_out(request.models):
        print(skipped, file=sys.stderr)
    result = run_request(request)
    for failure in result.summary.failures:
        print(f"{failure.model}, {failure.attack}: {failure.error}", file=sys.stderr)
    return leaderboard(result.results)
