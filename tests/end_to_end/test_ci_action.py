"""The composite action in docs/ci: its inputs, that none becomes script, and its steps run by bash on a toy model."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from places import ROOT
from toys import CLASSES, SmallConvToy, faces, write_csv

CI = ROOT / "docs" / "ci"
ACTION: dict[str, Any] = yaml.safe_load((CI / "action.yml").read_text(encoding="utf-8"))
EXAMPLE: dict[str, Any] = yaml.safe_load((CI / "example-workflow.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
N = 40


def expressions(value: object, context: str) -> set[str]:
    """What `context.NAME` expressions a part of a file reads."""
    return set(re.findall(rf"\b{context}\.([\w-]+)", json.dumps(value)))


# ------------------------------------------------------------------------------------------------------- as written


def test_every_input_is_used_documented_and_known():
    inputs = set(ACTION["inputs"])
    assert expressions(STEPS, "inputs") == inputs
    readme = (CI / "README.md").read_text(encoding="utf-8")
    for name, about in ACTION["inputs"].items():
        assert about["description"]
        assert about.get("required", False) != ("default" in about), name
        [row] = [line for line in readme.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]]
        shown = "required" if about.get("required") else about["default"] or "empty"
        assert shown in row.split("|")[2], row
    assert "`status`" in readme


def test_inputs_reach_the_shell_as_variables_only():
    for step in STEPS:
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]
            read = set(re.findall(r"\$\{?(GATE_\w+)", step["run"]))
            assert read == set(step["env"])
            assert all(re.fullmatch(r"\$\{\{ [\w.-]+ \}\}", value) for value in step["env"].values())


def test_the_example_gives_what_is_required_and_nothing_unknown():
    job = EXAMPLE["jobs"]["gate"]
    [step] = [step for step in job["steps"] if "actions/ferbench" in step["uses"]]
    required = {name for name, about in ACTION["inputs"].items() if about.get("required")}
    assert required <= set(step["with"]) <= set(ACTION["inputs"])
    rows = job["strategy"]["matrix"]["include"]
    assert all(expressions(step, "matrix") == set(row) for row in rows)
    assert "matrix.name" in step["with"]["artifact"]  # two jobs may not write the same artifact
    assert EXAMPLE["permissions"] == {"contents": "read"}


# ----------------------------------------------------------------------------------------------------------- as run


@dataclass
class Job:
    """What GitHub's runner does with the steps: conditions, variables, outputs; `uses` steps are written down.

    `skip`: names of steps that are left out, because what they make is there.
    """

    folder: Path
    given: dict[str, str]
    skip: tuple[str, ...] = ()
    status: int = 0
    used: list[tuple[str, dict[str, str], frozenset[str]]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""

    def value(self, text: str) -> str:
        defaults = {name: about.get("default", "") for name, about in ACTION["inputs"].items()}

        def known(found: re.Match[str]) -> str:
            context, _, name = found[1].partition(".")
            return {**defaults, **self.given}[name] if context == "inputs" else self.outputs[name.split(".")[-1]]

        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", known, text)

    def wanted(self, step: dict[str, Any]) -> bool:
        if step["name"] in self.skip:
            return False
        condition = step.get("if", "success()")
        if found := re.fullmatch(r"inputs\.([\w-]+) != '(\w+)'", condition):
            return self.status == 0 and self.given[found[1]] != found[2]
        return {"always()": True, "success()": self.status == 0}[condition]

    def run(self) -> Job:
        variables = {"GITHUB_OUTPUT": "output.txt", "GITHUB_STEP_SUMMARY": "summary.md", "OMP_NUM_THREADS": "1"}
        variables |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}"}
        variables |= {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        for step in filter(self.wanted, STEPS):
            if "uses" in step:
                given = {name: self.value(value) for name, value in step["with"].items()}
                there = {path.name for path in (self.folder / given.get("path", ".")).glob("*")}
                self.used.append((step["uses"].split("@")[0], given, frozenset(there)))
                continue
            own = {name: self.value(value) for name, value in step["env"].items()}
            (self.folder / "step.sh").write_text(step["run"])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"],
                cwd=self.folder,
                env=os.environ | variables | own,
                capture_output=True,
                text=True,
            )
            self.log += done.stdout + done.stderr
            self.status = self.status or done.returncode
            if (written := self.folder / "output.txt").exists():
                self.outputs |= dict(line.split("=", 1) for line in written.read_text().splitlines())
        if (written := self.folder / "summary.md").exists():
            self.summary = written.read_text()
        return self

    @property
    def kept(self) -> frozenset[str]:
        """The names of the files that were uploaded."""
        [(_, _, files)] = [use for use in self.used if use[0] == "actions/upload-artifact"]
        return files


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model, a small FER2013 and a `ferbench` on its PATH; fer_bench is not installed."""
    folder = tmp_path_factory.mktemp("project")
    images = faces(N)
    with torch.no_grad():
        labels = SmallConvToy()(torch.from_numpy(images).float()[:, None] / 255).argmax(1).tolist()
    write_csv(folder / "fer" / "fer2013.csv", list(images), labels)
    (folder / "net.py").write_text(
        f"from toys import SmallConvToy\n\nCLASSES = {CLASSES!r}\n\n\ndef build():\n    return SmallConvToy().eval()\n"
    )
    (folder / "bin").mkdir()
    command = folder / "bin" / "ferbench"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fer_bench.cli "$@"\n')
    command.chmod(0o755)
    return folder


