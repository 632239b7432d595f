"""Results folders with verdicts written by hand, through the real ResultStore; it must test nothing itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from toys import CLASSES, sample_name, toy_provenance

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.outcome import ShardResult, Verdict
from fer_bench.core.threat import Norm, ThreatModel
from fer_bench.store.results import CellContext, ResultStore
from reports.tables.boards import Entry
from reports.tables.frames import Frames, collect
from reports.tables.results import Results

#: What became of a sample: wrong before the attack, never fooled, or fooled by a perturbation of this norm.
WRONG, NEVER = "wrong", "never"
Outcome = str | float


def pgd(eps: float = 8 / 255, name: str = "pgd", norm: Norm = "Linf", version: int = 1, steps: int = 50) -> AttackSpec:
    """A budget attack."""
    return AttackSpec(name, ThreatModel(norm, eps), (("steps", steps),), version, label=name)


def cw(name: str = "cw", norm: Norm = "L2") -> AttackSpec:
    """A minimum-norm attack."""
    return AttackSpec(name, ThreatModel(norm, math.inf), (("c", 1.0), ("steps", 50)), 1, "smallest", name)


def outcomes(fell: int = 0, n: int = 200, robust: int = 120, wrong: int = 40) -> list[Outcome]:
    """`robust` samples that stand but for the first `fell` of them, then fooled ones, then `wrong` ones."""
    return [0.001] * fell + [NEVER] * (robust - fell) + [0.001] * (n - robust - wrong) + [WRONG] * wrong


CONTEXT = CellContext(
    attack_label="",
    model_title="A toy",
    task="expression",
    family="toys",
    year=2024,
    parameters=1_234_567,
    licence="MIT",
    trained_on="nothing",
    input="48x48 gray in [0, 1]",
    defended=False,
    contaminated="",
    notes=(),
    model_classes=CLASSES,
    data_classes=CLASSES,
    data_source="toy",
    missing_in_model=(),
    missing_in_data=(),
)


@dataclass(frozen=True)
class Made:
    """A cell to store. `survive`: the samples whose adversarial image survives rounding to 8 bits."""

    outcomes: Sequence[Outcome]
    attack: AttackSpec = field(default_factory=pgd)
    model: str = "toy"
    digest: str = "a" * 64
    labels: Sequence[int] = ()
    seed: int = 0
    data: str = "toys"
    error: str = ""
    finished: bool = True
    survive: frozenset[int] = frozenset()
    context: CellContext = CONTEXT
    zero_gradient_rows: int = 0
    n: int | None = None


def make(folder: Path, *cells: Made, command: str = "ferbench run") -> Frames:
    """Stores the cells as one run and reads everything back."""
    with ResultStore(folder) as store:
        run = store.add_run(toy_provenance(command))
        for cell in cells:
            _store(store, run, cell)
        return collect(store)


def _store(store: ResultStore, run: int, made: Made) -> None:
    n = made.n or len(made.outcomes)
    labels = tuple(made.labels) or (0,) * n
    data = EvalSet(
        name=made.data,
        source="toy",
        images=torch.zeros(n, 1, 1, 1),
        labels=torch.tensor(labels),
        classes=CLASSES,
        ids=tuple(sample_name(i) for i in range(n)),
    )
    cell = Cell(made.model, made.digest, made.attack, data.name, data.digest, n, made.seed)
    store.add_samples(data, data.digest)
    number = store.begin(cell, dataclasses.replace(made.context, attack_label=made.attack.label), run, again=False)
    if made.outcomes:
        verdicts = [
            _verdict(data.ids[i], labels[i], outcome, i in made.survive) for i, outcome in enumerate(made.outcomes)
        ]
        result = ShardResult(tuple(verdicts), 1.25, 5 * n, 3 * n, made.zero_gradient_rows, 0, 0)
        store.add_shard(number, run, data.digest, result)
    if made.error or made.finished:
        store.finish(number, made.error)


def _verdict(sample: str, label: int, outcome: Outcome, survives: bool) -> Verdict:
    other = (label + 1) % len(CLASSES)
    if isinstance(outcome, float):
        return Verdict(sample, label, label, True, other, outcome, survives, 2, 5, 3)
    seen = other if outcome == WRONG else label
    return Verdict(sample, label, seen, False, seen, None, None, None, 5, 3)


EPS = 8 / 255


def only(frames: Frames) -> Entry:
    """The one row of a store."""
    [board] = Results(frames).boards
    [entry] = board.entries
    return entry
