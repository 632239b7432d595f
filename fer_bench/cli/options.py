"""The options and arguments that several commands have."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
OUT = click.option(
    "--out", default="results", show_default=True, type=click.Path(path_type=Path), help="Results folder."
)


def command_line() -> str:
    """What the user typed, quoted for a shell; provenance keeps it."""
    return shlex.join(["ferbench", *sys.argv[1:]])


def batch_size(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """None for 'auto', else the number."""
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"'{value}' is neither 'auto' nor a whole number from 1.")
    return int(value)


#: The options that say what a model of the user's own is.
WEIGHTS = click.option(
    "--weights", multiple=True, metavar="NAME=FILE", help="A file that only you can bring; see `models show NAME`."
)
CLASSES = click.option("--classes", default="", metavar="WORD,..", help="Your own model's outputs, in their order.")
INPUT = click.option("--input", default="", metavar="WORDS", help='What your own model takes: "224x224 RGB imagenet".')