def job(project: Path, *skip: str, **given: str) -> Job:
    for name in ("summary.md", "output.txt"):
        (project / name).unlink(missing_ok=True)
    fixed = {"fer-bench": "none", "models": "net.py:build", "attacks": "fgsm", "eps": "8/255", "data": "fer2013:fer"}
    return Job(project, {**fixed, **given}, skip).run()


@pytest.fixture(scope="module")
def first(project: Path) -> Job:
    """The first job: no baseline yet."""
    return job(project)


@pytest.mark.slow
def test_without_a_baseline_the_job_passes_and_leaves_one(project, first):
    assert first.status == 0, first.log
    assert first.outputs["status"] == "0"
    assert {"report.html", "results.sqlite", "baseline.json"} <= first.kept
    assert "nothing was gated" in first.summary
    assert len(json.loads((project / "results" / "baseline.json").read_text())["cells"]) == 1


@pytest.mark.slow
def test_the_same_model_passes_its_baseline(project, first):
    (project / "kept.json").write_bytes((project / "results" / "baseline.json").read_bytes())
    done = job(project, "Measure", baseline="kept.json")
    assert done.status == 0, done.log
    assert done.summary.startswith("## The gate passes: 2 accuracies compared")
    assert {"report.html", "gate.md", "gate.xml", "gate.json"} <= done.kept


@pytest.mark.slow
def test_a_planted_fall_fails_the_job_after_report_and_summary_are_kept(project, first):
    """The baseline says that every image withstood fgsm; most do not."""
    content = json.loads((project / "results" / "baseline.json").read_text())
    [reading] = content["cells"][0]["robust"]
    assert reading["right"] < N / 2
    reading |= {"right": N, "bits": base64.b64encode(np.packbits(np.ones(N, dtype=bool)).tobytes()).decode()}
    (project / "planted.json").write_text(json.dumps(content))
    done = job(project, "Measure", baseline="planted.json")
    assert done.status == 1
    assert done.outputs["status"] == "1"
    assert {"report.html", "gate.md", "gate.xml", "gate.json"} <= done.kept
    assert done.summary.startswith("## The gate FAILS: 2 accuracies compared, 1 fell")
    assert "fgsm@8/255, robust accuracy, fell" in done.log


@pytest.mark.slow
def test_a_lost_baseline_and_an_unknown_model_fail_the_job_and_hostile_text_is_not_run(project, first):
    lost = job(project, "Measure", baseline="nowhere.json")
    assert lost.status == 2
    assert "could not be used" in lost.summary
    assert "nowhere.json cannot be read" in lost.log
    hostile = job(project, models="$(touch pwned)`touch pwned`; touch pwned", results="elsewhere")
    assert hostile.status == 2
    assert "touch pwned" in hostile.log  # it was a name that is not known
    assert not (project / "pwned").exists()
    assert not (project / "summary.md").exists()
    assert [name for name, *_ in hostile.used] == ["actions/upload-artifact"]
