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
    """The CCC of valence and of arousal under attack, in [-1, 1], and where both are stored.

    A CCC that is undefined, because nothing varies, counts as 0.
    """

    #: With its 95 % interval.
    valence: rates.Rate
    #: With its 95 % interval.
    arousal: rates.Rate
    #: The mean of the two without attack.
    clean: float
    #: Number of images.
    n: int
    #: Of the stored cell.
    key: str

    @property
    def mean(self) -> float:
        """The mean of valence and arousal."""
        return (self.valence.value + self.arousal.value) / 2


@dataclass(frozen=True)
class Question:
    """One model under one attack at one budget, and where its verdicts are kept.

    A module is measured anew each time, for its code may have changed where its weights have not; for a card or a name
    of the registry what is stored in `out` is taken.
    """

    #: A module, a card, or a name of the registry.
    model: nn.Module | ModelCard | str
    #: One attack at one budget, such as "pgd(eps=2/255)".
    attack: str
    #: NAME[:PATH[:SPLIT]].
    data: str
    #: The results folder.
    out: Path
    #: How many images, those of smallest pixel digest; None: all.
    n: int | None = None
    #: Of a module for expressions: its outputs, in their order.
    classes: Sequence[str] = ()
    #: What a module is called in the results; empty: its class's name.
    name: str = ""
    #: Of every random draw.
    seed: int = 0
    #: 'auto', 'cpu', 'cuda' or 'cuda:N'.
    device: str = "auto"


def robust_accuracy(question: Question) -> Measured:
    """The share of images that the model has right and that the attack does not change.

    Raises FerBenchError for what cannot be used, AttackError where the attack or the model fails.
    """
    answer = _cell(question, "expression")
    verdicts = answer.frames.by_cell[answer.cell.id]
    left = robust(verdicts, answer.cell.cell.attack.threat)
    return Measured(
        robust=rates.wilson(int(left.sum()), len(left)),
        clean=rates.wilson(int(verdicts["right"].sum()), len(left)),
        n=len(left),
        key=answer.cell.key,
    )


def robust_ccc(question: Question) -> Concordance:
    """The concordance of a regressor's valence and arousal with the truth while the attack raises its error.

    The attack is one without tolerance: with one it stops before the error is large. Raises as `robust_accuracy`.
    """
    answer = _cell(question, "va")
    [measured] = [entry for entry in agreement.regressions(answer.frames) if entry.cell.id == answer.cell.id]
    assert measured.attacked is not None
    valence, arousal = (_rate(measured.attacked[dimension]) for dimension in VALENCE_AROUSAL)
    clean = sum(measured.clean[dimension].agreement.ccc or 0.0 for dimension in VALENCE_AROUSAL) / len(VALENCE_AROUSAL)
    return Concordance(valence, arousal, clean, answer.cell.cell.n, answer.cell.key)


def _rate(measured: agreement.Measured) -> rates.Rate:
    value = measured.agreement.ccc or 0.0
    low, high = measured.ccc or (value, value)
    return rates.Rate(value, low, high)


@dataclass(frozen=True)
class _Answer:
    """A finished cell, and the frames of the folder that has it."""

    frames: Frames
    cell: StoredCell


def _cell(question: Question, task: Task) -> _Answer:
    """Runs the one cell, or finds it, and gives it with the frames of its folder."""
    live = isinstance(question.model, nn.Module)
    card = _card(question, task)
    requested = attacks.choose_attacks(question.attack)
    if len(requested) != 1 or requested[0].spec.minimum_norm:
        raise UsageError(
            f"one attack at one budget is needed, not '{question.attack}'; give its eps, as in pgd(eps=2/255)."
        )
    evalset = fer_bench_data.open_data(question.data, question.n)
    verb = {"expression": "robust_accuracy", "va": "robust_ccc"}
    if evalset.task != task:
        raise UsageError(f"{verb[task]} cannot use {question.data}; it is data for {verb[evalset.task]}.")
    if card.task != task:
        raise UsageError(f"{verb[task]} cannot use {card.name}; it is a model for {verb[card.task]}.")
    (attack,) = for_task(requested, evalset.task)
    if task == "va" and attack.spec.tolerance is not None:
        raise UsageError(
            f"'{question.attack}' stops at a tolerance, which leaves no CCC under attack; ask without, as pgd."
        )
    device = choose_device(question.device)
    entrant = benchmark.entrant(card)
    plan = Plan(device=device, seed=question.seed, rerun="all" if live else "failed")
    key = Cell(card.name, entrant.digest, attack.spec, evalset.name, evalset.digest, len(evalset), question.seed).key
    with ResultStore(question.out) as store:
        summary = run_matrix([entrant], [attack], evalset, store, plan, provenance.collect("pytest", device))
        for failure in summary.failures:
            raise AttackError(f"{failure.model}, {failure.attack}: {failure.error}")
        return _Answer(collect(store), find.find_cell(store, key))


def _card(question: Question, task: Task) -> ModelCard:
    """The card of the model; a module gets one of its own, and the benchmark copies, so that it stays as it is."""
    model = question.model
    if not isinstance(model, nn.Module):
        return select.choose_models([model])[0]
    classes = VALENCE_AROUSAL if task == "va" else tuple(question.classes)
    if not classes:
        raise UsageError("a module needs its classes, in the order of its outputs: classes=('angry', 'happy', ...).")
    name = question.name or type(model).__name__
    return ModelCard(
        name=name,
        title=name,
        task=task,
        classes=classes,
        input="unknown",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        paper="unknown",
        year=date.today().year,
        licence="unknown",
        files=(),
        build=lambda paths: copy.deepcopy(model),
    )
