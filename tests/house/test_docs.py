"""The documentation is true: its Python runs, its commands exist, its links lead somewhere, its tables are current."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from places import ROOT

from attacks import ATTACKS, SUITES
from attacks.select import parse_attacks
from fer_bench.cli.main import main
from fer_bench.core.model_card import PackageFile
from models_zoo import MODELS

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.network
def test_the_readmes_python_runs_as_it_stands(tmp_path):
    (tmp_path / "example.py").write_text(blocks(ROOT / "README.md", "python")[0], encoding="utf-8")
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results-readme" / "report.html").is_file()


@pytest.mark.network
def test_the_readmes_own_model_is_benchmarked_by_the_readmes_command(tmp_path):
    text = blocks(ROOT / "README.md", "python")[1]
    assert len([line for line in text.splitlines() if line.strip()]) <= 20
    (tmp_path / "my_file.py").write_text(text, encoding="utf-8")
    (line,) = [line for line in commands() if "my_file.py:build," in line]
    words = [sys.executable, "-m", "fer_bench.cli", *shlex.split(line)[1:]]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "my_file:build+jpeg75" in done.stdout
    assert (tmp_path / "results-readme" / "report.html").is_file()


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "console") for line in block.splitlines()]
    return [line[2:].split("#")[0].strip() for line in lines if line.startswith("$ ferbench")]


@pytest.mark.parametrize("line", commands())
def test_every_ferbench_command_in_the_docs_parses(line):
    """Each option and sub-command exists, and each attack list can be read; nothing is run."""
    words = re.findall(r'"[^"]*"|\S+', line)[1:]
    words = [word.strip('"') for word in words]
    command: click.Command = main
    context = click.Context(main, info_name="ferbench")
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, f"{line}: no command {name}"
        command = command.commands[name]
        context = click.Context(command, parent=context, info_name=name)
    command.parse_args(context, words)
    if "--attacks" in words:
        parse_attacks(words[words.index("--attacks") + 1])


def test_every_command_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, command in main.commands.items():
        for path in [f"{name} {sub}" for sub in command.commands] if isinstance(command, click.Group) else [name]:
            assert path in text, f"README does not mention `ferbench {path}`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page):
    """`fer_bench/stats/paired.py`, `tests/golden/`: from the top, in fer_bench, or beside the page."""
    words = re.findall(r"`([\w.-]+/[\w./-]*)`", page.read_text(encoding="utf-8"))
    tops = {path.name for base in (ROOT, ROOT / "fer_bench") for path in base.glob("[!.]*/")}
    named = [word for word in words if word.split("/")[0] in tops and "NAME" not in word]
    for word in named:
        assert any((base / word).exists() for base in (ROOT, ROOT / "fer_bench", page.parent)), word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_ends_at_120_columns(page):
    """Commands, tables and headings are one line by nature, and a leaderboard is written by the program."""
    if page.name == "fer2013-v1.md":
        return
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not [line for line in prose.splitlines() if len(line) > 120 and not line.lstrip().startswith(("|", "#"))]


def test_the_counts_in_the_docs_are_those_of_the_registries():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in changelog for name in (*ATTACKS.names(), *SUITES.names()))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shipped = [card for card in MODELS if card.files and all(isinstance(file, PackageFile) for file in card.files)]
    assert len(shipped) == 7
    assert "Seven pretrained models" in readme
    assert len(MODELS) - len(shipped) >= 50
    assert "Fifty more of prior work" in readme


def test_the_readmes_table_is_part_of_the_published_results():
    published = (ROOT / "docs" / "results" / "fer2013-v1.md").read_text(encoding="utf-8").splitlines()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(shown) > 5
    for line in shown:
        assert line in published, f"not in docs/results/fer2013-v1.md: {line}"
