"""The promised versions are those that are run: setup.cfg, constraints/lowest.txt and constraints/tested.txt agree."""

from __future__ import annotations

import configparser
import importlib.util
import re
from importlib import metadata
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from places import ROOT

CONSTRAINTS = ROOT / "constraints"


def promised() -> list[Requirement]:
    """Every requirement of setup.cfg, those of the extras included."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    return [Requirement(line) for text in texts for line in text.split("\n") if line]


def pinned(name: str) -> dict[str, Version]:
    """The version of each distribution in a file of constraints."""
    lines = (CONSTRAINTS / name).read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    assert len({canonicalize_name(pin.name) for pin in pins}) == len(pins)
    versions = {}
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin
        versions[canonicalize_name(pin.name)] = Version(specifier.version)
    return versions


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    lowest = pinned("lowest.txt")
    for requirement in promised():
        bounds = [Version(part.version) for part in requirement.specifier if part.operator in (">=", "==")]
        assert bounds == [lowest.get(canonicalize_name(requirement.name))], requirement
    assert lowest.keys() == {canonicalize_name(requirement.name) for requirement in promised()}


def test_what_the_tests_run_with_is_allowed() -> None:
    tested = pinned("tested.txt")
    (python,) = set(re.findall(r'python_version >= "([\d.]+)"', (CONSTRAINTS / "tested.txt").read_text("utf-8")))
    for requirement in promised():
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert requirement.specifier.contains(tested[canonicalize_name(requirement.name)]), requirement
    assert not [name for name in tested if name.startswith(("nvidia-", "cuda-", "triton"))]


@pytest.fixture
def renew() -> ModuleType:
    spec = importlib.util.spec_from_file_location("renew", CONSTRAINTS / "renew.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_renewed_file_names_what_is_installed_and_what_that_needs_in_turn(renew: ModuleType) -> None:
    versions = renew.installed([Requirement("torchattacks"), Requirement("torch")])
    assert {"torch", "torchattacks", "torchvision", "numpy", "pillow", "urllib3"} <= versions.keys()
    assert Version(versions["numpy"]) == Version(metadata.version("numpy"))
    assert not [name for name in versions if name.startswith(("nvidia-", "cuda-", "triton"))]


@pytest.mark.parametrize("text", ["no-such-distribution", "torch<1"])
def test_nothing_is_renewed_from_an_environment_that_lacks_something(renew: ModuleType, text: str) -> None:
    with pytest.raises(SystemExit, match="nothing was written"):
        renew.installed([Requirement(text)])
