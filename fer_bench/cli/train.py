"""The command `ferbench train`: parse, call the verb, print."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

import click

from fer_bench.core.threat import format_eps, parse_number
from fer_bench.training.recipe import Recipe, flag, option_of

Command = Callable[..., Any]


def _size(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A size as people write it: 4/255, 0.0157."""
    try:
        return parse_number(value)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"'{value}' is no number; write it as 4/255 or 0.0157.") from None


def _switch(ctx: click.Context, param: click.Parameter, value: str) -> bool:
    return value == "on"


def _recipe_option(entry: Field[Any]) -> Callable[[Command], Command]:
    """The option that sets a field of the recipe."""
    option = option_of(entry)
    default: Any = entry.default
    more: dict[str, Any] = {}
    if isinstance(default, bool):
        default, more = "on" if default else "off", {"type": click.Choice(["on", "off"]), "callback": _switch}
    elif option.pixels:
        default, more = format_eps(default, "Linf"), {"callback": _size}
    text = f"{option.help}  [default: {option.default}]" if option.default else option.help
    return click.option(flag(entry.name), default=default, show_default=not option.default, help=text, **more)


def _recipe_options(command: Command) -> Command:
    """Adds an option for each field of the recipe, in the order of the fields."""
    for entry in reversed(fields(Recipe)):
        if option_of(entry).offered:
            command = _recipe_option(entry)(command)
    return command


@click.command()
@click.option("--arch", default="slim", show_default=True, help="slim (48x48 gray, fast on a CPU) or timm:NAME.")
@click.option("--data", required=True, metavar="NAME:PATH[:SPLIT]", help="Training images; split train if not named.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of state, log, card and weights.")
@click.option("--name", default="", help="What the model is called.  [default: architecture and method]")
@_recipe_options
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def train(arch: str, data: str, out: Path, name: str, device: str, **recipe: Any) -> None:
    """Train a network, adversarially or not; write weights, card and log into a folder.

    The same command goes on where a killed training stopped. The folder is a model: ferbench run --models FOLDER.
    """
    from fer_bench.api.training import train as verb

    card = verb(
        Recipe(**recipe),
        arch,
        data,
        out,
        device=device,
        name=name,
        command=_shareable(sys.argv[1:], data, out),
        tell=lambda text: click.echo(f"ferbench: {text}", err=True),
    )
    click.echo(f"Model: {card.parent}; ferbench run --models {card.parent}")


def _shareable(words: list[str], data: str, out: Path) -> str:
    """The command as a card says it, which may be shared: without the folders of this machine."""
    from fer_bench.data import parse_source

    source = parse_source(data)
    plain = {data: str(replace(source, path="FOLDER")) if source.path else data, str(out): out.name}

    def shown(word: str) -> str:
        option, equals, value = word.partition("=")
        return f"{option}={plain.get(value, value)}" if equals else plain.get(word, word)

    return shlex.join(["ferbench", *map(shown, words)])
