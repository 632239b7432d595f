"""The repository's workflows keep what setup.cfg and the Makefile promise: Pythons, targets, constraints, markers."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml
from places import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def jobs(path: Path) -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return loaded


def commands(path: Path) -> list[str]:
    """Every line that a workflow runs."""
    steps = [step for job in jobs(path).values() for step in job["steps"]]
    return [line for step in steps for line in str(step.get("run", "")).splitlines()]


EVERY = [line for path in WORKFLOWS for line in commands(path)]


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def pythons(job: str) -> list[str]:
    """The versions of a job's matrix."""
    return jobs(ROOT / ".github" / "workflows" / "check.yml")[job]["strategy"]["matrix"]["python"]  # type: ignore[index]


def test_the_pythons_are_those_that_setup_cfg_promises() -> None:
    classifiers = setup()["metadata"]["classifiers"].splitlines()
    promised = [line.rpartition(" :: ")[2] for line in classifiers if re.search(r":: 3\.\d+$", line)]
    assert pythons("fast") == promised
    assert setup()["options"]["python_requires"] == f">={promised[0]}"


def test_the_lowest_versions_run_on_the_lowest_python() -> None:
    (step,) = [
        step["with"]["python-version"]
        for step in jobs(ROOT / ".github" / "workflows" / "check.yml")["lowest"]["steps"]
        if "with" in step
    ]
    assert step == pythons("fast")[0]


def test_what_make_is_asked_for_exists() -> None:
    asked = {line.split()[1] for line in EVERY if line.startswith("make ")}
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert {"lint", "fast", "test"} <= asked <= set(phony.split())
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in asked)


def test_the_constraints_exist_and_are_the_makefiles_or_setup_cfgs() -> None:
    named = [word for line in EVERY for word in re.findall(r"(?:-c |CONSTRAINTS=)(\S+)", line)]
    assert set(named) == {"constraints/tested.txt", "constraints/lowest.txt"}
    for name in named:
        assert (ROOT / name).is_file(), name
    assert re.search(r"^CONSTRAINTS \?= constraints/tested\.txt$", MAKEFILE, re.MULTILINE)


def test_the_fast_tests_are_the_same_ones_with_and_without_make() -> None:
    (fast,) = re.findall(r"^FAST := (.*)$", MAKEFILE, re.MULTILINE)
    given = [word for line in EVERY for word in re.findall(r'-m "([^"]*)"', line)]
    assert given == [fast]
    markers = {line.partition(":")[0] for line in setup()["tool:pytest"]["markers"].splitlines() if line}
    assert set(re.findall(r"not (\w+)", fast)) == markers


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_always_ends(path: Path) -> None:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert loaded["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in jobs(path).values())


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*-*.yml")), ids=lambda path: path.stem
)
def test_an_issue_form_asks_each_thing_once(path: Path) -> None:
    """GitHub drops a whole form, without a word, for two fields of one id."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
