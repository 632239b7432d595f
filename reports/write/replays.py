"""Stored cells, their fooled samples and replays as text for a terminal. It runs nothing."""

from __future__ import annotations

from fer_bench.bench.replay import Replay
from fer_bench.core.outcome import Verdict
from fer_bench.store.find import short
from fer_bench.store.results import ResultStore, StoredCell
from reports.write.listing import grid


def cells(store: ResultStore) -> str:
    """One line a cell: its key, by which `replay` finds it, and what it is."""
    rows = [
        (
            found.key,
            found.cell.model,
            found.context.attack_label,
            str(found.cell.attack.threat),
            found.context.data_source,
            found.status,
        )
        for found in store.cells()
    ]
    return grid(("cell", "model", "attack", "threat", "data", "status"), rows)


def fooled(store: ResultStore, cell: StoredCell) -> str:
    """One line a fooled sample of a cell: from what to what, and the size of the perturbation."""
    found = [stored.verdict for stored in store.verdicts([cell.id]) if stored.verdict.fooled]
    header = ("sample", "before", "attacked", cell.cell.attack.norm)
    return grid(header, [(short(v.sample), *_change(cell, v), f"{v.norm or 0:.5f}") for v in found])


def describe(again: Replay) -> str:
    """What a replay found, as text."""
    cell = again.cell
    return "\n".join(
        [
            f"{cell.cell.model}, {cell.context.attack_label} {cell.cell.attack.threat}",
            f"sample {again.stored.sample} of {cell.context.data_source}",
            f"stored: {_outcome(cell, again.stored)}",
            f"now:    {_outcome(cell, again.now)}",
            "the same" if again.same else "differs: " + "; ".join(again.differences),
            f"images: {again.picture} (clean, adversarial, difference), {again.tensors} (exact)",
        ]
    )


def _change(cell: StoredCell, verdict: Verdict) -> tuple[str, str]:
    """What the model said before and under attack: class words, or valence and arousal."""
    if verdict.clean_values is not None and verdict.attacked_values is not None:
        return _values(verdict.clean_values), _values(verdict.attacked_values)
    classes = cell.context.model_classes
    return classes[verdict.clean_prediction], classes[verdict.attacked_prediction]


def _values(pair: tuple[float, float]) -> str:
    return f"valence {pair[0]:+.3f} arousal {pair[1]:+.3f}"


def _outcome(cell: StoredCell, verdict: Verdict) -> str:
    before, after = _change(cell, verdict)
    if not verdict.clean_right:
        return f"wrong before the attack: {before}"
    return f"fooled: {before} -> {after}, {verdict.norm:.6f}" if verdict.fooled else f"stood: {before}"
