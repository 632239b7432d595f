"""The commands `ferbench models ...`: parse, call api, print."""

from __future__ import annotations

from pathlib import Path

import click

#: The options that say what a model of the user's own is; `run` has them too.
WEIGHTS = click.option(
    "--weights", multiple=True, metavar="NAME=FILE", help="A file that only you can bring; see `models show NAME`."
)
CLASSES = click.option("--classes", default="", metavar="WORD,..", help="Your own model's outputs, in their order.")
INPUT = click.option(
    "--input", "given", default="", metavar="WORDS", help='What your own model takes: "224x224 RGB imagenet".'
)


@click.group()
def models() -> None:
    """The models: list, show, fetch, check, add, remove."""


@models.command("list")
def models_list() -> None:
    """List every model, with where its weights are and whether we have run them."""
    from fer_bench import api

    click.echo(api.listing.models(api.every_model(), api.weights))


@models.command("show")
@click.argument("name")
@CLASSES
@INPUT
def models_show(name: str, classes: str, given: str) -> None:
    """Show everything that a model's card says."""
    from fer_bench import api

    (card,) = api.choose_models([name], classes, given)
    click.echo(api.listing.model(card, api.weights(card)))


@models.command("fetch")
@click.argument("names", nargs=-1, required=True)
def models_fetch(names: tuple[str, ...]) -> None:
    """Fetch the weights of models, of 'all' or of 'all-addresses', into the cache."""
    from fer_bench import api

    for card in api.choose_models(names):
        paths = api.fetch.card_files(card.files, card.name)
        click.echo(f"{card.name}: {', '.join(map(str, paths)) or 'no weights needed'}")
    if skipped := api.left_out(names):
        click.echo(f"ferbench: {skipped}", err=True)


@models.command("check")
@click.argument("name")
@click.option("--data", default="demo", show_default=True, metavar="NAME[:PATH[:SPLIT]]", help="Images to look at.")
@click.option("--n", type=click.IntRange(min=1), help="Take the N images of smallest pixel digest.  [default: all]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@CLASSES
@INPUT
@WEIGHTS
def models_check(
    name: str, data: str, n: int | None, device: str, classes: str, given: str, weights: tuple[str, ...]
) -> None:
    """Examine a model as a run does, and its other splits too. Exit code 0: nothing found, 1: something was."""
    from fer_bench import api

    examined = api.check_model(name, data, n=n, device=device, classes=classes, given=given, weights=weights)
    click.echo(api.listing.examined(name, examined))
    if examined.findings:
        raise SystemExit(1)


@models.command("add")
@click.argument("file", type=click.Path(path_type=Path))
def models_add(file: Path) -> None:
    """Check a shared card (TOML) and its model, and put it on this machine's list."""
    from fer_bench import api

    card = api.shelf.add(file, api.MODELS.names())
    click.echo(f"{card.name} was added; it is in `ferbench models list` from now on.")


@models.command("remove")
@click.argument("name")
def models_remove(name: str) -> None:
    """Take a model that was added off this machine's list."""
    from fer_bench import api

    api.shelf.remove(name)
    click.echo(f"{name} was removed.")
