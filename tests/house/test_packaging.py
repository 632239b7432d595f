"""What is installed: the four names are ours alone, the wheel is complete, and no working folder hides a package."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import setuptools
from places import ROOT

import fer_bench

PACKAGES = ("fer_bench", "models_zoo", "attacks", "reports")


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def folders() -> set[str]:
    """Every package of the checkout, by the folders that hold an __init__.py."""
    found = (file.parent.relative_to(ROOT) for name in PACKAGES for file in (ROOT / name).rglob("__init__.py"))
    return {".".join(folder.parts) for folder in found}


@pytest.mark.parametrize("name", PACKAGES)
def test_an_import_name_is_ours_alone(name: str) -> None:
    """`attacks` and `reports` are words that others use; two owners would overwrite each other's files."""
    owners = importlib.metadata.packages_distributions().get(name, [])
    assert set(owners) == {"fer-bench"}


def test_the_version_is_said_once() -> None:
    assert importlib.metadata.version("fer-bench") == fer_bench.__version__
    assert config()["metadata"]["version"] == "attr: fer_bench._version.__version__"


def test_setup_cfg_finds_every_package_and_no_other() -> None:
    assert config()["options"]["packages"] == "find:"
    patterns = config()["options.packages.find"]["include"].split()
    assert set(setuptools.find_packages(str(ROOT), include=patterns)) == folders()
    assert config()["options"]["package_dir"].split() == ["=", "."]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel, built as pip builds it, from a copy of what git would take."""
    pytest.importorskip("pip")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    done = subprocess.run([*command, "-w", str(target), str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (file,) = target.glob("fer_bench-*.whl")
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


@pytest.mark.network
def test_the_wheel_holds_every_module_and_data_file(wheel: list[str]) -> None:
    """Whatever lies in a package and is not compiled: a template that is left out breaks the first report."""
    expected = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if ".dist-info/" not in name} == expected
    assert {"fer_bench/data/formats/demo.json", *(f"{name}/py.typed" for name in PACKAGES)} <= expected
    assert any(name.startswith("reports/templates/") for name in wheel)
    assert any(name.endswith("trained/slim-faat/model.safetensors") for name in wheel)


@pytest.mark.network
def test_the_wheel_brings_the_command_and_the_licence(wheel: list[str]) -> None:
    assert any(name.endswith("entry_points.txt") for name in wheel)
    assert any(".dist-info/" in name and name.endswith("LICENSE") for name in wheel)
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="ferbench")
    assert command.value == "fer_bench.cli:main"


def test_the_sdist_holds_the_whole_checkout() -> None:
    """So that `make test` can be run from it: what MANIFEST.in forgets is missed by whoever builds from the sdist."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git checkout")
    words = [line.split() for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()]
    taken = {name for command, *names in words if command in ("include", "graft") for name in names}
    by_themselves = {*PACKAGES, "setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"}
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} - taken - by_themselves == {".ci", ".gitignore"}


def test_a_working_folder_with_our_names_in_it_hides_nothing(tmp_path: Path) -> None:
    """People keep folders called reports/ and attacks/, without an __init__.py, where they call ferbench."""
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("mine")
    code = f"from importlib.util import find_spec; print([find_spec(name).origin for name in {PACKAGES}])"
    # Without PYTHONPATH: the packages must be found because they are installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == [str(ROOT / name / "__init__.py") for name in PACKAGES]
