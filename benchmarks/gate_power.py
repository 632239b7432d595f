"""What the gate sees and what it lets pass: its power table, and simulated re-runs through the real check.

    python benchmarks/gate_power.py [simulations]

docs/design/gate.md holds what it prints. Nothing is attacked: verdicts are drawn, and judged by fer_bench.gate.compare.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.cell import Cell
from fer_bench.core.threat import ThreatModel
from fer_bench.gate.check import Rule
from fer_bench.gate.compare import check
from fer_bench.gate.snapshot import GuardedCell, Regressed, Snapshot, Values, Verdicts
from fer_bench.stats.bootstrap import changes
from fer_bench.stats.paired import NOISE, power, smallest_detectable_drop
from reports.view.format import percent

SIZES = (200, 500, 1000, 3589)
DROPS = (0.02, 0.03, 0.05, 0.07, 0.10, 0.15)
COMPARISONS = 20
RULE = Rule()
THREAT = ThreatModel("Linf", 2 / 255)
ATTACKS_A_MODEL = 4
#: The accuracy in which a drop is planted.
PLANTED = "model-0 attack-0@2/255"
PLANTED_VA = "model-0 attack@2/255"


def power_table() -> str:
    """Probability in per cent that a true drop in one of 20 accuracies fails the gate, as a Markdown table."""
    header = ["n", *(f"{100 * drop:.0f} points" for drop in DROPS), "caught with 95 %"]
    rows = [header, ["---"] * len(header)]
    for n in SIZES:
        caught = [power(n, drop, COMPARISONS, RULE.tolerance, RULE.alpha) for drop in DROPS]
        smallest = smallest_detectable_drop(n, COMPARISONS, RULE.tolerance, RULE.alpha)
        assert smallest is not None
        rows.append([f"{n:,}", *(percent(p) for p in caught), f"{100 * smallest:.1f} points"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def results(cells: int, n: int, generator: np.random.Generator) -> Snapshot:
    """Results of `cells` cells, four attacks a model, on `n` images; accuracies as weak FER models have them."""
    made = []
    for number in range(cells):
        model, attack = divmod(number, ATTACKS_A_MODEL)
        if attack == 0:
            clean = generator.random(n) < generator.uniform(0.5, 0.7)
        robust = clean & (generator.random(n) < generator.uniform(0.3, 0.9))
        spec = AttackSpec(f"attack-{attack}", THREAT, (), 1)
        cell = Cell(f"model-{model}", "old", spec, "drawn", "digest", n, 0)
        verdicts = ((THREAT, Verdicts.of(robust)),)
        made.append(GuardedCell(cell, spec.name, "samples", "verdicts", Verdicts.of(clean), verdicts))
    return Snapshot(tuple(made))


def rerun(old: Snapshot, generator: np.random.Generator, drop: float = 0.0) -> Snapshot:
    """The same cells once more: NOISE of all verdicts change each way; in the first cell `drop` more fall."""
    cleans: dict[str, Verdicts] = {}
    made = []
    for number, guarded in enumerate(old.cells):
        name = guarded.cell.model
        if name not in cleans:
            cleans[name] = _changed(guarded.clean, generator, 0.0)
        threat, robust = guarded.robust[0]
        verdicts = ((threat, _changed(robust, generator, drop if number == 0 else 0.0)),)
        cell = replace(guarded.cell, model_digest="new")
        made.append(replace(guarded, cell=cell, clean=cleans[name], robust=verdicts))
    return Snapshot(tuple(made))


def _changed(verdicts: Verdicts, generator: np.random.Generator, drop: float) -> Verdicts:
    """Each right verdict falls, each wrong one rises, so often that NOISE + drop and NOISE of all do."""
    right = verdicts.array
    share = right.mean()
    falls = generator.random(verdicts.n) < (NOISE + drop) / share
    rises = generator.random(verdicts.n) < NOISE / (1 - share)
    return Verdicts.of(np.where(right, ~falls, rises))


def failures(simulations: int, cells: int, n: int, drop: float, seed: int = 0) -> list[tuple[str, ...]]:
    """For each simulated re-run, the names of the accuracies that fail the real check; `drop` is that of PLANTED."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(simulations):
        old = results(cells, n, generator)
        judged = check(old, rerun(old, generator, drop), RULE)
        found.append(tuple(row.name for row in judged.comparisons if row.status == "fell"))
    return found


