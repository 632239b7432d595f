"""What a run is asked for: the command line, the keywords of `run` and Request say the same."""

from __future__ import annotations

import inspect
import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import fer_bench
from fer_bench.api import benchmark
from fer_bench.api.request import Request, Settings
from fer_bench.cli.main import main
from fer_bench.cli.run import run as command
from fer_bench.errors import UsageError

FIELDS = {field.name: field.default for field in fields(Request)}
#: The provenance's words are made by the command line itself.
OPTIONS = {name: default for name, default in FIELDS.items() if name != "command"}
#: A value for each, other than its default.
VALUES: dict[str, Any] = {
    "models": "human",
    "attacks": "fgsm",
    "data": "fer2013:FOLDER:test",
    "eps": "1/255",
    "target": "happy",
    "n": 3,
    "out": Path("elsewhere"),
    "device": "cpu",
    "batch_size": 7,
    "seed": 5,
    "rerun": "all",
    "transfer": True,
    "classes": "angry,happy",
    "input": "64x64 gray",
    "weights": ("human=weights.h5",),
}


class Seen(Exception):  # noqa: N818  (it ends a run, it is not an error)
    """Ends a run where it would begin, with what it was asked for."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_request(request: Request) -> None:
        raise Seen(request)

    monkeypatch.setattr(benchmark, "run_request", run_request)


def test_every_option_is_a_field_with_the_same_default_and_back() -> None:
    parameters = {one.name: one for one in command.params if isinstance(one, click.Option)}
    assert parameters.keys() == OPTIONS.keys()
    context = command.make_context("run", [])
    assert {name: context.params[name] for name in OPTIONS} | {"out": "results", "classes": ()} == OPTIONS
    assert context.params["out"] == Path("results")
    assert context.params["classes"] == ""


def test_the_keywords_that_editors_complete_are_the_fields() -> None:
    assert set(Settings.__annotations__) == OPTIONS.keys() - {"models", "attacks", "data"}
    for name in OPTIONS:
        assert f"- `{name}`: " in (inspect.getdoc(fer_bench.run) or ""), name


def test_a_run_from_python_is_asked_for_all_that_was_said(asked: None) -> None:
    with pytest.raises(Seen) as seen:
        fer_bench.run(**VALUES)
    [request] = seen.value.args
    assert {name: getattr(request, name) for name in OPTIONS} == VALUES
    assert request.command == "fer_bench.run(...)"


def test_a_run_from_the_command_line_is_asked_for_the_same(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(value != FIELDS[name] for name, value in VALUES.items())
    words: list[str] = []
    for name, value in VALUES.items():
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [option, *value] if name == "weights" else [option, str(value)]
    monkeypatch.setattr(sys, "argv", ["/somewhere/ferbench", "run", *words])
    done = CliRunner().invoke(main, ["run", *words])
    assert isinstance(done.exception, Seen)
    [request] = done.exception.args
    assert {name: getattr(request, name) for name in OPTIONS} == VALUES
    assert request.command == shlex.join(["ferbench", "run", *words])


def test_a_keyword_that_does_not_exist_is_refused_with_the_nearest() -> None:
    for keyword, nearest in {"epsilon": "eps", "batchsize": "batch_size", "attack": "attacks"}.items():
        with pytest.raises(UsageError, match=rf"unknown setting '{keyword}'\. Did you mean {nearest}") as refused:
            fer_bench.run(**{keyword: 1})  # type: ignore[arg-type]
        assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match="unknown setting 'command'"):
        fer_bench.run(command="rm")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"n": 0}, "--n 0 cannot be used; give a whole number from 1."),
        ({"batch_size": 0}, "--batch-size 0 cannot be used; give auto or a whole number from 1."),
    ],
)
def test_numbers_below_one_are_refused_before_anything_is_looked_up(setting: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        fer_bench.run("nosuch", **setting)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_an_iterator_can_be_read_more_than_once() -> None:
    request = Request.of(iter(["a", "b"]), (name for name in ("fgsm",)), weights=iter(["a=f"]), classes=["x", "y"])
    assert (request.models, request.attacks) == (("a", "b"), ("fgsm",))
    assert (request.weights, request.classes) == (("a=f",), ("x", "y"))
