"""The matrix: which cells are asked for, which are missing, and running those, model by model.

It receives models, attacks and data as objects and must not know where they come from or how a result looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from fer_bench import progress
from fer_bench.bench.examination import examine
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.labels import NO_CLASSES, ClassMap, match
from fer_bench.core.model_card import Loaded, ModelCard
from fer_bench.core.outcome import Provenance
from fer_bench.data import parse_source
from fer_bench.engine.attack import Attack
from fer_bench.engine.job import cell_job, labels_of
from fer_bench.engine.judge import prepare
from fer_bench.engine.local import run_cell
from fer_bench.errors import AttackError, ModelError
from fer_bench.faces import landmarks
from fer_bench.store.results import CellContext, ResultStore

Rerun = Literal["never", "failed", "all"]


@dataclass(frozen=True)
class Entrant:
    """A model in the matrix. `fetch` brings its weights (and may fail before any work); `load` builds it.

    `digest` identifies weights and code: whatever can change an output changes it.
    """

    card: ModelCard
    digest: str
    fetch: Callable[[], None]
    load: Callable[[], Loaded]


@dataclass(frozen=True)
class Plan:
    """How to run: `batch_size` None is automatic; `rerun` says which stored cells are run again."""

    device: torch.device
    seed: int = 0
    batch_size: int | None = None
    rerun: Rerun = "failed"


@dataclass(frozen=True)
class Failure:
    """A cell that could not be finished, and why."""

    model: str
    attack: str
    error: str


@dataclass(frozen=True)
class Summary:
    """What a run did: numbers of cells run, found in the store, and failed."""

    ran: int
    present: int
    failures: tuple[Failure, ...]

    def __add__(self, other: Summary) -> Summary:
        return Summary(self.ran + other.ran, self.present + other.present, (*self.failures, *other.failures))


@dataclass(frozen=True)
class _Task:
    """A cell to run."""

    #: The model.
    entrant: Entrant
    #: What it is attacked by.
    attack: Attack
    #: What identifies the result.
    cell: Cell
    #: What the store keeps of the cell for people to read.
    context: CellContext
    #: From the data's classes to the model's.
    classes: ClassMap
    #: Whether what the store holds of the cell is dropped first.
    again: bool


@dataclass(frozen=True)
class _Setting:
    """What all cells have in common, stored or missing: the data and its digest, the store, and how to run."""

    data: EvalSet
    data_digest: str
    store: ResultStore
    plan: Plan


@dataclass(frozen=True)
class _Run:
    """A run that has begun: its setting, its number in the store, and the mask of each region that a task needs."""

    setting: _Setting
    id: int
    masks: Mapping[str, torch.Tensor | None]


def run_matrix(
    entrants: Sequence[Entrant],
    attacks: Sequence[Attack],
    data: EvalSet,
    store: ResultStore,
    plan: Plan,
    provenance: Provenance,
) -> Summary:
    """Runs every cell that the store does not hold yet; each finished shard is stored at once.

    Weights are fetched before the first cell, so that a missing network stops a run before it starts. A model or an
    attack that breaks fails its cells, with the error stored, and the matrix goes on.

    `entrants`: the models.
    `attacks`: each is run on each of them.
    `data`: the samples.
    `store`: what is there already, and where results go.
    `plan`: how to run.
    `provenance`: where and with what.
    """
    setting = _Setting(data, data.digest, store, plan)
    tasks, present, failures = _missing(entrants, attacks, setting)
    needed = {task.entrant.card.name: task.entrant for task in tasks}
    for entrant in needed.values():
        entrant.fetch()
    if tasks:
        regions = dict.fromkeys(task.attack.spec.threat.region for task in tasks)
        masks = {region: landmarks.mask_of(data, region) for region in regions}
        run = _Run(setting, store.add_run(provenance), masks)
        store.add_samples(data, setting.data_digest)
        with progress.steps("starting", len(tasks) * len(data)) as advance:
            for entrant in needed.values():
                failures += _run_model(entrant, [task for task in tasks if task.entrant is entrant], run, advance)
    return Summary(ran=len(tasks), present=present, failures=tuple(failures))


def _missing(
    entrants: Sequence[Entrant], attacks: Sequence[Attack], setting: _Setting
) -> tuple[list[_Task], int, list[Failure]]:
    """The cells to run, how many are there already, and (with --rerun never) the failed ones that stay."""
    data, store, plan = setting.data, setting.store, setting.plan
    tasks: list[_Task] = []
    present = 0
    failures: list[Failure] = []
    for entrant in entrants:
        classes = NO_CLASSES if data.task == "va" else match(entrant.card.classes, data.classes)
        for attack in attacks:
            card = entrant.card
            cell = Cell(card.name, entrant.digest, attack.spec, data.name, setting.data_digest, len(data), plan.seed)
            status = store.status(cell.key)
            if status == "done" and plan.rerun != "all":
                present += 1
            elif status == "failed" and plan.rerun == "never":
                failures.append(Failure(card.name, attack.spec.label, store.error(cell.key)))
            else:
                again = status == "failed" or (status == "done" and plan.rerun == "all")
                tasks.append(_Task(entrant, attack, cell, _context(card, attack.spec, data, classes), classes, again))
    return tasks, present, failures


def _context(card: ModelCard, spec: AttackSpec, data: EvalSet, classes: ClassMap) -> CellContext:
    return CellContext(
        attack_label=spec.label,
        model_title=card.title,
        task=card.task,
        family=card.family,
        year=card.year,
        parameters=card.parameters,
        licence=card.licence,
        trained_on=card.trained_on,
        input=card.input,
        defended=card.defended,
        contaminated=card.contaminated,
        notes=card.notes,
        model_classes=card.classes,
        data_classes=data.classes,
        data_source=data.source,
        missing_in_model=classes.missing_in_model,
        missing_in_data=classes.missing_in_data,
        model_source=card.own,
    )


def _run_model(entrant: Entrant, tasks: Sequence[_Task], run: _Run, advance: progress.Advance) -> list[Failure]:
    """Runs the missing cells of one model, which is built once."""
    failures: list[Failure] = []
    name, store = entrant.card.name, run.setting.store
    model = _loaded(entrant, tasks[0].classes, run, advance)
    for task in tasks:
        label = task.attack.spec.label
        advance(0, f"{name}: {label} {task.attack.spec.threat}")
        cell_id = store.begin(task.cell, task.context, run.id, task.again)
        try:
            if isinstance(model, ModelError):
                raise model
            _run_task(task, cell_id, model, run, advance)
        except (AttackError, ModelError) as error:
            store.finish(cell_id, error=str(error))
            failures.append(Failure(name, label, str(error)))
        else:
            store.finish(cell_id)
    return failures


def _loaded(entrant: Entrant, classes: ClassMap, run: _Run, advance: progress.Advance) -> nn.Module | ModelError:
    """The model, ready to be attacked and examined once on this data; the error where it cannot be."""
    setting, name = run.setting, entrant.card.name
    data, store = setting.data, setting.store
    advance(0, f"{name}: loading")
    try:
        loaded = entrant.load()
        model = prepare(loaded.model.to(setting.plan.device))
        if not store.examined(entrant.digest, setting.data_digest):
            advance(0, f"{name}: examining")
            labels, split = labels_of(data, classes).tolist(), parse_source(data.source).split or ""
            examined = examine(model, entrant.card, data, labels, split)
            findings = [*loaded.findings, *examined.findings]
            store.add_examination(run.id, entrant.digest, setting.data_digest, findings)
    except ModelError as error:
        return ModelError(str(error))  # not the error itself, whose traceback would hold the model in memory
    return model


def _run_task(task: _Task, cell_id: int, model: nn.Module, run: _Run, advance: progress.Advance) -> None:
    """Runs what is missing of one cell; each finished shard is stored at once.

    `task`: the cell.
    `cell_id`: its number in the store.
    `model`: as `_loaded` leaves it.
    `run`: what its results belong to.
    `advance`: told of every sample.
    """
    data, store, plan = run.setting.data, run.setting.store, run.setting.plan
    judged = store.judged(cell_id)
    advance(len(judged))
    wanted = [i for i, sample in enumerate(data.ids) if sample not in judged]
    mask = run.masks[task.attack.spec.threat.region]
    job = cell_job(task.attack, plan.seed, data, task.classes, task.entrant.card.classes, mask)
    through = store.passed(cell_id) if task.attack.stages else {}
    passed = {i: through[data.ids[i]] for i in wanted if data.ids[i] in through}
    for result in run_cell(job, model, wanted, plan.device, plan.batch_size, passed=passed):
        store.add_shard(cell_id, run.id, run.setting.data_digest, result)
        advance(len(result.verdicts))
