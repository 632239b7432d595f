"""One number for a model's own tests: its accuracy or CCC under one attack, measured and stored. It asserts nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from torch import nn

import attacks
from attacks.on_regressors import for_task
from fer_bench import data as fer_bench_data
from fer_bench.api import benchmark
from fer_bench.bench import provenance
from fer_bench.bench.matrix import Plan, run_matrix
from fer_bench.core.cell import Cell
from fer_bench.core.model_card import VALENCE_AROUSAL, ModelCard, Task
from fer_bench.engine.local import choose_device
from fer_bench.errors import AttackError, UsageError
from fer_bench.stats import rates
from fer_bench.store import find
from fer_bench.store.results import ResultStore, StoredCell
from models_zoo import select
from reports.tables import agreement
from reports.tables.frames import Frames, collect
from reports.tables.rates import robust


@dataclass(frozen=True)
class Measured:
    """A robust accuracy with its 95 % Wilson interval, the clean accuracy beside it, and where both are stored."""

    robust: rates.Rate
    clean: rates.Rate
    n: int
    key: str


@dataclass(frozen=True)
class Concordance:
    """The CCC of valence and of arousal under attack, with 95 % intervals, and where both are stored.

    `clean`: the mean of the two without attack. A CCC that is undefined, because nothing varies, counts as 0.
    """

    valence: rates.Rate
    arousal: rates.Rate
    clean: float
    n: int
    key: str

    @property
    def mean(self) -> float:
        """The mean of valence and arousal."""
        return (self.valence.value + self.arousal.value) / 2


def robust_accuracy(
    model: nn.Module | ModelCard | str,
    attack: str,
    data: str,
    out: Path,
    *,
    n: int | None = None,
    classes: Sequence[str] = (),
    name: str = "",
    seed: int = 0,
    device: str = "auto",
) -> Measured:
    """The share of images that the model has right and that `attack` does not change.

    `attack` is one attack at one budget. A module is measured anew each time, for its code may have changed where its
    weights have not; for a card or a name of the registry what is stored in `out` is taken. Raises FerBenchError for
    what cannot be used, AttackError where the attack or the model fails.
    """
    done = _cell(_Asked(model, "expression", tuple(classes), name), attack, data, out, n, seed, device)
    verdicts = done.frames.by_cell[done.cell.id]
    left = robust(verdicts, done.cell.cell.attack.threat)
    return Measured(
        robust=rates.wilson(int(left.sum()), len(left)),
        clean=rates.wilson(int(verdicts["right"].sum()), len(left)),
        n=len(left),
        key=done.cell.key,
    )


def robust_ccc(
    model: nn.Module | ModelCard | str,
    attack: str,
    data: str,
    out: Path,
    *,
    n: int | None = None,
    name: str = "",
    seed: int = 0,
    device: str = "auto",
) -> Concordance:
    """The concordance of a regressor's valence and arousal with the truth while `attack` raises its error.

    `attack` is one attack at one budget, without tolerance: with one it stops before the error is large. Otherwise as
    `robust_accuracy`.
    """
    done = _cell(_Asked(model, "va", VALENCE_AROUSAL, name), attack, data, out, n, seed, device)
    [found] = [entry for entry in agreement.regressions(done.frames) if entry.cell.id == done.cell.id]
    assert found.attacked is not None
    valence, arousal = (_rate(found.attacked[dimension]) for dimension in VALENCE_AROUSAL)
    clean = sum(found.clean[dimension].agreement.ccc or 0.0 for dimension in VALENCE_AROUSAL) / len(VALENCE_AROUSAL)
    return Concordance(valence, arousal, clean, done.cell.cell.n, done.cell.key)


def _rate(measured: agreement.Measured) -> rates.Rate:
    value = measured.agreement.ccc or 0.0
    low, high = measured.ccc or (value, value)
    return rates.Rate(value, low, high)


@dataclass(frozen=True)
class _Asked:
    """A model as it was given, what it must be for, and for a module what its outputs are."""

    model: nn.Module | ModelCard | str
    task: Task
    classes: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class _Done:
    frames: Frames
    cell: StoredCell


def _cell(asked: _Asked, attack: str, data: str, out: Path, n: int | None, seed: int, device: str) -> _Done:
    """Runs the one cell, or finds it, and gives it with the frames of its folder."""
    model = asked.model
    live = isinstance(model, nn.Module)
    card = _card(model, asked) if isinstance(model, nn.Module) else select.choose_models([model])[0]
    chosen = attacks.choose_attacks(attack)
    if len(chosen) != 1 or chosen[0].spec.minimum_norm:
        raise UsageError(f"one attack at one budget is needed, not '{attack}'; give its eps, as in pgd(eps=2/255).")
    evalset = fer_bench_data.open_data(data, n)
    verb = {"expression": "robust_accuracy", "va": "robust_ccc"}
    if evalset.task != asked.task:
        raise UsageError(f"{verb[asked.task]} cannot use {data}; it is data for {verb[evalset.task]}.")
    if card.task != asked.task:
        raise UsageError(f"{verb[asked.task]} cannot use {card.name}; it is a model for {verb[card.task]}.")
    (ready,) = for_task(chosen, evalset.task)
    if asked.task == "va" and ready.spec.tolerance is not None:
        raise UsageError(f"'{attack}' stops at a tolerance, which leaves no CCC under attack; ask without, as pgd.")
    where = choose_device(device)
    entrant = benchmark.entrant(card)
    plan = Plan(device=where, seed=seed, rerun="all" if live else "failed")
    key = Cell(card.name, entrant.digest, ready.spec, evalset.name, evalset.digest, len(evalset), seed).key
    with ResultStore(out) as store:
        done = run_matrix([entrant], [ready], evalset, store, plan, provenance.collect("pytest", where))
        for failure in done.failures:
            raise AttackError(f"{failure.model}, {failure.attack}: {failure.error}")
        return _Done(collect(store), find.find_cell(store, key))


def _card(model: nn.Module, asked: _Asked) -> ModelCard:
    """A card of a module that is at hand; the benchmark gets copies, so that the module stays as it is."""
    if not asked.classes:
        raise UsageError("a module needs its classes, in the order of its outputs: classes=('angry', 'happy', ...).")
    called = asked.name or type(model).__name__
    return ModelCard(
        name=called,
        title=called,
        task=asked.task,
        classes=asked.classes,
        input="unknown",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        paper="unknown",
        year=date.today().year,
        licence="unknown",
        files=(),
        build=lambda paths: copy.deepcopy(model),
    )
