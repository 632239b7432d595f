"""The command line: parse, call api, print. No decision is made here that Python users could not make too."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

import fer_bench
from fer_bench import cli_readout, cli_train
from fer_bench.cli_models import CLASSES, INPUT, WEIGHTS, models
from fer_bench.errors import FerBenchError

_OUT = click.option(
    "--out", default="results", show_default=True, type=click.Path(path_type=Path), help="Results folder."
)

_GALLERY_SAMPLES = 4


class _Group(click.Group):
    """Shows a FerBenchError as one line and exits 2; Ctrl-C says what is kept and exits 130."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FerBenchError as error:
            click.echo(f"ferbench: {' '.join(str(error).split())}", err=True)
            ctx.exit(2)
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "ferbench"
            click.echo(f"ferbench: {' '.join(error.format_message().split())} See `{where} --help`.", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "ferbench: interrupted; every finished shard is stored, the same command goes on from there.",
                err=True,
            )
            ctx.exit(130)


def _command() -> str:
    return shlex.join(["ferbench", *sys.argv[1:]])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(fer_bench.__version__, prog_name="ferbench")
def main() -> None:
    """How robust is a facial expression recognition model, really?"""


def _batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """None for 'auto', else the number."""
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"'{value}' is neither 'auto' nor a whole number from 1.")
    return int(value)


@main.command()
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
@_OUT
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--batch-size",
    callback=_batch_size,
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
def run(models: str, attacks: str, data: str, out: Path, **options: Any) -> None:
    """Attack models and write table, csv and report into the results folder.

    Cells that are stored already are not run again; a run that was killed goes on where it stopped. Exit code 0:
    done, 1: some cells failed, 2: something asked for cannot be used.
    """
    from fer_bench import api

    done = api.run_cells(models, attacks, data, out=out, command=_command(), **options)
    click.echo(api.leaderboard.as_text(done.frames))
    for failure in done.summary.failures:
        click.echo(f"failed: {failure.model}, {failure.attack}: {' '.join(failure.error.split())}", err=True)
    summary = done.summary
    click.echo(f"{summary.ran} cells run, {summary.present} were stored already, {len(summary.failures)} failed.")
    click.echo(f"Report: {done.report}   Table: {done.leaderboard}")
    if skipped := api.left_out(models):
        click.echo(skipped, err=True)
    if summary.failures:
        raise SystemExit(1)


@main.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The page; a name in .md gives Markdown.  [default: report.html in the first folder]",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@click.option("--gallery", is_flag=True, help="Show attacked images, and where on the face attacks go; attacks again.")
@click.option(
    "--gallery-samples", "count", type=click.IntRange(min=1), metavar="N", help="Images of each model.  [default: 4]"
)
@click.option(
    "--embed-restricted",
    is_flag=True,
    help="Put images into the page that are not known to be free to pass on, for your own use.",
)
@WEIGHTS
def report(
    results: tuple[Path, ...],
    output: Path | None,
    opened: bool,
    gallery: bool,
    count: int | None,
    embed_restricted: bool,
    weights: tuple[str, ...],
) -> None:
    """Write the report of results folders (default: results), as HTML or Markdown. Several become one page."""
    from fer_bench import readout

    if not gallery and (count is not None or embed_restricted or weights):
        raise click.UsageError("--gallery-samples, --embed-restricted and --weights are for --gallery; add it.")
    page = readout.report(
        results or ["results"],
        output,
        gallery=(count or _GALLERY_SAMPLES) if gallery else None,
        embed_restricted=embed_restricted,
        weights=weights,
        tell=lambda line: click.echo(f"gallery: {line}", err=True),
    )
    click.echo(f"Report: {page}")
    if opened:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


@main.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("cell", required=False)
@click.argument("sample", required=False)
@click.option("--data", help="Where the data set is now, where it has moved: NAME:PATH:SPLIT.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the pictures.  [default: RESULTS/replay]")
@WEIGHTS
def replay(
    results: Path,
    cell: str | None,
    sample: str | None,
    data: str | None,
    device: str,
    out: Path | None,
    weights: tuple[str, ...],
) -> None:
    """Re-create one stored verdict with its image, or say what differs.

    CELL and SAMPLE are beginnings of a cell's key and of a sample's digest. Without them the stored cells are
    listed; with CELL alone, its fooled samples. Exit code 0: the same verdict, 1: something differs.
    """
    from fer_bench import api

    if cell is None or sample is None:
        click.echo(api.stored(results, cell))
        return
    again = api.replay(results, cell, sample, data=data, device=device, out=out, weights=weights)
    click.echo(api.describe(again))
    if not again.same:
        raise SystemExit(1)


main.add_command(models)


@main.group()
def attacks() -> None:
    """The attacks: list, show."""


@attacks.command("list")
def attacks_list() -> None:
    """List every attack and suite, with cost and defaults."""
    from fer_bench import api

    click.echo(api.listing.attacks(api.ATTACKS))
    click.echo()
    click.echo(api.listing.suites(api.SUITES))


@attacks.command("show")
@click.argument("name")
def attacks_show(name: str) -> None:
    """Show everything that the card of an attack or suite says: parameters, ranges, corrections."""
    from fer_bench import api

    suite = api.suite_of(name)
    click.echo(api.listing.suite(suite) if suite else api.listing.attack(api.ATTACKS.get(name)))


@main.group()
def data() -> None:
    """The data sets: list, show, fetch."""


@data.command("list")
def data_list() -> None:
    """List every data set."""
    from fer_bench import api

    click.echo(api.listing.datasets(api.DATASETS))


@data.command("show")
@click.argument("source")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a contact sheet of the images to this PNG file.")
def data_show(source: str, sheet: Path | None) -> None:
    """Show a data set's card, and what is in it where NAME:PATH:SPLIT can be opened.

    Every image is decoded once, those of other splits at the same path too. Images that cannot be read are counted
    and named; a run would stop at the first.
    """
    from fer_bench import api

    place = api.parse_source(source)
    card = api.DATASETS.get(place.name)
    if sheet is not None:
        api.sheet.check(sheet)
    click.echo(api.listing.dataset(card))
    if place.path is not None or not card.needs_path:
        found = api.survey_data(source)
        click.echo(api.listing.survey(found))
        if sheet is not None:
            api.sheet.write(found, sheet)
            click.echo(f"Sheet: {sheet}")
    elif sheet is not None:
        raise FerBenchError(f"a sheet needs images; say where {card.name} is: {card.name}:FOLDER[:SPLIT].")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Fetch a data set that fetches itself (demo) into the cache."""
    from fer_bench import api

    card = api.DATASETS.get(name)
    if card.needs_path:
        raise FerBenchError(f"{name} cannot be fetched ({card.licence}); bring it: --data {name}:FOLDER:SPLIT.")
    click.echo(f"{name}: {len(api.open_data(name))} images are in the cache, {api.fetch.cache_dir()}")


@main.command()
@_OUT
def doctor(out: Path) -> None:
    """Look at this machine and say what would stop a run. Exit code 1 where something would."""
    from fer_bench import doctor as examination
    from reports import listing

    found = examination.examine(out)
    words = {True: "ok", False: "PROBLEM", None: "-"}
    click.echo(listing.grid(("check", "", "found"), [(c.name, words[c.fine], c.text) for c in found]))
    if any(check.fine is False for check in found):
        raise SystemExit(1)


for _command_on_results in (cli_readout.export, cli_readout.baseline, cli_readout.check, cli_readout.compare):
    main.add_command(_command_on_results)
main.add_command(cli_train.train)


if __name__ == "__main__":
    main()
