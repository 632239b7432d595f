"""Checkpoints of the families whose weights are brought, as their authors' training scripts save them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

State = dict[str, torch.Tensor]


class RecorderMeter:
    """What a training script keeps of its losses; its class exists in that script alone."""

    def __init__(self) -> None:
        self.epoch_losses = np.zeros((3, 2), dtype=np.float32)


def save_as_trained(state: State, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Saves `state` as the scripts do that train under DataParallel and keep their loss curves and an optimiser."""
    monkeypatch.setattr(sys.modules["__main__"], "RecorderMeter", RecorderMeter, raising=False)
    monkeypatch.setattr(RecorderMeter, "__module__", "__main__")
    content = {
        "epoch": 7,
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "best_acc": torch.tensor(88.4),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "recorder": RecorderMeter(),
        "test_acc": np.float64(74.1),
    }
    torch.save(content, path)
    return path
