"""The command line: what is refused, in how many lines and with which exit code; what a second run does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn
from toys import SmallConvToy, faces, toy_card, write_csv

import fer_bench
from fer_bench.cli.main import main
from fer_bench.errors import UsageError
from fer_bench.store.results import FILE_NAME, ResultStore
from models_zoo import MODELS

CHEAP = "fgsm"


class Fragile(SmallConvToy):
    """Passes the checks of loading, which ask for two images, and breaks in its first cell."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 2:
            raise RuntimeError("no more than\ntwo images")
        return super().forward(images)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a small FER2013 in `fer`, no network, an empty cache, and two toy models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FERBENCH_OFFLINE", "1")
    images = faces(8)
    with torch.no_grad():
        labels = SmallConvToy()(torch.from_numpy(images).float()[:, None] / 255).argmax(1).tolist()
    write_csv(tmp_path / "fer" / "fer2013.csv", list(images), labels)
    monkeypatch.setitem(MODELS._items, "toy", toy_card("toy", SmallConvToy))
    monkeypatch.setitem(MODELS._items, "fragile", toy_card("fragile", Fragile))
    yield tmp_path
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").iterdir())


def ferbench(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="ferbench")


def run(*words: str, models: str = "toy", attacks: str = CHEAP, data: str = "fer2013:fer") -> Result:
    return ferbench("run", "--models", models, "--attacks", attacks, "--data", data, "--eps", "1/255", *words)


def refused(result: Result) -> str:
    """The one line on standard error of a call that ended with exit code 2, and without a traceback."""
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("ferbench: ")
    return lines[0]


def verdicts(folder: Path = Path("results")) -> int:
    with ResultStore(folder, create=False) as store:
        return sum(cell.judged for cell in store.cells())


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"models": "mini-xceptoin"}, "unknown model 'mini-xceptoin'. Did you mean mini-xception"),
        ({"models": "toy,TOY"}, "unknown model 'TOY'. Did you mean toy"),
        ({"models": ","}, "no model was named"),
        ({"attacks": "pgdd"}, "unknown attack 'pgdd'. Did you mean pgd"),
        ({"attacks": "PGD"}, "unknown attack 'PGD'. Did you mean pgd"),
        ({"attacks": ""}, "no attack was named"),
        ({"attacks": "pgd(steps=0)"}, "pgd: steps=0 cannot be used; steps is a whole number from 1 to 100000"),
        ({"attacks": "pgd(steps=1.5)"}, "steps is a whole number"),
        ({"attacks": "pgd-0"}, "pgd: steps=0 cannot be used"),
        ({"attacks": "pgd(eps=-1)"}, "pgd: eps=-1 cannot be used; eps is a number above 0 and at most 1"),
        ({"attacks": "pgd(eps=8)"}, "pgd: eps=8 cannot be used; eps is a number above 0 and at most 1"),
        ({"attacks": "pgd(nosuch=1)"}, "unknown parameter of pgd 'nosuch'"),
        ({"attacks": "pgd(step=1)"}, "Did you mean steps"),
        ({"attacks": "pgd(steps=10"}, "pgd: its bracket is not closed"),
        ({"attacks": "pgd(steps)"}, "pgd: cannot read 'steps'; expected parameter=value"),
        ({"attacks": "pgd\n\n!"}, "a comma was expected"),
        ({"attacks": "cw(eps=-1)"}, "cw: eps=-1 cannot be used"),
        ({"attacks": "pgd(norm=L2)"}, "norm=L2 is not served"),
    ],
)
def test_a_wrong_name_or_parameter_is_refused_before_any_work(words: dict[str, str], reason: str, here: Path) -> None:
    assert reason in refused(run(**words))
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--eps", "2/0", "'2/0' cannot be used"),
        ("--eps", "Lp:1", "names the norm 'Lp'; it is one of Linf, L2"),
        ("--eps", "-1/255", "above 0"),
        ("--eps", "8", "at most 1, for pixels in [0, 1]"),
        ("--eps", "nan", "cannot be used"),
        ("--eps", ",", "names no budget"),
        ("--n", "0", "--n"),
        ("--n", "few", "--n"),
        ("--batch-size", "x", "'x' is neither 'auto' nor a whole number from 1"),
        ("--batch-size", "0", "whole number from 1"),
        ("--batch-size", "²", "whole number from 1"),
        ("--batch-size", "-1", "whole number from 1"),
        ("--device", "cuda:99", "--device cuda:99 cannot be used"),
        ("--device", "meta", "attacks run on cpu and cuda"),
        ("--device", "abacus", "--device abacus cannot be used"),
        ("--rerun", "sometimes", "never"),
        ("--seed", "x", "--seed"),
        ("--nosuch", "x", "No such option"),
    ],
)
def test_a_wrong_option_is_refused_before_any_work(option: str, value: str, reason: str, here: Path) -> None:
    assert reason in refused(run(option, value))
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("fer2031:fer", "unknown data set 'fer2031'. Did you mean fer2013"),
        ("fer2013:nowhere", "the FER2013 folder nowhere does not exist"),
        ("fer2013:fer:dev", "FER2013 has no split 'dev'"),
        ("fer2013:fer:train", "holds no images"),
        ("demo:fer", "takes no path"),
    ],
)
def test_data_that_cannot_be_opened_is_one_line(data: str, reason: str, here: Path) -> None:
    assert reason in refused(run(data=data))


