"""The commands on stored results: report, replay, export. Parse, call api, print."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import PATH, WEIGHTS

_GALLERY_SAMPLES = 4


@click.command()
@click.argument("results", nargs=-1, type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
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
    from fer_bench.api.results import report as write_report

    if not gallery and (count is not None or embed_restricted or weights):
        raise click.UsageError("--gallery-samples, --embed-restricted and --weights are for --gallery; add it.")
    page = write_report(
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


@click.command()
@click.argument("results", type=PATH)
@click.argument("cell", required=False)
@click.argument("sample", required=False)
@click.option("--data", help="Where the data set is now, where it has moved: NAME:PATH:SPLIT.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--out", type=PATH, help="Folder of the pictures.  [default: RESULTS/replay]")
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
    from fer_bench.api import replays
    from reports.write.replays import describe

    if cell is None or sample is None:
        click.echo(replays.stored(results, cell))
        return
    again = replays.replay(results, cell, sample, data=data, device=device, out=out, weights=weights)
    click.echo(describe(again))
    if not again.same:
        raise SystemExit(1)


@click.command()
@click.argument("results", default="results", type=PATH)
@click.option("--table", show_default="leaderboard", metavar="NAME", help="Which table; --list names all.")
@click.option("-o", "--output", type=PATH, help="The file: .csv, .parquet, .json, .md or .tex.  [default: TABLE.csv]")
@click.option("--figures", type=PATH, metavar="FILE", help="Draw the figures of a paper instead: .pdf, .svg or .png.")
@click.option("--list", "listed", is_flag=True, help="List the tables and what they hold.")
def export(results: Path, table: str | None, output: Path | None, figures: Path | None, listed: bool) -> None:
    """Write one table of a results folder for other programs, as its file's ending says; or its figures."""
    from fer_bench.api import results as api
    from reports.write import exports

    if listed:
        click.echo(exports.described())
        return
    if figures is None:
        table = table or "leaderboard"
        click.echo(f"Table: {api.export(results, output or Path(f'{table}.csv'), table)}")
        return
    if table or output:
        raise click.UsageError("--figures names its own file and draws no table; leave --table and -o out.")
    for path in api.figures(results, figures):
        click.echo(f"Figures: {path}")
