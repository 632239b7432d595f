"""Cells of kinds that handmade.py does not write, through the real store: transfer, regressor, suite. No tests."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from handmade import CONTEXT, NEVER, Made, make, pgd
from toys import sample_name, toy_provenance

from fer_bench.outcomes import ShardResult, Verdict
from fer_bench.store import ResultStore
from fer_bench.types import AttackSpec, Cell, EvalSet


def carried() -> AttackSpec:
    """A budget attack whose images were made on another model."""
    spec = pgd()
    own = (("source", "other"), ("source_digest", "b" * 64))
    return dataclasses.replace(spec, params=(*spec.params, *own), label="pgd from other")


def transfer_cells(folder: Path) -> None:
    """Two images: both stand against another model's images, one against its own."""
    make(folder, Made([NEVER, 0.01]), Made([NEVER, NEVER], carried()))


def suite_cell(folder: Path) -> None:
    """Three images: the first stage attacks all and breaks one, the second attacks two and breaks none."""
    spec = AttackSpec("suite", "Linf", (("eps", 8 / 255), ("stages", "fgsm(eps=8/255,steps=1),pgd")), 1, label="suite")
    fell, *stood = [Verdict(sample_name(i), 0, 0, i == 0, int(i == 0), None, None, None, 5, 3) for i in range(3)]
    fell = dataclasses.replace(fell, norm=0.01, eight_bit=True, first_query=2)
    first = ShardResult((fell,), 1.0, 15, 9, 0, 0, 0, 0, tuple(stood))
    _store(folder, spec, None, first, ShardResult(tuple(stood), 1.0, 10, 6, 0, 0, 0, 1))


def regressor_cell(folder: Path) -> None:
    """Two faces whose valence and arousal are predicted exactly, and with the wrong sign under attack."""
    params = (("eps", 8 / 255), ("loss", "magnitude"), ("steps", 50))
    values = ((0.5, 0.25), (-0.5, -0.25))
    verdicts = tuple(
        Verdict(sample_name(i), 0, 0, True, 1, 0.01, True, 2, 5, 3, None, (v, a), (-v, -a))
        for i, (v, a) in enumerate(values)
    )
    spec = AttackSpec("pgd-va", "Linf", params, 1, "largest", "pgd-va")
    _store(folder, spec, torch.tensor(values), ShardResult(verdicts, 1.0, 10, 6, 0, 0, 0))


def _store(folder: Path, spec: AttackSpec, values: torch.Tensor | None, *shards: ShardResult) -> None:
    n = len(shards[0].verdicts) + len(shards[0].passed)
    ids, none = tuple(sample_name(i) for i in range(n)), torch.zeros(n, dtype=torch.int64)
    data = EvalSet("toys", "toy", torch.zeros(n, 1, 1, 1), none, CONTEXT.data_classes, ids, values=values)
    with ResultStore(folder) as store:
        run = store.add_run(toy_provenance())
        store.add_samples(data, data.digest)
        context = dataclasses.replace(CONTEXT, attack_label=spec.label, task=data.task)
        cell = Cell("toy", "a" * 64, spec, data.name, data.digest, n, 0)
        number = store.begin(cell, context, run, again=False)
        for shard in shards:
            store.add_shard(number, run, data.digest, shard)
        store.finish(number)
