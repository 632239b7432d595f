"""The worked examples of docs/contributing: each page's files are written, built, installed, tested and found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from places import ROOT
from toys import CLASSES

PAGES = ROOT / "docs" / "contributing"
EXAMPLES = {"model": "ferplus-vgg13", "attack": "margin-steps", "data-set": "ferbench-jaffe"}

#: A file of a page: its name in backquotes, whatever else the sentence says, and the block below it.
_FILE = re.compile(r"`([\w.]+)`:[^`]*?\n\n```(?:python|toml)\n(.*?)```", re.DOTALL)
_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def write_example(page: str, folder: Path) -> Path:
    """The files of a page, in the folder that the page names."""
    root = folder / EXAMPLES[page]
    root.mkdir()
    for name, text in _FILE.findall((PAGES / f"{page}.md").read_text(encoding="utf-8")):
        (root / name).write_text(text, encoding="utf-8")
    return root


def run(environment: dict[str, str], folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three examples."""
    folder = tmp_path_factory.mktemp("examples")
    for page in EXAMPLES:
        write_example(page, folder)
    return folder


@pytest.fixture(scope="module")
def environment(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a Python in which the three are installed, from the wheels that their pyproject.toml makes."""
    wheels, installed = (tmp_path_factory.mktemp(name) for name in ("wheels", "installed"))
    for name in EXAMPLES.values():
        run(dict(os.environ), examples / name, "-c", _BUILD, str(wheels))
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(installed)
    cache = tmp_path_factory.mktemp("cache")
    offline = {"FERBENCH_OFFLINE": "1", "FERBENCH_CACHE": str(cache), "FERBENCH_CONFIG": str(cache)}
    return {**os.environ, **offline, "PYTHONPATH": os.pathsep.join([str(ROOT), str(installed)])}


@pytest.mark.parametrize("page", EXAMPLES)
def test_a_page_has_a_module_its_project_and_its_test(page: str, tmp_path: Path) -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in write_example(page, tmp_path).iterdir()}
    (module,) = [name for name in files if name.endswith(".py") and not name.startswith("test_")]
    assert set(files) == {module, f"test_{module}", "pyproject.toml"}
    assert f'py-modules = ["{module[:-3]}"]' in files["pyproject.toml"]
    imported = re.findall(
        r"^from (fer_bench[\w.]*|models_zoo[\w.]*|attacks[\w.]*) ", "\n".join(files.values()), re.MULTILINE
    )
    assert set(imported) == {"fer_bench.plugin"}, "a plug-in may rely on nothing else"


@pytest.mark.slow
def test_the_tests_of_the_pages_pass(examples: Path, environment: dict[str, str]) -> None:
    said = run(environment, examples, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", ".")
    assert "passed" in said
    assert "skipped" not in said


@pytest.mark.slow
def test_the_three_are_found_by_their_entry_points(examples: Path, environment: dict[str, str]) -> None:
    """As the pages' commands ask for them: shown, a model examined with its weights, a data set opened."""
    root, ferbench = examples, ("-m", "fer_bench.cli")
    jaffe, faces = root / "JAFFE", root / "faces"
    jaffe.mkdir()
    generator = np.random.default_rng(0)
    for number, code in enumerate(("AN", "DI", "FE", "HA", "SA", "SU", "NE")):
        pixels = generator.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(jaffe / f"KA.{code}1.{number}.tiff")
        (faces / CLASSES[number]).mkdir(parents=True)
        Image.fromarray(pixels).save(faces / CLASSES[number] / "face.png")
    assert "margin's gradient" in run(environment, root, *ferbench, "attacks", "show", "margin-steps")
    assert "arXiv:1608.01041" in run(environment, root, *ferbench, "models", "show", "ferplus-vgg13")
    shown = run(environment, root, *ferbench, "data", "show", f"jaffe:{jaffe}")
    assert all(word in shown for word in ("7", "16x16", "happy", "neutral"))

    code = "import torch, ferplus_vgg13; torch.manual_seed(0); model = ferplus_vgg13.VGG13(); "
    run(environment, root, "-c", code + "torch.save(model.state_dict(), 'weights.pt')")
    assert len(torch.load(root / "weights.pt", weights_only=True)) == 26
    words = ("--weights", "ferplus-vgg13=weights.pt", "--data", f"folder:{faces}")
    examined = run(environment, root, *ferbench, "models", "check", "ferplus-vgg13", *words)
    assert "gradient" not in examined
    assert "cannot" not in examined
