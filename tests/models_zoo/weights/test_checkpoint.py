"""Reading of public checkpoints: wrappers taken off, training left-overs ignored, nothing run, one line if refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from brought_checkpoints import save_as_trained
from safetensors.torch import save_file

from fer_bench.errors import ModelError
from models_zoo.weights.checkpoint import ENTRIES, read_checkpoint

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def assert_state(read: dict[str, torch.Tensor]) -> None:
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("entry", [None, *ENTRIES])
def test_a_state_dict_is_found_alone_and_under_each_entry(entry: str | None, tmp_path: Path) -> None:
    torch.save(STATE if entry is None else {"epoch": 3, entry: STATE}, tmp_path / "a.pth")
    assert_state(read_checkpoint(tmp_path / "a.pth"))


def test_what_a_training_script_leaves_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_as_trained(STATE, tmp_path / "a.pth", monkeypatch)
    assert b"RecorderMeter" in path.read_bytes()
    assert_state(read_checkpoint(path))


def test_the_stand_ins_are_for_the_one_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch keeps them in a set, so the order in which it lists them means nothing and may change."""
    path = save_as_trained(STATE, tmp_path / "a.pth", monkeypatch)
    before = torch.serialization.get_safe_globals()
    read_checkpoint(path)
    after = torch.serialization.get_safe_globals()
    assert set(after) == set(before)
    assert len(after) == len(before)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


def test_module_is_taken_off_where_every_name_has_it_and_only_there(tmp_path: Path) -> None:
    torch.save({"module.a": torch.ones(1), "module.module.b": torch.ones(1)}, tmp_path / "all.pth")
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "some.pth")
    assert set(read_checkpoint(tmp_path / "all.pth")) == {"a", "module.b"}
    assert set(read_checkpoint(tmp_path / "some.pth")) == {"module.a", "b"}


def test_safetensors(tmp_path: Path) -> None:
    save_file({f"module.{name}": value for name, value in STATE.items()}, tmp_path / "a.safetensors")
    assert_state(read_checkpoint(tmp_path / "a.safetensors"))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


class Unknown:
    pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": STATE, "recorder": Bomb()}, "cannot be read as plain PyTorch weights"),
        ({"state_dict": STATE, "recorder": Unknown()}, "cannot be read as plain PyTorch weights"),
        ({"model": STATE, "net": STATE}, "holds model, net; expected a state dict, alone or as the one of"),
        ({"state": {}, "param_groups": [{"lr": 0.1}]}, "holds state, param_groups; expected"),
        ({"state_dict": {}}, "holds state_dict; expected"),
        ({}, "holds nothing; expected"),
        ([torch.ones(1)], "holds one list, not a checkpoint"),
        (np.zeros(3), "not a checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(
    content: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=message) as caught:
        read_checkpoint(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_page_instead_of_weights_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("<!DOCTYPE html>\n<title>Virus scan warning</title>\n")
    with pytest.raises(ModelError, match="cannot be read as") as caught:
        read_checkpoint(tmp_path / name)
    assert "\n" not in str(caught.value)
