"""One shard of one cell: clean predictions, the attack under the Observer, confirmation, verdicts.

It must not know where shards come from, where verdicts go, or which model or attack it runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.outcome import ShardResult, Verdict
from fer_bench.engine import draws
from fer_bench.engine.attack import Program
from fer_bench.engine.confirmation import Confirmed, Effort, Trial
from fer_bench.engine.draws import isolated_generators
from fer_bench.engine.goals import Goal, regression_goal, targets_of
from fer_bench.engine.norms import project
from fer_bench.engine.observer import Observer
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError, FerBenchError, ModelError


@dataclass(frozen=True)
class Evaluated:
    """A shard's result, and the adversarial images behind it (the clean image where the attack failed)."""

    result: ShardResult
    images: torch.Tensor


@contextmanager
def full_precision() -> Iterator[None]:
    """Turns off reduced-precision float32 (TF32) on CUDA, in which two batch sizes could disagree."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def prepare(model: nn.Module) -> nn.Module:
    """Puts the model into eval mode and freezes its parameters, so that no attack can change or train it.

    Its weights are laid out channels-last, which is faster and changes results by rounding only.
    """
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def evaluate_shard(
    model: nn.Module,
    shard: Shard,
    spec: AttackSpec,
    program: Program,
    draw_seed: int,
    target_class: int | None = None,
) -> Evaluated:
    """Attacks one shard and returns confirmed verdicts in the shard's order.

    Samples that are wrong before the attack are not attacked, nor are those that already are of the class that a
    targeted attack aims at. Raises AttackError where the attack itself breaks, with what it said; errors of memory
    pass through for the engine to handle.

    `model`: any classifier or regressor; it is prepared here.
    `shard`: the samples, on the model's device and in its precision.
    `spec`: the attack's settings.
    `program`: carries the attack out.
    `draw_seed`: 63 bits that key its random draws.
    `target_class`: the class that is aimed at, as an index, where `spec.target` is a class word.
    """
    started = time.perf_counter()
    prepare(model)
    with full_precision(), isolated_generators(draw_seed):
        outputs = predict(model, shard.images)
        goal = _goal(shard, spec, outputs, target_class)
        clean = goal.answer(outputs).argmax(1)
        if spec.loss and spec.tolerance is None:
            clean = torch.zeros_like(clean)  # every sample is attacked: what counts is how far it can be moved
        trial = Trial(model, shard, goal, spec, program, draw_seed, outputs)
        confirmed, effort = Confirmed.of_nothing(trial), Effort.of_nothing(clean)
        attacked = goal.open(clean).nonzero().squeeze(1)
        doubtful = attacked[:0]
        if len(attacked):
            doubtful = _attempt(trial, attacked, spec.record != "largest", confirmed, effort)
            if len(doubtful) and spec.record == "first":  # the others never froze a row
                _attempt(trial, doubtful, False, confirmed, effort)
    result = ShardResult(
        verdicts=_verdicts(trial, clean, confirmed, effort),
        seconds=time.perf_counter() - started,
        forward_rows=len(shard.ids) + int(effort.forwards.sum()),
        backward_rows=effort.backward_rows,
        zero_gradient_rows=effort.zero_gradient_rows,
        bad_gradient_rows=effort.bad_gradient_rows,
        unconfirmed=len(doubtful),
    )
    return Evaluated(result, confirmed.images)


def _goal(shard: Shard, spec: AttackSpec, outputs: torch.Tensor, target_class: int | None) -> Goal:
    if not spec.loss:
        return Goal(shard.labels, targets_of(spec.target, target_class, outputs, shard.ids))
    if shard.values is None or outputs.shape[1] != 2:
        raise ModelError(f"{spec.label} attacks regressors; it needs true values and a model of two outputs.")
    return regression_goal(shard.values, spec.loss, spec.tolerance)


def predict(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the model answers to each image, `(n, classes)` or `(n, 2)`.

    Raises ModelError where the model does not give finite numbers.
    """
    try:
        with torch.no_grad(), draws.verdict():
            logits: torch.Tensor = model(images)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # whatever a user's model raises
        raise ModelError(
            f"the model cannot take images of {tuple(images.shape[1:])}: {type(error).__name__}: {error}"
        ) from error
    if logits.ndim != 2 or len(logits) != len(images):
        raise ModelError(
            f"the model answered {tuple(logits.shape)} for {len(images)} images; logits (batch, classes) are expected."
        )
    if not bool(torch.isfinite(logits).all()):
        raise ModelError("the model's logits on clean images are not finite; it cannot be evaluated.")
    return logits