def test_more_images_than_there_are_is_one_line(here: Path) -> None:
    assert "has 8 images; give 1 to 8" in refused(run("--n", "9"))


def test_no_network_and_an_empty_cache_is_one_line(here: Path) -> None:
    assert "FERBENCH_OFFLINE is set" in refused(ferbench("run"))
    assert "FERBENCH_OFFLINE is set" in refused(run(models="toy,facemood"))
    assert not (here / "results" / FILE_NAME).exists() or verdicts() == 0


def test_an_out_that_is_a_file_is_one_line(here: Path) -> None:
    (here / "mine").write_text("mine")
    assert "the results folder mine cannot be made (File exists)" in refused(run("--out", "mine"))
    assert (here / "mine").read_text() == "mine"
    assert "mine holds no results" in refused(ferbench("report", "mine"))
    assert "nowhere holds no results" in refused(ferbench("report", "nowhere"))


def test_an_unknown_command_is_refused(here: Path) -> None:
    assert "rnu" in refused(ferbench("rnu"))


# ---------------------------------------------------------------------------- what is done


def test_a_second_run_finds_everything_stored(here: Path) -> None:
    first = run()
    assert first.exit_code == 0, (first.output, first.exception)
    assert "1 cells run, 0 were stored already, 0 failed." in first.stdout
    assert {FILE_NAME, "leaderboard.csv", "report.html"} <= {path.name for path in (here / "results").iterdir()}
    second = run()
    assert second.exit_code == 0
    assert "0 cells run, 1 were stored already, 0 failed." in second.stdout
    assert verdicts() == 8
    third = run(attacks=f"{CHEAP},bim(steps=2)")
    assert "1 cells run, 1 were stored already" in third.stdout
    assert verdicts() == 16


def test_a_cell_that_fails_does_not_stop_the_others(here: Path) -> None:
    """Exit code 1, the reason in one line, and what went well is stored and shown."""
    result = run(models="fragile,toy", attacks=f"{CHEAP},bim(steps=2)")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.exception
    assert "2 failed." in result.stdout
    lines = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert len(lines) == 2
    assert "failed: fragile, fgsm: " in lines[0]
    assert "RuntimeError: no more than" in lines[0]
    table = [line for line in result.stdout.splitlines() if "toy" in line]
    assert table
    assert verdicts() == 16
    with ResultStore(here / "results", create=False) as store:
        assert sorted((c.cell.model, c.status) for c in store.cells()) == [
            ("fragile", "failed"),
            ("fragile", "failed"),
            ("toy", "done"),
            ("toy", "done"),
        ]


def refuses_to_build() -> nn.Module:
    raise KeyError("layer_7")


def refuses_everything() -> nn.Module:
    class Refusing(SmallConvToy):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ValueError("not today")

    return Refusing()


@pytest.mark.parametrize("build", [refuses_to_build, refuses_everything])
def test_a_model_that_cannot_be_built_fails_its_cells(
    build: Callable[[], nn.Module], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS._items, "broken", toy_card("broken", build))
    result = run(models="broken,toy")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.exception
    assert verdicts() == 8
    assert "failed: broken, fgsm: " in result.stderr
    assert "layer_7" in result.stderr or "not today" in result.stderr


