"""The pytest plugin, in pytest runs of their own: what passes, what fails, what is kept, and that it costs nothing."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from places import ROOT
from toys import SmallConvToy, faces, write_csv

from fer_bench.store.results import ResultStore

MODULE = """
import pytest, torch
from toys import CLASSES, SmallConvToy, toy_card

def test_weak(ferbench):
    model = SmallConvToy().train()
    found = ferbench.robust_accuracy(model, classes=CLASSES, attack="fgsm(eps=60/255)", data="fer2013:fer", n=8)
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert found.clean == 1.0 and found.n == 8
    assert 0 <= found.low <= found <= found.high <= 1
    assert found >= 0.99

def test_strong(ferbench):
    card = toy_card("carded", SmallConvToy)
    assert ferbench.robust_accuracy(card, "fgsm(eps=0.01/255)", data="fer2013:fer") >= 0.5

def test_wrong_use(ferbench):
    from fer_bench.errors import UsageError
    with pytest.raises(UsageError, match="classes"):
        ferbench.robust_accuracy(SmallConvToy(), data="fer2013:fer")
    for attack in ("pgd", "cw", "fgsm(eps=1/255),pgd(eps=1/255)"):
        with pytest.raises(UsageError, match="one attack at one budget"):
            ferbench.robust_accuracy(SmallConvToy(), attack, classes=CLASSES, data="fer2013:fer")
    with pytest.raises(UsageError, match="unknown model 'nosuch'"):
        ferbench.robust_accuracy("nosuch", data="fer2013:fer")

def test_regressor(ferbench):
    from regressors import AnySize
    found = ferbench.robust_ccc(AnySize(0.02), "pgd-2(eps=8/255)", "fer2013-va:fer", n=8)
    assert -1 <= found <= found.clean <= 1 and found.n == 8
    assert abs(found - (found.valence + found.arousal) / 2) < 1e-12
    assert found.intervals[0][0] <= found.valence <= found.intervals[0][1]
    import fer_bench
    from reports.tables.agreement import va_frame
    from reports.tables.results import Results
    row = va_frame(Results(fer_bench.load("kept")).regressions).iloc[0]
    for value, when in ((found, "attacked"), (found.clean, "clean")):
        assert value == pytest.approx((row[f"{when}_ccc_valence"] + row[f"{when}_ccc_arousal"]) / 2)
    assert found >= 0.98

def test_wrong_use_of_a_regressor(ferbench):
    from fer_bench.errors import UsageError
    from regressors import AnySize
    with pytest.raises(UsageError, match="robust_ccc cannot use fer2013:fer; it is data for robust_accuracy"):
        ferbench.robust_ccc(AnySize(), "fgsm(eps=1/255)", "fer2013:fer")
    with pytest.raises(UsageError, match="robust_accuracy cannot use fer2013-va:fer; it is data for robust_ccc"):
        ferbench.robust_accuracy(SmallConvToy(), classes=CLASSES, data="fer2013-va:fer")
    with pytest.raises(UsageError, match="robust_ccc cannot use toy; it is a model for robust_accuracy"):
        ferbench.robust_ccc(toy_card(), "fgsm(eps=1/255)", "fer2013-va:fer")
    with pytest.raises(UsageError, match="stops at a tolerance"):
        ferbench.robust_ccc(AnySize(), "pgd-2(eps=8/255,tolerance=0.1)", "fer2013-va:fer")

def test_broken(ferbench):
    class Broken(SmallConvToy):
        def forward(self, images):
            if len(images) > 2:
                raise RuntimeError("no luck")
            return super().forward(images)
    ferbench.robust_accuracy(Broken(), classes=CLASSES, data="fer2013:fer")

def test_of_something_else():
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a small FER2013 and tests that use the fixture."""
    images = faces(8)
    with torch.no_grad():
        labels = SmallConvToy()(torch.from_numpy(images).float()[:, None] / 255).argmax(1).tolist()
    write_csv(tmp_path / "fer" / "fer2013.csv", list(images), labels)
    (tmp_path / "test_it.py").write_text(MODULE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nferbench_results = kept\naddopts = --strict-markers\n")
    return tmp_path


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """pytest in the project with this plugin alone, as its entry point would load it."""
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}"}
    command = [sys.executable, "-m", "pytest", "-p", "fer_bench.pytest_plugin", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, env=os.environ | variables)


@pytest.mark.slow
def test_assertions_hold_fail_and_show_the_interval_and_everything_is_kept(project):
    done = run(project, "-q", "-rA")
    told = {
        line.split("::")[1].split(" ")[0]: line.split(" ")[0]
        for line in done.stdout.splitlines()
        if line.startswith(("PASSED ", "FAILED "))
    }
    assert told == {
        "test_weak": "FAILED",
        "test_strong": "PASSED",
        "test_wrong_use": "PASSED",
        "test_regressor": "FAILED",
        "test_wrong_use_of_a_regressor": "PASSED",
        "test_broken": "FAILED",
        "test_of_something_else": "PASSED",
    }, done.stdout + done.stderr
    assert "n = 8, clean 1.000, cell " in done.stdout  # the failed assertion shows the interval
    [line] = [line for line in done.stdout.splitlines() if line.startswith("E ") and ">= 0.99" in line]
    assert "95 %" in line
    [line] = [line for line in done.stdout.splitlines() if line.startswith("E ") and "(valence " in line]
    assert "; arousal " in line
    assert "; n = 8, clean " in line
    assert "RuntimeError: no luck" in done.stdout
    with ResultStore(project / "kept", create=False) as store:
        kept = {cell.cell.model: cell for cell in store.cells()}
    assert {name: cell.status for name, cell in kept.items()} == {
        "SmallConvToy": "done",
        "AnySize": "done",
        "carded": "done",
        "Broken": "failed",
    }
    again = run(project, "-q", "-k", "weak or strong")
    assert "1 failed, 1 passed" in again.stdout
    with ResultStore(project / "kept", create=False) as store:
        attempts = {cell.cell.model: cell.attempt for cell in store.cells()}
    assert attempts["SmallConvToy"] == 2  # a live module's code may have changed
    assert attempts["carded"] == 1


@pytest.mark.slow
def test_the_marker_selects_and_deselects(project):
    without = run(project, "-q", "-m", "not ferbench")
    assert "1 passed, 6 deselected" in without.stdout, without.stdout + without.stderr
    listed = run(project, "-q", "-m", "ferbench", "--collect-only")
    assert "6/7 tests collected (1 deselected)" in listed.stdout


def test_loading_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, fer_bench.pytest_plugin\n"
        "print([m for m in ('torch', 'numpy', 'pandas', 'scipy', 'click', 'attacks', 'reports') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_pytest_finds_the_plugin_by_its_entry_point():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert config["options.entry_points"]["pytest11"].split() == ["ferbench", "=", "fer_bench.pytest_plugin"]
