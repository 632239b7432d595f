"""Runs one cell's shards in this process, on one device, and halves the batch when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from fer_bench.core.outcome import ShardResult, Verdict
from fer_bench.engine.attack import SetView
from fer_bench.engine.draws import isolated_generators
from fer_bench.engine.job import CellJob, Stage
from fer_bench.engine.judge import Evaluated, evaluate_shard, full_precision, prepare, strongest
from fer_bench.engine.shard import Shard
from fer_bench.errors import AttackError, UsageError

T = TypeVar("T")

#: Starting batch for --batch-size auto; the largest that still helps, halved where it does not fit.
AUTO_BATCH = {"cpu": 64, "cuda": 512}


def choose_device(text: str) -> torch.device:
    """The device of --device: 'auto' is CUDA where there is one, else the CPU. Raises UsageError."""
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(text)
        if device.type not in AUTO_BATCH:
            raise RuntimeError(f"attacks run on {' and '.join(AUTO_BATCH)}")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {text} cannot be used ({reason}); give auto, cpu, cuda or cuda:N.") from error
    return device


def run_cell(
    job: CellJob,
    model: nn.Module,
    wanted: Sequence[int],
    device: torch.device,
    batch_size: int | None = None,
    dtype: torch.dtype = torch.float32,
    passed: Mapping[int, int] | None = None,
) -> Iterator[ShardResult]:
    """Yields the results of the samples at positions `wanted`, shard by shard.

    The survivors of all shards are pooled between the stages of a staged cell. Verdicts do not depend on the batch
    (docs/design/randomness.md).

    `job`: the cell.
    `model`: on `device`, in `dtype`.
    `wanted`: positions in the job's samples.
    `device`: where shards are attacked.
    `batch_size`: samples a shard, at most; None starts from AUTO_BATCH.
    `dtype`: the precision.
    `passed`: how many stages a sample, by its position, already withstood in an earlier run.
    """
    batch = _Batch(batch_size or AUTO_BATCH.get(device.type, 64), device, job.stages[0].spec.label)
    samples, fitted = _fitted(job, model, batch, dtype)
    left = list(wanted)
    done = dict(passed or {})
    for number, stage in enumerate(job.stages):
        last = number == len(job.stages) - 1
        pending = [i for i in left if done.get(i, 0) <= number]
        while pending:
            positions = pending[: batch.size]
            evaluated = batch.run(partial(_judge, job, stage, model, samples, positions, device, dtype))
            if evaluated is None:
                continue
            pending = pending[len(positions) :]
            result, fitted = _with_cost(evaluated.result, fitted), (0, 0)
            if len(job.stages) == 1:
                yield result
                continue
            final = tuple(v for v in result.verdicts if last or v.fooled or not v.clean_right)
            settled = {v.sample for v in final}
            left = [i for i in left if samples.ids[i] not in settled]
            rest = tuple(v for v in result.verdicts if v.sample not in settled)
            yield replace(result, verdicts=final, passed=rest, stage=number)


def run_samples(
    job: CellJob, model: nn.Module, positions: Sequence[int], device: torch.device
) -> list[tuple[Verdict, torch.Tensor]]:
    """The samples at `positions`, each through the stages until it falls: its last verdict, and its image.

    Images are on the CPU, `(channels, height, width)`: the clean one where the attack failed.
    """
    batch = _Batch(AUTO_BATCH.get(device.type, 64), device, job.stages[0].spec.label)
    samples, _ = _fitted(job, model, batch, torch.float32)
    latest: dict[int, tuple[Verdict, torch.Tensor]] = {}
    left = list(positions)
    for stage in job.stages:
        pending, left = left, []
        while pending:
            batch_positions = pending[: batch.size]
            evaluated = batch.run(partial(_judge, job, stage, model, samples, batch_positions, device, torch.float32))
            if evaluated is None:
                continue
            pending = pending[len(batch_positions) :]
            for at, verdict, image in zip(
                batch_positions, evaluated.result.verdicts, evaluated.images.cpu(), strict=True
            ):
                latest[at] = (verdict, image)
                if verdict.clean_right and not verdict.fooled:
                    left.append(at)
    return [latest[at] for at in positions]


def strongest_images(
    job: CellJob, model: nn.Module, device: torch.device, batch_size: int | None = None
) -> torch.Tensor:
    """The images that the job's one attack makes on this model, for every sample, to be tried on other models.

    On the CPU, shaped as the samples' images; see `judge.strongest`.
    """
    (stage,) = job.stages
    batch = _Batch(batch_size or AUTO_BATCH.get(device.type, 64), device, stage.spec.label)
    samples, _ = _fitted(job, model, batch, torch.float32)
    made: list[torch.Tensor] = []
    position = 0
    while position < len(samples.ids):
        shard = samples.take(range(position, min(position + batch.size, len(samples.ids)))).to(device, torch.float32)
        images = batch.run(partial(strongest, model, shard, stage.spec, stage.program, stage.draw_seed))
        if images is not None:
            made.append(images.cpu())
            position += len(images)
    return torch.cat(made)


class _Batch:
    """The batch size in use: halved whenever memory runs out."""

    def __init__(self, size: int, device: torch.device, label: str) -> None:
        self.size, self.device, self.label = size, device, label

    def run(self, call: Callable[[], T]) -> T | None:
        """What `call` returns; None, with the size halved, where it did not fit into memory."""
        try:
            return call()
        except (torch.OutOfMemoryError, MemoryError) as error:
            if self.size == 1:
                raise AttackError(f"{self.label} does not fit into memory even one image at a time.") from error
            self.size //= 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            return None


def _judge(
    job: CellJob,
    stage: Stage,
    model: nn.Module,
    samples: Shard,
    positions: Sequence[int],
    device: torch.device,
    dtype: torch.dtype,
) -> Evaluated:
    """One stage of a cell on some of its samples.

    `job`: the cell.
    `stage`: which of its attacks.
    `model`: on `device`, in `dtype`.
    `samples`: all of the cell's, with the proposals of a set-level stage.
    `positions`: which of them.
    `device`: where they are attacked.
    `dtype`: in which precision.
    """
    shard = samples.take(positions).to(device, dtype)
    return evaluate_shard(model, shard, stage.spec, stage.program, stage.draw_seed, job.target_class)


def _fitted(job: CellJob, model: nn.Module, batch: _Batch, dtype: torch.dtype) -> tuple[Shard, tuple[int, int]]:
    """The samples with the proposals of the set-level stage, if there is one, and its forward and backward rows."""
    if job.fit is None:
        return job.samples, (0, 0)
    fit, (stage,) = job.fit, job.stages
    prepare(model)
    whole = job.samples.to(torch.device("cpu"), dtype)
    while True:
        view = SetView(model, whole, batch.device, batch.size, stage.draw_seed)
        with full_precision(), isolated_generators(stage.draw_seed):
            proposals = batch.run(partial(fit, stage.spec, view))
        if proposals is not None:
            return replace(job.samples, proposals=proposals.detach().cpu()), (view.forward_rows, view.backward_rows)


def _with_cost(result: ShardResult, rows: tuple[int, int]) -> ShardResult:
    """The result with the rows of the set-level stage added."""
    return replace(result, forward_rows=result.forward_rows + rows[0], backward_rows=result.backward_rows + rows[1])
