"""Registry: duplicates, near misses, and plug-ins of real (small) distributions."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from attacks import ATTACKS
from fer_bench.data import DATASETS
from fer_bench.errors import UsageError
from fer_bench.registry import Registry, unknown_name
from models_zoo import MODELS

_COUNTER = itertools.count()


def of(*names: str, group: str = "ferbench.tests.none") -> Registry[str]:
    registry: Registry[str] = Registry("toy", group)
    for name in names:
        registry.register(name, name.upper())
    return registry


def test_what_is_registered_is_found_in_order() -> None:
    registry = of("b", "a", "c")
    assert registry.names() == ["b", "a", "c"]
    assert list(registry) == ["B", "A", "C"]
    assert registry.get("a") == "A"
    assert "a" in registry
    assert "z" not in registry
    assert len(registry) == 3


def test_a_name_is_taken_once() -> None:
    registry = of("a")
    with pytest.raises(UsageError, match="toy 'a' is registered twice"):
        registry.register("a", "other")
    assert registry.get("a") == "A"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("pgdd", "pgd"),
        ("PGD", "pgd"),
        ("mini_xception", "mini-xception"),
        ("mini", "mini-xception"),
        ("face", "face-api"),
    ],
)
def test_a_near_miss_is_named(given: str, meant: str) -> None:
    with pytest.raises(UsageError) as error:
        of("pgd", "mini-xception", "face-api").get(given)
    message = str(error.value)
    assert message.startswith(f"unknown toy '{given}'. Did you mean {meant}")
    assert "Known: pgd, mini-xception, face-api." in message


def test_a_near_miss_may_differ_in_capitals() -> None:
    assert "Did you mean VGG-Face?" in str(unknown_name("toy", "vgg_face", ["pgd", "VGG-Face"]))


def test_a_far_name_is_not_guessed() -> None:
    assert str(unknown_name("toy", "qqq", ["pgd"])) == "unknown toy 'qqq'. Known: pgd."
    assert str(unknown_name("toy", "qqq", [])) == "unknown toy 'qqq'. Known: none."


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a distribution with one module, as pip would install it, and puts it on the path."""

    def make(entry_points: str, code: str) -> str:
        number = next(_COUNTER)
        module, group = f"ferbench_plugin_{number}", f"ferbench.tests.{number}"
        folder = tmp_path / str(number)
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n" + entry_points.format(module=module))
        (folder / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        return group

    return make


def test_a_plug_in_comes_after_the_built_in_ones(plugin) -> None:
    """An object, or a function that returns one; and it is not imported before somebody asks."""
    group = plugin("fast = {module}:item\nslow = {module}:make\n", "item = 'I'\ndef make(): return 'M'\n")
    registry = of("a", group=group)
    assert not any(name.startswith("ferbench_plugin") and name in group for name in sys.modules)
    assert registry.names() == ["a", "fast", "slow"]
    assert registry.get("fast") == "I"
    assert registry.get("slow") == "M"


@pytest.mark.parametrize("code", ["import nosuchmodule", "other = 1", "def make(): raise ValueError('late')", "make ="])
def test_a_broken_plug_in_is_one_line_that_names_it(code: str, plugin) -> None:
    """Every time it is asked for: a second call that finds less than the first would be worse than the error."""
    registry = of("a", group=plugin("broken = {module}:make\n", code))
    for ask in (registry.names, lambda: registry.get("a"), lambda: "a" in registry):
        with pytest.raises(UsageError, match=r"toy plug-in 'broken' of ferbench_plugin_\d+ cannot be loaded") as error:
            ask()
        assert "repair or uninstall ferbench_plugin_" in str(error.value)


def test_a_plug_in_may_not_take_a_name(plugin) -> None:
    registry = of("a", group=plugin("b = {module}:item\na = {module}:item\n", "item = 'I'\n"))
    for _ in range(2):
        with pytest.raises(UsageError, match="toy 'a' is registered twice"):
            registry.names()
    assert registry._items == {"a": "A"}


def test_the_groups_are_those_of_the_documentation() -> None:
    assert (MODELS.group, ATTACKS.group, DATASETS.group) == ("ferbench.models", "ferbench.attacks", "ferbench.data")
