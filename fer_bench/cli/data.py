"""The commands `ferbench data ...`: list, show, fetch."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.errors import FerBenchError


@click.group()
def data() -> None:
    """The data sets: list, show, fetch."""


@data.command("list")
def data_list() -> None:
    """List every data set."""
    from fer_bench.data import DATASETS
    from reports.write import listing

    click.echo(listing.datasets(DATASETS))


@data.command("show")
@click.argument("source")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a contact sheet of the images to this PNG file.")
def data_show(source: str, sheet: Path | None) -> None:
    """Show a data set's card, and what is in it where NAME:PATH:SPLIT can be opened.

    Every image is decoded once, those of other splits at the same path too. Images that cannot be read are counted
    and named; a run would stop at the first.
    """
    from fer_bench.data import DATASETS, parse_source, survey_data
    from reports.write import contact_sheet, listing

    place = parse_source(source)
    card = DATASETS.get(place.name)
    if sheet is not None:
        contact_sheet.check(sheet)
    click.echo(listing.dataset(card))
    if place.path is not None or not card.needs_path:
        found = survey_data(source)
        click.echo(listing.survey(found))
        if sheet is not None:
            contact_sheet.write(found, sheet)
            click.echo(f"Sheet: {sheet}")
    elif sheet is not None:
        raise FerBenchError(f"a sheet needs images; say where {card.name} is: {card.name}:FOLDER[:SPLIT].")


@data.command("fetch")
@click.argument("name")
def data_fetch(name: str) -> None:
    """Fetch a data set that fetches itself (demo) into the cache."""
    from fer_bench.data import DATASETS, open_data
    from fer_bench.fetch import cache

    card = DATASETS.get(name)
    if card.needs_path:
        raise FerBenchError(f"{name} cannot be fetched ({card.licence}); bring it: --data {name}:FOLDER:SPLIT.")
    click.echo(f"{name}: {len(open_data(name))} images are in the cache, {cache.cache_dir()}")
