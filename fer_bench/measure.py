"""One number for a model's own tests: its accuracy under one attack, measured and stored. It asserts nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from torch import nn

from fer_bench import api, metrics, provenance, recreate
from fer_bench.benchmark import Plan, run_matrix
from fer_bench.engines.local import choose_device
from fer_bench.errors import AttackError, UsageError
from fer_bench.store import ResultStore
from fer_bench.types import Cell, ModelCard
from reports import tables


@dataclass(frozen=True)
class Measured:
    """A robust accuracy with its 95 % Wilson interval, the clean accuracy beside it, and where both are stored."""

    robust: metrics.Rate
    clean: metrics.Rate
    n: int
    key: str


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
    live = isinstance(model, nn.Module)
    card = _card(model, tuple(classes), name) if isinstance(model, nn.Module) else api.choose_models([model])[0]
    asked = api.choose_attacks(attack)
    if len(asked) != 1 or asked[0].spec.minimum_norm:
        raise UsageError(f"one attack at one budget is needed, not '{attack}'; give its eps, as in pgd(eps=2/255).")
    evalset = api.open_data(data, n)
    where = choose_device(device)
    entrant = api.entrant(card)
    plan = Plan(device=where, seed=seed, rerun="all" if live else "failed")
    key = Cell(card.name, entrant.digest, asked[0].spec, evalset.name, evalset.digest, len(evalset), seed).key
    with ResultStore(out) as store:
        done = run_matrix([entrant], asked, evalset, store, plan, provenance.collect("pytest", where))
        for failure in done.failures:
            raise AttackError(f"{failure.model}, {failure.attack}: {failure.error}")
        cell = recreate.find_cell(store, key)
        verdicts = tables.collect(store).by_cell[cell.id]
    left = tables.robust(verdicts, asked[0].spec.threat)
    return Measured(
        robust=metrics.wilson(int(left.sum()), len(left)),
        clean=metrics.wilson(int(verdicts["right"].sum()), len(left)),
        n=len(left),
        key=key,
    )


def _card(model: nn.Module, classes: tuple[str, ...], name: str) -> ModelCard:
    """A card of a module that is at hand; the benchmark gets copies, so that the module stays as it is."""
    if not classes:
        raise UsageError("a module needs its classes, in the order of its outputs: classes=('angry', 'happy', ...).")
    called = name or type(model).__name__
    return ModelCard(
        name=called,
        title=called,
        task="expression",
        classes=classes,
        input="unknown",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        paper="unknown",
        year=date.today().year,
        licence="unknown",
        files=(),
        build=lambda paths: copy.deepcopy(model),
    )