def strongest(model: nn.Module, shard: Shard, spec: AttackSpec, program: Program, draw_seed: int) -> torch.Tensor:
    """For each sample the image within the budget that the attack brought nearest to success, or beyond it.

    What a transfer attack carries to other models: nothing is frozen, no sample is left out, and nothing is confirmed
    here, because the other model will be asked. Shaped as `shard.images`; samples without a label stay clean.

    `model`: any classifier; it is prepared here.
    `shard`: the samples, on the model's device and in its precision.
    `spec`: the attack's settings.
    `program`: carries the attack out.
    `draw_seed`: 63 bits that key its random draws.
    """
    prepare(model)
    with full_precision(), isolated_generators(draw_seed):
        rows = (shard.labels >= 0).nonzero().squeeze(1)
        images = shard.images.clone()
        if len(rows):
            part = shard.at(rows)
            observer = Observer(model, part, Goal(part.labels), spec, draw_seed, freeze=False)
            _run(program, spec, observer)
            images[rows] = project(observer.recording.images, part.images, spec.threat, part.mask)
    return images


def _run(program: Program, spec: AttackSpec, observer: Observer) -> None:
    """Lets the attack run; whatever numpy or torch raised inside it becomes an AttackError."""
    try:
        program(spec, observer)
    except (FerBenchError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise AttackError(f"{spec.label or spec.name} broke: {type(error).__name__}: {error}") from error


def _attempt(trial: Trial, rows: torch.Tensor, freeze: bool, confirmed: Confirmed, effort: Effort) -> torch.Tensor:
    """Attacks the samples `rows` and confirms what was found; returns the samples of which nothing held, `(m,)`.

    `trial`: what is asked.
    `rows`: positions in its shard, `(k,)` int64.
    `freeze`: whether samples that fell may be left alone.
    `confirmed`: takes what is confirmed.
    `effort`: takes what it cost.
    """
    part, goal = trial.shard.at(rows), trial.goal.at(rows)
    observer = Observer(trial.model, part, goal, trial.spec, trial.draw_seed, freeze=freeze)
    _run(trial.program, trial.spec, observer)
    effort.add(rows, observer)
    seen = observer.recording
    unconfirmed = seen.found.clone()
    for images, there in ((seen.images, seen.found), (seen.safe_images, seen.safe_found)):
        asked = (unconfirmed & there).nonzero().squeeze(1)
        if len(asked):
            unconfirmed[asked] = ~confirmed.confirm(trial, rows[asked], images[asked], seen.sizes[asked])
            effort.forwards[rows[asked]] += 2
    return rows[unconfirmed] if trial.spec.record != "largest" else rows[:0]


def _verdicts(trial: Trial, clean: torch.Tensor, confirmed: Confirmed, effort: Effort) -> tuple[Verdict, ...]:
    """The verdicts in the shard's order; `clean` `(n,)`: the clean predictions."""
    spec, goal, shard = trial.spec, trial.goal, trial.shard
    targets = [None] * len(shard.ids) if goal.targets is None else goal.targets.tolist()
    fooled, eight_bit, prediction = (t.tolist() for t in (confirmed.fooled, confirmed.eight_bit, confirmed.prediction))
    sizes, first_query = confirmed.sizes.tolist(), effort.first_query.tolist()
    forwards, backwards = effort.forwards.tolist(), effort.backwards.tolist()
    clean_values, values = (_pairs(outputs, spec) for outputs in (trial.clean_outputs, confirmed.outputs))
    return tuple(
        Verdict(
            sample=shard.ids[i],
            label=label,
            clean_prediction=clean_prediction,
            fooled=fooled[i],
            attacked_prediction=prediction[i] if fooled[i] else clean_prediction,
            norm=sizes[i] if fooled[i] else None,
            eight_bit=eight_bit[i] if fooled[i] else None,
            first_query=first_query[i] if fooled[i] and spec.record != "largest" else None,
            forwards=forwards[i] + 1,
            backwards=backwards[i],
            target=targets[i],
            clean_values=clean_values[i],
            attacked_values=values[i],
        )
        for i, (label, clean_prediction) in enumerate(zip(shard.labels.tolist(), clean.tolist(), strict=True))
    )


def _pairs(outputs: torch.Tensor, spec: AttackSpec) -> list[tuple[float, float] | None]:
    """The valence and arousal that a regressor predicts for each sample; None each for a classifier."""
    if not spec.loss:
        return [None] * len(outputs)
    return [(valence, arousal) for valence, arousal in outputs.tolist()]
