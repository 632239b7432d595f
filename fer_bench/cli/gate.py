"""The commands of the gate: baseline, check, compare. Parse, call api, print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_bench.cli.options import PATH

if TYPE_CHECKING:
    from fer_bench.gate.check import Check


@click.command()
@click.argument("results", default="results", type=PATH)
@click.option("-o", "--output", default="baseline.json", show_default=True, type=PATH, help="The file to commit.")
def baseline(results: Path, output: Path) -> None:
    """Write what `check` guards: the verdicts of every finished cell, as a small file to commit."""
    from fer_bench.api import gating

    made = gating.baseline(results, output)
    for row in made.unmeasured:
        label = f"{row.cell.model}, {row.cell.attack.label or row.cell.attack.name} {row.cell.attack.threat}"
        click.echo(f"left out: {label}: {' '.join(row.reason.split())}", err=True)
    click.echo(f"Baseline: {output}, {len(made.cells)} cells")


@click.command()
@click.argument("results", default="results", type=PATH)
@click.option("--baseline", required=True, type=PATH, help="The file that `ferbench baseline` wrote.")
@click.option("--tolerance", type=float, default=0.01, show_default=True, help="Largest fall that is never a failure.")
@click.option(
    "--alpha", type=float, default=0.01, show_default=True, help="Chance that a check of honest re-runs fails."
)
@click.option(
    "--require",
    multiple=True,
    metavar="CELLS",
    help="Cells that must be comparable, --allow-missing or not: 'MODEL ATTACK@EPS', with * for anything. Repeatable.",
)
@click.option("--exact", is_flag=True, help="Every verdict must be equal; for one machine and few images.")
@click.option("--allow-missing", is_flag=True, help="Cells that cannot be compared do not fail.")
@click.option("--junit", type=PATH, help="Write JUnit XML to this file.")
@click.option("--markdown", type=PATH, help="Write Markdown to this file.")
@click.option("--json", type=PATH, help="Write JSON to this file.")
def check(
    results: Path, baseline: Path, junit: Path | None, markdown: Path | None, json: Path | None, **rule: Any
) -> None:
    """Compare results with a baseline; fail where an accuracy fell.

    A cell fails only where its accuracy fell by more than the tolerance and the fall is significant: exact one-sided
    McNemar test on the paired verdicts, of a regressor's CCC and RMSE a paired bootstrap, Holm's correction over all of
    them. A cell that is missing, or differs in data, attack, budget, n or seed, is not comparable and fails too. Exit
    code 0: passed, 1: failed, 2: cannot be used.
    """
    from fer_bench.api import gating
    from fer_bench.gate.check import Rule
    from reports.write import gate

    compared = gating.check(results, baseline, Rule(**rule))
    click.echo(gate.as_text(compared))
    _write(compared, (junit, gate.as_junit), (markdown, gate.as_markdown), (json, gate.as_json))
    if not compared.passed:
        raise SystemExit(1)


@click.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Chance of any false 'fell' or 'rose'.")
@click.option("--markdown", type=PATH, help="Write Markdown to this file.")
@click.option("--json", type=PATH, help="Write JSON to this file.")
def compare(a: Path, b: Path, alpha: float, markdown: Path | None, json: Path | None) -> None:
    """Say what rose and what fell from A to B, results folders or baseline files, with tests."""
    from fer_bench.api import gating
    from reports.write import gate

    compared = gating.compare(a, b, alpha)
    titles = gate.COMPARE
    click.echo(gate.as_text(compared, titles))
    _write(compared, (markdown, lambda check: gate.as_markdown(check, titles)), (json, gate.as_json))


def _write(compared: Check, *forms: tuple[Path | None, Callable[[Check], str]]) -> None:
    """Writes each form that has a path."""
    from fer_bench.api import gating

    for path, render in forms:
        if path is not None:
            gating.write(render(compared), path)
