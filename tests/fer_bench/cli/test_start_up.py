"""What the command line imports: nothing heavy before it knows that it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType

import click
import pytest

from fer_bench.cli.main import main

HEAVY = ("torch", "timm", "torchattacks", "pandas")
#: Runs each line of words by the command line, in one process, and prints the exit codes and what was imported.
ASK = """
import json, sys
from types import ModuleType
from click.testing import CliRunner
from fer_bench.cli.main import main

codes = [CliRunner().invoke(main, words).exit_code for words in json.loads(sys.argv[1])]
print(json.dumps([codes, [name for name, module in sys.modules.items() if isinstance(module, ModuleType)]]))
"""


def commands(group: click.Group, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every group and command by its words."""
    found = [words]
    for name, command in group.commands.items():
        found += commands(command, (*words, name)) if isinstance(command, click.Group) else [(*words, name)]
    return found


def imported(*calls: tuple[str, ...]) -> set[str]:
    """The heavy packages that a fresh process has imported after it ran each of the calls."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(calls)], capture_output=True, text=True, timeout=120, check=True
    )
    codes, names = json.loads(done.stdout)
    assert codes == [0] * len(calls)
    assert isinstance(sys.modules["click"], ModuleType)
    assert "click" in names
    return set(HEAVY) & set(names)


def test_help_and_version_import_nothing_heavy() -> None:
    assert isinstance(main, click.Group)
    asked = [(*words, "--help") for words in commands(main)]
    assert len(asked) > 20
    assert imported(*asked, ("--version",)) == set()


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
    assert imported(tuple(words.split())) <= needed
