"""An attack from a package of its own: installed by pip, found by its entry point, listed and run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from places import ROOT, TESTS

EXAMPLE = TESTS / "example_plugin"

RUN = """
import torch
from attacks import ATTACKS, choose_attacks
from fer_bench.engine.judge import evaluate_shard
from fer_bench.engine.shard import Shard

class Contrast(torch.nn.Module):
    def forward(self, images):
        spread = images.flatten(1).var(1)
        return torch.stack([spread, torch.full_like(spread, 0.02)], 1)

(attack,) = choose_attacks("halfway-to-gray(eps=0.2)")
images = torch.tensor([0.0, 1.0, 0.4, 0.6]).repeat(16).reshape(2, 1, 8, 4)
shard = Shard(torch.stack([images[0], 0.5 + 0.6 * (images[1] - 0.5)]), torch.zeros(2, dtype=torch.int64), ("a", "b"))
print([v.fooled for v in evaluate_shard(Contrast(), shard, attack.spec, attack.program, 0).result.verdicts])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has the example package."""
    place = tmp_path_factory.mktemp("installed")
    source = tmp_path_factory.mktemp("source") / "plugin"
    source.mkdir()
    for file in EXAMPLE.glob("*.*"):  # a copy, because a build leaves folders beside the source
        (source / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(place), str(source)], check=True, capture_output=True, text=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(place)])}


def python(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, cwd=EXAMPLE.anchor)


@pytest.mark.slow
def test_an_attack_of_another_package_is_listed_shown_and_run(installed):
    listed = python(installed, "-m", "fer_bench.cli", "attacks", "list")
    assert listed.returncode == 0, listed.stderr
    assert any(line.startswith("halfway-to-gray") for line in listed.stdout.splitlines())
    shown = python(installed, "-m", "fer_bench.cli", "attacks", "show", "halfway-to-gray")
    assert "share is a number from 0 to 1" in " ".join(shown.stdout.split())
    # Variances 0.13 and 0.05 become 0.05 and 0.016 where every pixel goes halfway, but at most 0.2: one falls below
    # 0.02.
    assert python(installed, "-c", RUN).stdout.strip() == "[False, True]"


@pytest.mark.slow
def test_its_settings_are_checked_like_any_others(installed):
    refused = python(installed, "-m", "fer_bench.cli", "run", "--attacks", "halfway-to-gray(share=2,eps=0.1)")
    assert refused.returncode == 2
    assert "share=2 cannot be used; share is a number from 0 to 1" in refused.stderr


@pytest.mark.slow
def test_without_the_package_the_attack_is_unknown(installed):
    bare = python({**installed, "PYTHONPATH": str(ROOT)}, "-m", "fer_bench.cli", "attacks", "show", "halfway-to-gray")
    assert bare.returncode == 2
    assert "unknown attack 'halfway-to-gray'" in bare.stderr
