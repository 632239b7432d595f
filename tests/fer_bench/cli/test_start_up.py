"""What the command line imports: nothing heavy before it knows that it is needed."""

from __future__ import annotations

import click
import pytest
from start_up import imported

from fer_bench.cli.main import main

HEAVY = {"torch", "timm", "torchattacks", "pandas"}


def commands(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every group and command by its words."""
    found = [words]
    for name, command in group.commands.items():
        found += commands(command, (*words, name)) if isinstance(command, click.Group) else [(*words, name)]
    return found


def test_help_and_version_import_nothing_heavy() -> None:
    assert isinstance(main, click.Group)
    asked = [(*words, "--help") for words in commands(main)]
    assert len(asked) > 20
    assert imported(*asked, ("--version",)) & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("data list", set()),
        ("data show demo", {"torch"}),
        ("doctor", {"torch"}),
        ("attacks list", {"torch", "torchattacks"}),
        ("attacks show pgd", {"torch", "torchattacks"}),
    ],
)
def test_a_list_imports_what_it_shows(words: str, needed: set[str]) -> None:
    assert imported(tuple(words.split())) & HEAVY <= needed
