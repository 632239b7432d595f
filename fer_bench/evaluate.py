"""One shard of one cell: clean predictions, the attack under the Observer, confirmation, verdicts.

It must not know where shards come from, where verdicts go, or which model or attack it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from fer_bench import chance
from fer_bench.draws import isolated_generators
from fer_bench.errors import AttackError, FerBenchError, ModelError
from fer_bench.observer import Observer, margins, norms, project
from fer_bench.types import AttackSpec, ShardResult, Verdict

Program = Callable[[AttackSpec, Observer], None]


@dataclass(frozen=True)
class Shard:
    """Samples that are attacked together.

    `images` `(n, channels, height, width)` in [0, 1]; `labels` `(n,)` in the model's classes, -1 where it has none.
    """

    images: torch.Tensor
    labels: torch.Tensor
    ids: tuple[str, ...]

    def to(self, device: torch.device, dtype: torch.dtype) -> Shard:
        """The same samples on a device and in a precision."""
        return Shard(self.images.to(device, dtype), self.labels.to(device), self.ids)


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


def evaluate_shard(model: nn.Module, shard: Shard, spec: AttackSpec, program: Program, draw_seed: int) -> Evaluated:
    """Attacks one shard and returns confirmed verdicts in the shard's order.

    Samples that are wrong before the attack are not attacked. Raises AttackError where the attack itself breaks, with
    what it said; errors of memory pass through for the engine to handle.
    """
    started = time.perf_counter()
    prepare(model)
    with full_precision(), isolated_generators(draw_seed):
        clean = predict(model, shard.images)
        attacked = (clean == shard.labels).nonzero().squeeze(1)
        attempt = _Attempt(model, shard, spec, program, draw_seed)
        doubtful = attempt.unconfirmed
        if len(attacked):
            attempt.run(attacked, freeze=True)
            doubtful = attempt.unconfirmed
            if len(doubtful) and not spec.minimum_norm:  # a minimum-norm attack never froze a row
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


def predict(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Predicted class of each image, `(n,)`. Raises ModelError where the model does not give finite logits."""
    try:
        with torch.no_grad(), chance.verdict():
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
    return logits.argmax(1)


class _Attempt:
    """The state of one shard's evaluation: at most two runs of the attack, and what they confirmed."""

    def __init__(self, model: nn.Module, shard: Shard, spec: AttackSpec, program: Program, draw_seed: int) -> None:
        count, device = len(shard.ids), shard.images.device
        self.model, self.shard, self.spec, self.program, self.draw_seed = (
            model,
            shard,
            spec,
            program,
            draw_seed,
        )
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
        shard, spec = self.shard, self.spec
        ids = [shard.ids[i] for i in rows.tolist()]
        observer = Observer(
            self.model, shard.images[rows], shard.labels[rows], ids, spec, self.draw_seed, freeze=freeze
        )
        try:
            self.program(spec, observer)
        except (FerBenchError, torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:  # torchattacks raises whatever numpy or torch raised inside it
            raise AttackError(f"{spec.label or spec.name} broke: {type(error).__name__}: {error}") from error
        seen = observer.recording
        self.forwards[rows] += seen.forwards
        self.backwards[rows] += seen.backwards
        self.backward_rows += observer.backward_rows
        self.zero_gradient_rows += int(observer.zero_gradient_rows)
        self.bad_gradient_rows += int(observer.bad_gradient_rows)
        self.first_query[rows] = seen.first_query
        confirmed = self._confirm(rows[seen.found], seen.images[seen.found])
        missed = seen.found.clone()
        missed[seen.found] = ~confirmed
        again = missed & seen.safe_found
        missed[again] = ~self._confirm(rows[again], seen.safe_images[again])
        self.unconfirmed = rows[missed]

    def _confirm(self, rows: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Asks the bare model about `candidates`, projected exactly into the budget; keeps those that still fool."""
        if len(rows) == 0:
            return torch.zeros(0, dtype=torch.bool, device=rows.device)
        clean, labels, threat = self.shard.images[rows], self.shard.labels[rows], self.spec.threat
        images = project(candidates, clean, threat)
        prediction, fooled = self._ask(images, labels)
        rounded = (images * 255).round() / 255
        _, rounded_fooled = self._ask(rounded, labels)
        within = self._sizes(rounded, clean) <= threat.eps + threat.tolerance
        self.forwards[rows] += 2
        won = rows[fooled]
        self.images[won] = images[fooled]
        self.fooled[won] = True
        self.prediction[won] = prediction[fooled]
        self.size[won] = self._sizes(images, clean)[fooled]
        self.eight_bit[won] = (rounded_fooled & within)[fooled]
        return fooled

    def _ask(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad(), chance.verdict():
            logits = self.model(images)
        prediction = logits.argmax(1)
        return prediction, (prediction != labels) & ~margins(logits, labels).isnan()

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
            first_query=int(self.first_query[i]) if fooled else None,
            forwards=int(self.forwards[i]) + 1,
            backwards=int(self.backwards[i]),
        )


def shard_of(images: torch.Tensor, labels: Sequence[int], ids: Sequence[str], positions: Sequence[int]) -> Shard:
    """The samples at `positions` as one shard, in that order."""
    at = list(positions)
    return Shard(
        images=images[at],
        labels=torch.tensor([labels[i] for i in at], dtype=torch.int64),
        ids=tuple(ids[i] for i in at),
    )
