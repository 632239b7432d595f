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
from fer_bench.engine.draws import isolated_generators
from fer_bench.engine.goals import Goal, regression_goal, targets_of
from fer_bench.engine.norms import norms, project
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
    targeted attack aims at (`target_class`: its index, where `spec.target` is a class word). Raises AttackError where
    the attack itself breaks, with what it said; errors of memory pass through for the engine to handle.
    """
    started = time.perf_counter()
    prepare(model)
    with full_precision(), isolated_generators(draw_seed):
        outputs = predict(model, shard.images)
        goal = _goal(shard, spec, outputs, target_class)
        clean = goal.answer(outputs).argmax(1)
        if spec.loss and spec.tolerance is None:
            clean = torch.zeros_like(clean)  # every sample is attacked: what counts is how far it can be moved
        attempt = _Attempt(model, shard, goal, spec, program, draw_seed, outputs)
        attacked = goal.open(clean).nonzero().squeeze(1)
        doubtful = attempt.unconfirmed
        if len(attacked):
            attempt.run(attacked, freeze=spec.record != "largest")
            doubtful = attempt.unconfirmed
            if len(doubtful) and spec.record == "first":  # the others never froze a row
                attempt.run(doubtful, freeze=False)
    verdicts = tuple(attempt.verdict(i, int(clean[i])) for i in range(len(shard.ids)))
    forwards = len(shard.ids) + int(attempt.forwards.sum())
    result = ShardResult(
        verdicts=verdicts,
        seconds=time.perf_counter() - started,
        forward_rows=forwards,
        backward_rows=attempt.backward_rows,
        zero_gradient_rows=attempt.zero_gradient_rows,
        bad_gradient_rows=attempt.bad_gradient_rows,
        unconfirmed=len(doubtful),
    )
    return Evaluated(result, attempt.images)


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


class _Attempt:
    """The state of one shard's evaluation: at most two runs of the attack, and what they confirmed."""

    def __init__(
        self,
        model: nn.Module,
        shard: Shard,
        goal: Goal,
        spec: AttackSpec,
        program: Program,
        draw_seed: int,
        outputs: torch.Tensor,
    ) -> None:
        count, device = len(shard.ids), shard.images.device
        self.model, self.shard, self.goal, self.spec = model, shard, goal, spec
        self.program, self.draw_seed = program, draw_seed
        self.clean_outputs, self.outputs = outputs, outputs.clone()
        self.images = shard.images.clone()
        self.fooled = torch.zeros(count, dtype=torch.bool, device=device)
        self.prediction = torch.full((count,), -1, dtype=torch.int64, device=device)
        self.size = torch.zeros(count, dtype=torch.float64, device=device)
        self.eight_bit = torch.zeros(count, dtype=torch.bool, device=device)
        self.first_query = torch.zeros(count, dtype=torch.int64, device=device)
        self.forwards = torch.zeros(count, dtype=torch.int64, device=device)
        self.backwards = torch.zeros(count, dtype=torch.int64, device=device)
        self.unconfirmed = torch.zeros(0, dtype=torch.int64, device=device)
        self.backward_rows = 0
        self.zero_gradient_rows = 0
        self.bad_gradient_rows = 0

    def run(self, rows: torch.Tensor, freeze: bool) -> None:
        """Attacks the samples `rows`, confirms what was found, and notes in `unconfirmed` what was not."""
        part, goal = self.shard.at(rows), self.goal.at(rows)
        observer = Observer(self.model, part, goal, self.spec, self.draw_seed, freeze=freeze)
        _run(self.program, self.spec, observer)
        seen = observer.recording
        self.forwards[rows] += seen.forwards
        self.backwards[rows] += seen.backwards
        self.backward_rows += observer.backward_rows
        self.zero_gradient_rows += int(observer.zero_gradient_rows)
        self.bad_gradient_rows += int(observer.bad_gradient_rows)
        self.first_query[rows] = seen.first_query
        confirmed = self._confirm(rows[seen.found], seen.images[seen.found], seen.sizes[seen.found])
        missed = seen.found.clone()
        missed[seen.found] = ~confirmed
        again = missed & seen.safe_found
        missed[again] = ~self._confirm(rows[again], seen.safe_images[again], seen.sizes[again])
        self.unconfirmed = rows[missed] if self.spec.record != "largest" else rows[:0]

    def _confirm(self, rows: torch.Tensor, candidates: torch.Tensor, declared: torch.Tensor) -> torch.Tensor:
        """Asks the bare model about `candidates`, projected exactly into the budget; keeps those that still fool.

        `declared`: their sizes as the attack stated them, used where the budget is by construction.
        """
        if len(rows) == 0:
            return torch.zeros(0, dtype=torch.bool, device=rows.device)
        part, goal, threat = self.shard.at(rows), self.goal.at(rows), self.spec.threat
        images = project(candidates, part.images, threat, part.mask)
        outputs, fooled = self._ask(images, goal, rows)
        rounded = (images * 255).round() / 255
        _, rounded_fooled = self._ask(rounded, goal, rows)
        sizes, rounded_sizes = self._sizes(images, part.images), self._sizes(rounded, part.images)
        if threat.by_construction:
            sizes = rounded_sizes = declared
        within = rounded_sizes <= threat.eps + threat.tolerance
        self.forwards[rows] += 2
        won = rows[fooled]
        self.images[won] = images[fooled]
        self.fooled[won] = True
        self.outputs[won] = outputs[fooled]
        self.prediction[won] = goal.answer(outputs).argmax(1)[fooled]
        self.size[won] = sizes[fooled]
        self.eight_bit[won] = (rounded_fooled & within)[fooled]
        return fooled

    def _ask(self, images: torch.Tensor, goal: Goal, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The model's outputs, and whether each is a success; where the largest loss is sought: larger than before."""
        with torch.no_grad(), draws.verdict():
            outputs: torch.Tensor = self.model(images)
        logits = goal.answer(outputs)
        if self.spec.record != "largest":
            return outputs, goal.reached(logits)
        if self.spec.loss == "ccc":
            return outputs, torch.ones_like(logits[:, 0], dtype=torch.bool)
        return outputs, goal.margins(logits) < goal.margins(goal.answer(self.clean_outputs[rows]))

    def _sizes(self, images: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        return norms(images.to(torch.float64) - clean.to(torch.float64), self.spec.norm)

    def verdict(self, i: int, clean_prediction: int) -> Verdict:
        """The verdict of the shard's sample number `i`."""
        fooled = bool(self.fooled[i])
        return Verdict(
            sample=self.shard.ids[i],
            label=int(self.shard.labels[i]),
            clean_prediction=clean_prediction,
            fooled=fooled,
            attacked_prediction=int(self.prediction[i]) if fooled else clean_prediction,
            norm=float(self.size[i]) if fooled else None,
            eight_bit=bool(self.eight_bit[i]) if fooled else None,
            first_query=int(self.first_query[i]) if fooled and self.spec.record != "largest" else None,
            forwards=int(self.forwards[i]) + 1,
            backwards=int(self.backwards[i]),
            target=None if self.goal.targets is None else int(self.goal.targets[i]),
            clean_values=_pair(self.clean_outputs[i]) if self.spec.loss else None,
            attacked_values=_pair(self.outputs[i]) if self.spec.loss else None,
        )


def _pair(outputs: torch.Tensor) -> tuple[float, float]:
    """A regressor's predicted valence and arousal."""
    valence, arousal = outputs.tolist()
    return valence, arousal
