"""Transfer: the images that an attack makes on one model, judged on every other. It reuses the matrix's cells.

A transfer cell is the target model's, with the attack's settings and the source model's name and digest as parameters.
Its images are what the attack brought nearest to success on the source, unfrozen: an attack that stops at the first
image that fools leaves it just beyond the source's own boundary, where nothing carries over. At most two models are in
memory. It must not know any particular model or attack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from fer_bench import progress
from fer_bench.bench.matrix import Entrant, Plan, Summary, run_matrix
from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.labels import match
from fer_bench.core.outcome import Provenance
from fer_bench.engine.attack import Attack, SetView, by_proposals
from fer_bench.engine.job import cell_job
from fer_bench.engine.local import strongest_images
from fer_bench.errors import AttackError, ModelError, UsageError
from fer_bench.faces import landmarks
from fer_bench.store.results import ResultStore


def transferred(spec: AttackSpec, model: str, model_digest: str) -> AttackSpec:
    """The spec of the cell that judges on another model what `spec` made on this one."""
    return replace(spec, source=model, source_digest=model_digest[:16], label=f"{spec.label} from {model}")


def carries(attack: Attack) -> bool:
    """True where an attack's images can be tried on other models: it spends a budget, for each sample by itself."""
    spec = attack.spec
    return not (spec.minimum_norm or spec.target or attack.stages or attack.fit or spec.threat.by_construction)


def run_transfer(
    entrants: Sequence[Entrant],
    attacks: Sequence[Attack],
    data: EvalSet,
    store: ResultStore,
    plan: Plan,
    provenance: Provenance,
) -> Summary:
    """Runs every transfer cell that the store does not hold yet: each attack that `carries`, each ordered pair.

    A source on which an attack breaks fails its cells, and the others go on. Raises UsageError where there are fewer
    than two models or no attack that carries.

    `entrants`: the models, each a source and a target.
    `attacks`: those that do not carry are left aside.
    `data`: the samples.
    `store`: what is there already, and where results go.
    `plan`: how to run.
    `provenance`: where and with what.
    """
    carried = [attack for attack in attacks if carries(attack)]
    if len(entrants) < 2 or not carried:
        raise UsageError(
            "--transfer needs at least two models and one attack that spends a budget on each sample by itself "
            "(not a suite, a curve, a targeted or a minimum-norm attack)."
        )
    done = Summary(0, 0, ())
    for source in entrants:
        targets = [entrant for entrant in entrants if entrant is not source]
        done += _from(source, targets, carried, data, store, plan, provenance)
    return done


def _from(
    source: Entrant,
    targets: Sequence[Entrant],
    attacks: Sequence[Attack],
    data: EvalSet,
    store: ResultStore,
    plan: Plan,
    provenance: Provenance,
) -> Summary:
    """The cells of one source model. Its images are made only where a cell is missing.

    `source`: that model.
    `targets`: the models that its images are tried on.
    `attacks`: all of which carry.
    `data`: the samples.
    `store`: what is there already, and where results go.
    `plan`: how to run.
    `provenance`: where and with what.
    """
    specs = [transferred(attack.spec, source.card.name, source.digest) for attack in attacks]
    wanted = [
        (attack, spec)
        for attack, spec in zip(attacks, specs, strict=True)
        if any(_missing(spec, target, data, store, plan) for target in targets)
    ]
    present = (len(attacks) - len(wanted)) * len(targets)
    if not wanted:
        return Summary(0, present, ())
    source.fetch()
    model: nn.Module | ModelError
    try:
        model = source.load().model.to(plan.device)
    except ModelError as error:
        model = error
    made = []
    with progress.steps(f"{source.card.name}: images for the others", len(wanted)) as advance:
        for attack, spec in wanted:
            try:
                made.append(_judging(spec, _images(attack, source, model, data, plan)))
            except (AttackError, ModelError) as error:
                made.append(_failing(spec, error))
            advance()
    del model
    return run_matrix(targets, made, data, store, plan, provenance) + Summary(0, present, ())


def _images(attack: Attack, source: Entrant, model: nn.Module | ModelError, data: EvalSet, plan: Plan) -> torch.Tensor:
    """What the attack makes on the source, for every sample, on the CPU.

    `attack`: one that carries.
    `source`: the source's card.
    `model`: it, or why it could not be loaded, which is raised.
    `data`: the samples.
    `plan`: how to run.
    """
    if isinstance(model, ModelError):
        raise model
    mask = landmarks.mask_of(data, attack.spec.threat.region)
    job = cell_job(attack, plan.seed, data, match(source.card.classes, data.classes), source.card.classes, mask)
    return strongest_images(job, model, plan.device, plan.batch_size)


def _failing(spec: AttackSpec, error: AttackError | ModelError) -> Attack:
    """An attack whose cells fail with what went wrong on the source, so that it is stored and shown."""

    def fit(spec: AttackSpec, view: SetView) -> torch.Tensor:
        raise AttackError(f"its images could not be made on {spec.source}: {error}")

    return Attack(spec, by_proposals, fit=fit)


def _judging(spec: AttackSpec, images: torch.Tensor) -> Attack:
    """The attack that asks about `images`, made beforehand."""
    return Attack(spec, by_proposals, fit=lambda spec, view: images)


def _missing(spec: AttackSpec, target: Entrant, data: EvalSet, store: ResultStore, plan: Plan) -> bool:
    """Whether a transfer cell has to be run.

    `spec`: of the cell, as `transferred` makes it.
    `target`: the model that is judged.
    `data`: the samples.
    `store`: what is there already.
    `plan`: which of those are run again.
    """
    cell = Cell(target.card.name, target.digest, spec, data.name, data.digest, len(data), plan.seed)
    status = store.status(cell.key)
    return plan.rerun == "all" or status in (None, "running") or (status == "failed" and plan.rerun == "failed")