#: Of simulated regressors: the RMSE under attack in each dimension, and how far a run by chance moves a prediction.
ERROR, SHAKE = 0.4, 0.05
GROWN = (0.05, 0.1)


def regressors(cells: int, n: int, generator: np.random.Generator, worse: float) -> tuple[Snapshot, Snapshot]:
    """Two runs of `cells` regressors under one attack on `n` images, which differ by chance.

    Truths are uniform, errors normal; predictions without attack do not change. In the second run the errors of the
    first regressor under attack are larger by the share `worse`.
    """
    runs: tuple[list[GuardedCell], list[GuardedCell]] = ([], [])
    truth = generator.uniform(-0.9, 0.9, (n, 2))
    for number in range(cells):
        spec = AttackSpec("attack", THREAT, (), 1, "largest", loss="squared")
        clean = Values.of(truth + generator.normal(0, ERROR / 2, (n, 2)))
        error = generator.normal(0, ERROR, (n, 2))
        for run, grown in zip(runs, (0.0, worse if number == 0 else 0.0), strict=True):
            attacked = Values.of(truth + (1 + grown) * error + generator.normal(0, SHAKE, (n, 2)))
            cell = Cell(f"model-{number}", f"weights of {number}", spec, "drawn", "digest", n, 0)
            regressed = Regressed(Values.of(truth), clean, attacked)
            run.append(GuardedCell(cell, spec.name, "samples", "predictions", None, (), regressed))
    return Snapshot(tuple(runs[0])), Snapshot(tuple(runs[1]))


def by_chance(n: int, pairs: int, seed: int = 0) -> np.ndarray:
    """One-sided p values `(pairs, 4)` of two runs that differ by chance: CCC worse, better, RMSE worse, better."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(-0.9, 0.9, (n, pairs))
    attacked = truth + generator.normal(0, ERROR, (n, pairs))
    first, second = (attacked + generator.normal(0, SHAKE, (n, pairs)) for _ in range(2))
    found = changes(truth, first, second)
    return np.array([(c.ccc.p_worse, c.ccc.p_better, c.rmse.p_worse, c.rmse.p_better) for c in found])


def worsened(simulations: int, cells: int, n: int, worse: float, seed: int = 0) -> list[tuple[str, ...]]:
    """For each simulated re-run of regressors, what fails the real check: 'MODEL READING' and the measure."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(simulations):
        judged = check(*regressors(cells, n, generator, worse), RULE)
        found.append(tuple(f"{row.name} {row.measure}" for row in judged.shifts if row.failed))
    return found


def main() -> None:
    """Prints the table and the simulations."""
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(power_table())
    for n in SIZES:
        honest = sum(bool(failed) for failed in failures(simulations, 20, n, 0.0))
        print(f"n = {n}: {honest} of {simulations} honest re-runs of 20 cells fail")
    caught = sum(PLANTED in failed for failed in failures(simulations, 20, 1000, 0.05))
    print(f"n = 1000: {caught} of {simulations} drops of 5 points in one cell of 20 are caught")
    for n in (50, 200, 500):
        p = by_chance(n, 2 * simulations)
        for level in (0.01, 0.001):
            shares = 100 * (p < level).mean(0)
            print(f"n = {n}: p < {level} in {shares.min():.2f} to {shares.max():.2f} % of {len(p)} pairs by chance")
    few = simulations // 5  # a check of regressors takes a second
    honest = sum(bool(failed) for failed in worsened(few, 5, 200, 0.0))
    print(f"n = 200: {honest} of {few} honest re-runs of 5 regressors fail")
    for worse in GROWN:
        caught = sum(f"{PLANTED_VA} RMSE valence" in failed for failed in worsened(few, 5, 200, worse))
        print(f"n = 200: {caught} of {few} errors grown by {100 * worse:g} % in one of 5 regressors are caught")


if __name__ == "__main__":
    main()
