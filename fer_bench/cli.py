"""The command line: parse, call api, print. No decision is made here that Python users could not make too."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import fer_bench
from fer_bench.errors import FerBenchError

_OUT = click.option("--out", default="results", show_default=True, type=click.Path(path_type=Path), help="Results folder.")


class _Group(click.Group):
    """Shows a FerBenchError as one line and exits 2; Ctrl-C says what is kept and exits 130."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FerBenchError as error:
            click.echo(f"ferbench: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("ferbench: interrupted; every finished shard is stored, the same command goes on from there.", err=True)
            ctx.exit(130)


def _command() -> str:
    return shlex.join(["ferbench", *sys.argv[1:]])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(fer_bench.__version__, prog_name="ferbench")
def main() -> None:
    """How robust is a facial expression recognition model, really?"""


class _BatchSize(click.ParamType):
    name = "auto|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or isinstance(value, int) or value == "auto":
            return value if isinstance(value, int) else None
        if str(value).isdigit() and int(value) > 0:
            return int(value)
        self.fail(f"'{value}' is neither 'auto' nor a whole number from 1.", param, ctx)


@main.command()
@click.option("--models", default="all", show_default=True, metavar="NAME,..|all", help="Models; see `models list`.")
@click.option(
    "--attacks",
    default="pgd,cw",
    show_default=True,
    metavar="NAME,..|all",
    help='Attacks, with settings where wanted: "pgd(steps=10,eps=4/255),cw(c=5)"; see `attacks list`.',
)
@click.option("--data", default="demo", show_default=True, metavar="NAME[:PATH[:SPLIT]]", help="Images; see `data list`.")
@click.option(
    "--eps",
    default=None,
    metavar="EPS,..",
    help="Budgets for pixels in [0, 1]: Linf as 2/255,8/255, L2 as L2:0.5.  [default: 2/255,8/255,L2:0.5]",
)
@click.option("--n", type=click.IntRange(min=1), help="Take the N images of smallest pixel digest.  [default: all]")
@_OUT
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--batch-size", type=_BatchSize(), default="auto", show_default=True, help="Images attacked together.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random draw.")
@click.option(
    "--rerun",
    type=click.Choice(["never", "failed", "all"]),
    default="failed",
    show_default=True,
    help="Which stored cells to run again. Nothing stored is deleted.",
)
def run(models: str, attacks: str, data: str, eps: str | None, n: int | None, out: Path, **options: Any) -> None:
    """Attack models and write table, csv and report into the results folder.

    Cells that are stored already are not run again; a run that was killed goes on where it stopped. Exit code 0:
    done, 1: some cells failed, 2: something asked for cannot be used.
    """
    from fer_bench import api

    done = api.run_cells(models, attacks, data, eps=eps, n=n, out=out, command=_command(), **options)
    click.echo(api.table(done.folder))
    for failure in done.summary.failures:
        click.echo(f"failed: {failure.model}, {failure.attack}: {failure.error}", err=True)
    summary = done.summary
    click.echo(f"{summary.ran} cells run, {summary.present} were stored already, {len(summary.failures)} failed.")
    click.echo(f"Report: {done.report}   Table: {done.leaderboard}")
    if summary.failures:
        raise SystemExit(1)


@main.command()
@click.argument("results", default="results", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page.  [default: RESULTS/report.html]")
def report(results: Path, output: Path | None) -> None:
    """Write the HTML report of a results folder."""
    from fer_bench import api

    click.echo(f"Report: {api.report(results, output)}")


if __name__ == "__main__":
    main()
