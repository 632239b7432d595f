"""The command `ferbench run`: parse, call api, print."""

from __future__ import annotations

from typing import Any

import click

from fer_bench.cli.options import CLASSES, INPUT, OUT, WEIGHTS, batch_size, command_line


@click.command()
@click.option("--models", default="all", show_default=True, metavar="NAME,..|all", help="Models; see `models list`.")
@click.option(
    "--attacks",
    default="pgd,cw",
    show_default=True,
    metavar="NAME,..|all",
    help='Attacks, with settings where wanted: "pgd(steps=10,eps=4/255),cw(c=5)"; see `attacks list`.',
)
@click.option(
    "--data",
    default="demo",
    show_default=True,
    metavar="NAME[:PATH[:SPLIT]]",
    help="Images; see `data list`.",
)
@click.option(
    "--eps",
    default=None,
    metavar="EPS,..",
    help="Budgets for pixels in [0, 1]: Linf as 2/255,8/255, L2 as L2:0.5; a security curve as 0.25/255:16/255:log8."
    "  [default: 2/255,8/255,L2:0.5]",
)
@click.option(
    "--target",
    default=None,
    metavar="CLASS|least-likely|random",
    help="Aim at this class: a word such as happy, the least likely, or one drawn by sample.  [default: any wrong one]",
)
@click.option("--n", type=click.IntRange(min=1), help="Take the N images of smallest pixel digest.  [default: all]")
@OUT
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--batch-size",
    callback=batch_size,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Images attacked together.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random draw.")
@click.option(
    "--rerun",
    type=click.Choice(["never", "failed", "all"]),
    default="failed",
    show_default=True,
    help="Which stored cells to run again. Nothing stored is deleted.",
)
@click.option("--transfer", is_flag=True, help="Also judge the images made on each model on every other one.")
@CLASSES
@INPUT
@WEIGHTS
def run(**options: Any) -> None:
    """Attack models and write table, csv and report into the results folder.

    Cells that are stored already are not run again; a run that was killed goes on where it stopped. Exit code 0:
    done, 1: some cells failed, 2: something asked for cannot be used.
    """
    from fer_bench.api import benchmark
    from fer_bench.api.request import Request
    from models_zoo import select
    from reports.write import html

    request = Request(**options, command=command_line())
    done = benchmark.run_request(request)
    click.echo(html.as_text(done.results))
    for failure in done.summary.failures:
        click.echo(f"failed: {failure.model}, {failure.attack}: {' '.join(failure.error.split())}", err=True)
    summary = done.summary
    click.echo(f"{summary.ran} cells run, {summary.present} were stored already, {len(summary.failures)} failed.")
    click.echo(f"Report: {done.report}   Table: {done.leaderboard}")
    if skipped := select.left_out(request.models):
        click.echo(skipped, err=True)
    if summary.failures:
        raise SystemExit(1)
