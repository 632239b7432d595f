"""The public verbs: names become objects, objects are called. With cli.py the only file to know all four packages."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attacks import ATTACKS, SUITES, choose_attacks
from attacks.choose import attack_again, check
from attacks.regression import for_task
from attacks.suites import suite_of
from fer_bench import fetch, gallery, model_check, provenance, recreate
from fer_bench.benchmark import Entrant, Plan, Rerun, Summary, run_matrix
from fer_bench.data import DATASETS, open_data, parse_source, survey_data
from fer_bench.engines.local import choose_device
from fer_bench.errors import ModelError, UsageError
from fer_bench.examination import Examined
from fer_bench.gallery import Opened, Room, Wanted
from fer_bench.recreate import Replay
from fer_bench.store import ResultStore, StoredCell
from fer_bench.transfer import run_transfer
from fer_bench.types import EvalSet, ModelCard
from models_zoo import MODELS, shelf
from models_zoo.choose import bring, choose_models, every_model, find_model, left_out, weights
from models_zoo.defences import split_defences
from models_zoo.loading import identity, open_model
from models_zoo.loading import load as load_model
from reports import leaderboard, listing, replays, sheet, tables
from reports.replays import describe

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ATTACKS",
    "DATASETS",
    "MODELS",
    "SUITES",
    "Replay",
    "RunResult",
    "check_model",
    "choose_attacks",
    "choose_models",
    "describe",
    "entrant",
    "every_model",
    "fetch",
    "find_model",
    "leaderboard",
    "left_out",
    "listing",
    "load",
    "open_data",
    "parse_source",
    "remade",
    "replay",
    "run",
    "run_cells",
    "sheet",
    "shelf",
    "stored",
    "suite_of",
    "survey_data",
    "weights",
]

REPORT_NAME = "report.html"
LEADERBOARD_NAME = "leaderboard.csv"


@dataclass(frozen=True)
class RunResult:
    """What `run_cells` did, where it wrote, and everything that the results folder now holds."""

    summary: Summary
    frames: tables.Frames
    report: Path
    leaderboard: Path


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
    fetch.card_files(card.files, card.name)


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
        frames = tables.collect(store)
    done = RunResult(summary, frames, folder / REPORT_NAME, folder / LEADERBOARD_NAME)
    leaderboard.write_csv(frames, done.leaderboard)
    leaderboard.write_html(frames, done.report)
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
    return tables.leaderboard(done.frames)


def load(results: str | Path = "results") -> tables.Frames:
    """The stored verdicts of a results folder as pandas frames: `.cells` (one row a cell) and `.verdicts`."""
    with ResultStore(Path(results), create=False) as store:
        return tables.collect(store)


def replay(
    results: str | Path,
    cell: str,
    sample: str,
    *,
    data: str | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    weights: Iterable[str] = (),
) -> Replay:
    """Re-creates a stored verdict and its image from the store alone, and says what differs.

    `cell` and `sample` are beginnings of a cell's key and of a sample's digest. `data` replaces the stored place of
    the data set where that has moved. Pictures go to `out` (default: replay in the results folder). `weights`:
    NAME=FILE for a model whose weights were brought. Raises FerBenchError where the model, the data or the sample
    cannot be found.
    """
    folder = Path(results)
    with ResultStore(folder, create=False) as store:
        found = recreate.find_cell(store, cell)
        stored = recreate.find_verdict(store, found, sample)
    card = _card_again(found, weights)
    attack = attack_again(found.cell.attack)
    return recreate.recreate(
        found,
        stored,
        load_model(card),
        identity(card),
        attack,
        # An attack of a set needs exactly the set; any other finds its sample in whatever holds it.
        open_data(data or found.context.data_source, found.cell.n if attack.fit else None),
        choose_device(device),
        Path(out) if out is not None else folder / "replay",
        _source(found.cell.attack.source),
    )


def remade(wanted: Sequence[Wanted], *, device: str = "auto", weights: Iterable[str] = ()) -> tuple[Room, ...]:
    """Makes stored verdicts of many cells again, from what the cells say alone; one room a cell.

    `weights`: NAME=FILE for models whose weights were brought. A cell whose model or data is gone has that as its
    room's problem. Raises UsageError for weights that no wanted cell's model takes.
    """
    given: dict[str, list[str]] = {split_defences(one.cell.cell.model)[0]: [] for one in wanted}
    for pair in weights:
        name = pair.partition("=")[0].strip()
        if name not in given:
            known = ", ".join(given) or "none"
            raise UsageError(f"--weights {pair}: no model of this gallery is called '{name}'; it has {known}.")
        given[name].append(pair)
    # One set at a time is held; the cells come data set by data set.
    opened = functools.lru_cache(maxsize=1)(open_data)

    def again(found: StoredCell) -> Opened:
        card = _card_again(found, given[split_defences(found.cell.model)[0]])
        data = opened(found.context.data_source, found.cell.n)
        return Opened(load_model(card), identity(card), attack_again(found.cell.attack), data)

    return gallery.rooms(wanted, again, choose_device(device))


def _card_again(found: StoredCell, weights: Iterable[str]) -> ModelCard:
    """The card of a stored cell's model, as it is now. Raises ModelError where there is none any more."""
    name, context = found.cell.model, found.context
    if not context.model_source and split_defences(name)[0] not in {card.name for card in every_model()}:
        raise ModelError(
            f"model '{name}' is not known here any more; install the package that has it, or `ferbench models add` it."
        )
    card = find_model(context.model_source or name, context.model_classes, context.input)
    (card,) = bring([card], weights)
    return card


def _source(name: str) -> recreate.Source | None:
    """The model that a transfer cell's images were made on; None for any other cell."""
    if not name:
        return None
    card = MODELS.get(name)
    return recreate.Source(load_model(card), card.classes, identity(card))


def stored(results: str | Path, cell: str | None = None) -> str:
    """The finished cells of a results folder as text, or the fooled samples of one of them."""
    with ResultStore(Path(results), create=False) as store:
        return replays.cells(store) if cell is None else replays.fooled(store, recreate.find_cell(store, cell))


def check_model(
    name: str | ModelCard,
    data: str = "demo",
    *,
    n: int | None = None,
    device: str = "auto",
    classes: str | Sequence[str] = (),
    given: str = "",
    weights: Iterable[str] = (),
) -> Examined:
    """Examines a model as a run does before it attacks; the parameters are those of `run`."""
    (card,) = choose_models([name], classes, given, weights)
    return model_check.check(card, open_model(card), open_data(data, n), choose_device(device))
