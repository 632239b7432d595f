"""Cells of kinds that handmade.py does not write, through the real store: transfer, regressor, suite. No tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from stored_results import CONTEXT, NEVER, Made, cw, make, pgd
from toys import sample_name, toy_provenance

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.evalset import EvalSet
from fer_bench.core.outcome import ShardResult, Verdict
from fer_bench.core.threat import ThreatModel
from fer_bench.store.results import ResultStore

THREAT = ThreatModel("Linf", 8 / 255)


def carried() -> AttackSpec:
    """A budget attack whose images were made on another model."""
    return dataclasses.replace(pgd(), source="other", source_digest="b" * 64, label="pgd from other")


def transfer_cells(folder: Path) -> None:
    """Two images: both stand against another model's images, one against its own."""
    make(folder, Made([NEVER, 0.01]), Made([NEVER, NEVER], carried()))


def suite_cell(folder: Path) -> None:
    """Three images: the first stage attacks all and breaks one, the second attacks two and breaks none."""
    spec = AttackSpec("suite", THREAT, (), 1, label="suite", stages=("fgsm(eps=8/255,steps=1)", "pgd"))
    fell, *stood = [Verdict(sample_name(i), 0, 0, i == 0, int(i == 0), None, None, None, 5, 3) for i in range(3)]
    fell = dataclasses.replace(fell, norm=0.01, eight_bit=True, first_query=2)
    first = ShardResult((fell,), 1.0, 15, 9, 0, 0, 0, 0, tuple(stood))
    _store(folder, spec, None, first, ShardResult(tuple(stood), 1.0, 10, 6, 0, 0, 0, 1))


def targeted_cell(folder: Path) -> None:
    """Eight images (classes by number): images of 0 and 1 aimed at 3 and 4, a wrong one, and one of 3."""
    aimed = (  # true class, clean prediction, target, reached with this norm (0: not)
        (0, 0, 3, 0.01),
        (0, 0, 3, 0.0),
        (0, 0, 4, 0.02),
        (0, 5, 3, 0.0),  # wrong before: not tried
        (3, 3, 3, 0.0),  # of the class aimed at: not tried
        (1, 1, 3, 0.01),
        (1, 1, 3, 0.03),
        (1, 1, 4, 0.0),
    )
    verdicts = tuple(
        Verdict(sample_name(i), t, seen, size > 0, aim if size else seen, size or None, None, None, 5, 3, aim)
        for i, (t, seen, aim, size) in enumerate(aimed)
    )
    shard = ShardResult(verdicts, 1.0, 40, 24, 0, 0, 0)
    for spec in (pgd(), cw(norm="Linf")):
        aiming = dataclasses.replace(spec, target="random", label=f"{spec.name}(random)")
        _store(folder, aiming, None, shard, labels=[truth for truth, *_ in aimed])


def regressor_cell(folder: Path) -> None:
    """Two faces whose valence and arousal are predicted exactly, and with the wrong sign under attack."""
    values = np.array([[0.5, 0.25], [-0.5, -0.25]])
    regressor(folder, values, values, -values)


def magnitude(eps: float = 8 / 255, version: int = 1) -> AttackSpec:
    """An attack that seeks the largest error of a regressor."""
    params = (("eps", eps), ("loss", "squared"), ("steps", 50))
    return AttackSpec.from_params("pgd", "Linf", params, version, "largest", "pgd-va")


def bounded(tolerance: float = 0.09) -> AttackSpec:
    """An attack that seeks to push a regressor's error beyond a tolerance."""
    params = (("eps", 8 / 255), ("loss", "squared"), ("steps", 50), ("tolerance", tolerance))
    return AttackSpec.from_params("pgd", "Linf", params, 1, label=f"pgd(tolerance={tolerance:g})")


def regressor(
    folder: Path,
    truth: np.ndarray,
    clean: np.ndarray,
    attacked: np.ndarray,
    spec: AttackSpec | None = None,
    weights: str = "a",
) -> None:
    """A regressor's predictions `(n, 2)` before and under attack; with a tolerance, what is beyond it is counted."""
    spec = spec or magnitude()
    room = spec.tolerance
    verdicts = []
    for i, rows in enumerate(zip(truth.tolist(), clean.tolist(), attacked.tolist(), strict=True)):
        before, after = (sum((x - y) ** 2 for x, y in zip(rows[0], seen, strict=True)) / 2 for seen in rows[1:])
        lost, fooled = (False, True) if room is None else (before > room, before <= room < after)
        size = 0.01 if fooled else None
        seen = int(lost or fooled)
        told = (tuple(rows[1]), tuple(rows[2]))
        verdicts.append(Verdict(sample_name(i), 0, int(lost), fooled, seen, size, fooled, None, 5, 3, None, *told))
    shard = ShardResult(tuple(verdicts), 1.0, 10, 6, 0, 0, 0)
    _store(folder, spec, torch.tensor(truth, dtype=torch.float32), shard, weights=weights)


def _store(
    folder: Path,
    spec: AttackSpec,
    values: torch.Tensor | None,
    *shards: ShardResult,
    weights: str = "a",
    labels: Sequence[int] = (),
) -> None:
    n = len(shards[0].verdicts) + len(shards[0].passed)
    ids, truths = tuple(sample_name(i) for i in range(n)), torch.tensor(labels or [0] * n)
    data = EvalSet("toys", "toy", torch.zeros(n, 1, 1, 1), truths, CONTEXT.data_classes, ids, values=values)
    with ResultStore(folder) as store:
        run = store.add_run(toy_provenance())
        store.add_samples(data, data.digest)
        context = dataclasses.replace(CONTEXT, attack_label=spec.label, task=data.task)
        cell = Cell("toy", weights * 64, spec, data.name, data.digest, n, 0)
        number = store.begin(cell, context, run, again=False)
        for shard in shards:
            store.add_shard(number, run, data.digest, shard)
        store.finish(number)
