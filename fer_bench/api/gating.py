"""The verbs of the gate: baseline, check, compare. They read verdicts and run no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fer_bench import files
from fer_bench.api.results import load
from fer_bench.core.threat import ThreatModel
from fer_bench.errors import StoreError, UsageError
from fer_bench.gate import baseline_file
from fer_bench.gate import compare as gate
from fer_bench.gate.check import Check, Rule
from fer_bench.gate.snapshot import Snapshot, slot
from reports.tables.snapshot import snapshot


def baseline(results: str | Path, output: str | Path = "baseline.json") -> Snapshot:
    """Writes the finished cells of a results folder as a baseline file and returns what it holds.

    Raises StoreError where nothing is finished, or where two cells differ in nothing but their weights.
    """
    found = snapshot(load(results))
    if not found.cells:
        reasons = Counter(row.reason for row in found.unmeasured)
        told = "; ".join(reasons) or "it is empty"
        raise StoreError(f"{results} holds no finished cell that a baseline could guard ({told}).")
    for place, times in Counter(slot(cell.cell) for cell in found.cells).items():
        if times > 1:
            raise StoreError(
                f"{results} holds the same cells of '{place.model}' for {times} sets of weights, and a baseline is for "
                "one; run the one to guard into a folder of its own."
            )
    files.write(baseline_file.to_json(found), Path(output))
    return found


def check(results: str | Path, baseline: str | Path, rule: Rule | None = None) -> Check:
    """Compares a results folder with a baseline file; `.passed` says whether the gate lets it through.

    The rule is docs/design/gate.md; Rule() is the default one. Raises FerBenchError where either cannot be read.
    """
    old = baseline_file.read(Path(baseline))
    return gate.check(old, snapshot(load(results), _budgets(old)), rule or Rule())


def compare(a: str | Path, b: str | Path, alpha: float = 0.05) -> Check:
    """What rose and what fell from `a` to `b`, each a results folder or a baseline file.

    The tests of `check` with Holm's correction, two-sided at `alpha`, without tolerance. Nothing passes or fails.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"--alpha {alpha:g} cannot be used; it is a probability above 0 and below 1.")
    old = _snapshot(Path(a), ())
    new = _snapshot(Path(b), _budgets(old))
    return gate.check(old, new, Rule(tolerance=0, alpha=alpha / 2, allow_missing=True))


def write(text: str, path: Path) -> None:
    """Writes a rendered check. Raises StoreError where that cannot be done."""
    files.write(text, path)


def _snapshot(source: Path, budgets: Sequence[ThreatModel]) -> Snapshot:
    return baseline_file.read(source) if source.is_file() else snapshot(load(source), budgets)


def _budgets(old: Snapshot) -> tuple[ThreatModel, ...]:
    """Where minimum-norm cells must be read, so that every reading of `old` has a counterpart."""
    return tuple(dict.fromkeys(threat for cell in old.cells for threat, _ in cell.robust))
