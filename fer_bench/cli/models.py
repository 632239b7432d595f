"""The commands `ferbench models ...`: parse, call api, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fer_bench.cli.options import CLASSES, INPUT, WEIGHTS


@click.group()
def models() -> None:
    """The models: list, show, fetch, check, add, remove."""


@models.command("list")
def models_list() -> None:
    """List every model, with where its weights are and whether we have run them."""
    from models_zoo.catalogue import every_model, weights
    from reports.write import listing

    click.echo(listing.models(every_model(), weights))


@models.command("show")
@click.argument("name")
@CLASSES
@INPUT
def models_show(name: str, classes: str, input: str) -> None:  # noqa: A002  (the option is --input)
    """Show everything that a model's card says."""
    from models_zoo.catalogue import weights
    from models_zoo.select import choose_models
    from reports.write import listing

    (card,) = choose_models([name], classes, input)
    click.echo(listing.model(card, weights(card)))


@models.command("fetch")
@click.argument("names", nargs=-1, required=True)
def models_fetch(names: tuple[str, ...]) -> None:
    """Fetch the weights of models, of 'all' or of 'all-addresses', into the cache."""
    from fer_bench.fetch import cards
    from models_zoo import select

    for card in select.choose_models(names):
        paths = cards.card_files(card.files, card.name)
        click.echo(f"{card.name}: {', '.join(map(str, paths)) or 'no weights needed'}")
    if skipped := select.left_out(names):
        click.echo(f"ferbench: {skipped}", err=True)


@models.command("check")
@click.argument("name")
@click.option("--data", default="demo", show_default=True, metavar="NAME[:PATH[:SPLIT]]", help="Images to look at.")
@click.option("--n", type=click.IntRange(min=1), help="Take the N images of smallest pixel digest.  [default: all]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@CLASSES
@INPUT
@WEIGHTS
def models_check(name: str, **options: Any) -> None:
    """Examine a model as a run does, and its other splits too. Exit code 0: nothing found, 1: something was."""
    from fer_bench.api import models as api_models
    from reports.write import listing

    examined = api_models.check_model(name, **options)
    click.echo(listing.examined(name, examined))
    if examined.findings:
        raise SystemExit(1)


@models.command("add")
@click.argument("file", type=click.Path(path_type=Path))
def models_add(file: Path) -> None:
    """Check a shared card (TOML) and its model, and put it on this machine's list."""
    import models_zoo
    from models_zoo.own import added

    card = added.add(file, models_zoo.MODELS.names())
    click.echo(f"{card.name} was added; it is in `ferbench models list` from now on.")


@models.command("remove")
@click.argument("name")
def models_remove(name: str) -> None:
    """Take a model that was added off this machine's list."""
    from models_zoo.own import added

    added.remove(name)
    click.echo(f"{name} was removed.")
