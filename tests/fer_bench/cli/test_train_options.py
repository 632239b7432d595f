"""The options of `ferbench train`: made from the recipe's fields, and read back as the recipe."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, get_args, get_type_hints

import click
import pytest
from click.testing import CliRunner

from fer_bench.cli.main import main
from fer_bench.cli.train import train
from fer_bench.training.recipe import Recipe, flag, option_of

NEEDED = ["--data", "fer2013:FOLDER", "--out", "folder"]
NAMES = [field.name for field in fields(Recipe)]
OFFERED = [field.name for field in fields(Recipe) if option_of(field).offered]


def read(*words: str) -> Recipe:
    """The recipe that the command line makes of these words."""
    params = train.make_context("train", [*NEEDED, *words]).params
    return Recipe(**{name: value for name, value in params.items() if name in NAMES})


def test_without_an_option_the_recipe_is_the_default_one() -> None:
    assert read() == Recipe()
    assert set(NAMES) - set(OFFERED) == {"momentum"}
    assert [param.name for param in train.params if param.name in NAMES] == OFFERED


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("--eps 8/255", {"eps": 8 / 255}),
        ("--eps 0.03", {"eps": 0.03}),
        ("--alpha 1/255", {"alpha": 1 / 255}),
        ("--freq off", {"freq": False}),
        ("--freq on", {"freq": True}),
        ("--mask-on step", {"mask_on": "step"}),
        ("--weight-decay 1e-3", {"weight_decay": 1e-3}),
        ("--held-out 5", {"held_out": 5}),
    ],
)
def test_an_option_sets_its_field(words: str, field: dict[str, Any]) -> None:
    assert read(*words.split()) == Recipe(**field)


def test_the_help_says_every_field_with_its_default() -> None:
    shown = " ".join(CliRunner().invoke(main, ["train", "--help"], terminal_width=300).output.split())
    for field in fields(Recipe):
        option = option_of(field)
        assert (f"{flag(field.name)} " in shown) == option.offered
        if option.offered:
            assert f"{option.help} [default: {option.default}" in shown


def test_the_choices_are_those_of_the_type_and_numbers_have_a_range() -> None:
    for field in fields(Recipe):
        option, kind = option_of(field), get_type_hints(Recipe)[field.name]
        assert option.choices == (get_args(kind) if getattr(kind, "__origin__", None) is Literal else ())
        assert (option.low <= field.default <= option.high) if kind in (int, float) else True
        assert (option.high < float("inf")) == (kind in (int, float) and field.name != "seed"), field.name


@pytest.mark.parametrize("words", ["--freq maybe", "--eps 1/0", "--epochs few"])
def test_what_cannot_be_read_is_refused(words: str) -> None:
    with pytest.raises(click.BadParameter):
        read(*words.split())
