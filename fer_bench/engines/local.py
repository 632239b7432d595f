"""Runs one cell's shards in this process, on one device, and halves the batch when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from fer_bench.errors import AttackError, UsageError
from fer_bench.evaluate import Program, evaluate_shard, shard_of
from fer_bench.types import AttackSpec, ShardResult

#: Starting batch for --batch-size auto; the largest that still helps, halved where it does not fit.
AUTO_BATCH = {"cpu": 64, "cuda": 512}


@dataclass(frozen=True)
class CellJob:
    """A cell ready to run: the attack, and its samples.

    `images` `(n, channels, height, width)` in [0, 1]; `labels` in the model's classes (-1: it has no such class);
    `draw_seed` keys every random draw.
    """

    spec: AttackSpec
    program: Program
    images: torch.Tensor
    labels: tuple[int, ...]
    ids: tuple[str, ...]
    draw_seed: int


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
) -> Iterator[ShardResult]:
    """Yields the results of the samples at positions `wanted`, shard by shard.

    `batch_size` None starts from AUTO_BATCH. Verdicts do not depend on it (docs/design/randomness.md).
    """
    size = batch_size or AUTO_BATCH.get(device.type, 64)
    pending = list(wanted)
    while pending:
        shard = shard_of(job.images, job.labels, job.ids, pending[:size])
        try:
            result = evaluate_shard(model, shard.to(device, dtype), job.spec, job.program, job.draw_seed).result
        except (torch.OutOfMemoryError, MemoryError) as error:
            if size == 1:
                raise AttackError(f"{job.spec.label} does not fit into memory even one image at a time.") from error
            size = max(1, min(size, len(pending)) // 2)
            if device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        pending = pending[size:]
        yield result