@pytest.mark.slow
def test_rerun_says_which_stored_cells_are_run_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(models="fragile,toy").exit_code == 1
    never = run("--rerun", "never", models="fragile,toy")
    assert never.exit_code == 1  # the failure is still one
    assert "0 cells run, 1 were stored already, 1 failed." in never.stdout
    assert "RuntimeError" in never.stderr
    monkeypatch.setitem(MODELS._items, "fragile", toy_card("fragile", SmallConvToy))  # repaired
    failed = run("--rerun", "failed", models="fragile,toy")
    assert failed.exit_code == 0
    assert "1 cells run, 1 were stored already, 0 failed." in failed.stdout
    everything = run("--rerun", "all", models="fragile,toy")
    assert everything.exit_code == 0
    assert "2 cells run, 0 were stored already, 0 failed." in everything.stdout
    with ResultStore(here / "results", create=False) as store:
        assert {(c.cell.model, c.attempt) for c in store.cells()} == {("fragile", 3), ("toy", 2)}
        assert len(list(store.verdicts())) == 8 + 8 + 8 + 8  # toy twice, fragile repaired and again


def test_the_report_is_written_where_asked(here: Path) -> None:
    run()
    (here / "results" / "report.html").unlink()
    assert ferbench("report").exit_code == 0
    assert (here / "results" / "report.html").stat().st_size > 0
    assert ferbench("report", "results", "-o", "page.html").exit_code == 0
    assert (here / "page.html").read_text() == (here / "results" / "report.html").read_text()


def test_the_api_gives_the_table_of_the_folder(here: Path) -> None:
    """`run` of Python and of the shell are one thing: the same cell, found stored."""
    board = fer_bench.run("toy", CHEAP, "fer2013:fer", eps="1/255")
    assert "0 cells run, 1 were stored already" in run().stdout
    assert board["n"].tolist() == [8]
    assert board["clean_accuracy"].tolist() == [1.0]
    robust = board["robust_accuracy[fgsm@1/255]"].item()
    fooled = sum(v.verdict.fooled for v in ResultStore(here / "results", create=False).verdicts())
    assert robust == 1 - fooled / 8


# ---------------------------------------------------------------------------- help


def commands(group: click.Group, path: str = "ferbench") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), [("ferbench", main), *commands(main)], ids=lambda value: str(value)[:40])
def test_every_command_and_option_has_a_help_text(path: str, command: click.Command) -> None:
    assert command.help
    assert command.help.strip().endswith(".") or "\n" in command.help or command is main
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
    result = ferbench(*path.split()[1:], "--help")
    assert result.exit_code == 0
    assert f"Usage: {path}" in result.stdout


def test_the_version_is_the_packages() -> None:
    assert ferbench("--version").stdout.strip() == f"ferbench, version {fer_bench.__version__}"


# ---------------------------------------------------------------------------- real processes


def python(code: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, env=os.environ | variables
    )


def test_importing_the_package_or_asking_for_help_is_cheap() -> None:
    """Neither torch nor click, for `import fer_bench`; no torch for `ferbench --help`."""
    code = "import sys, fer_bench; print([m for m in ('torch', 'click', 'numpy', 'pandas') if m in sys.modules])"
    assert python(code).stdout.strip() == "[]"
    code = (
        "import sys; from click.testing import CliRunner; from fer_bench.cli import main\n"
        "done = CliRunner().invoke(main, ['run', '--help']); print(done.exit_code, 'torch' in sys.modules)"
    )
    assert python(code).stdout.strip() == "0 False"


@pytest.mark.slow
def test_a_refusal_of_a_real_process(tmp_path: Path) -> None:
    """What the shell sees: exit code 2, one line, nothing written, nothing fetched."""
    done = subprocess.run(
        [sys.executable, "-m", "fer_bench.cli", "run", "--models", "nosuch", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"FERBENCH_CACHE": str(tmp_path / "cache"), "FERBENCH_OFFLINE": "1"},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_models_of_one_name_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two models are called 'toy'"):
        fer_bench.run(models=[toy_card(), toy_card()], attacks="fgsm", out=tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_an_unknown_data_set_leaves_no_results_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown data set 'dmeo'\. Did you mean demo"):
        fer_bench.run(models=[toy_card()], attacks="fgsm", data="dmeo", out=tmp_path / "results")
    assert not (tmp_path / "results").exists()
