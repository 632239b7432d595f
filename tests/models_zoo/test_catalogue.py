"""The list of models reads cards alone: no torch is imported for it, and every builder that a card names is there."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
from start_up import imported

from fer_bench.core.model_card import ModelCard
from models_zoo import MODELS
from models_zoo.builders import Builder

HEAVY = {"torch", "torchvision", "timm", "torchattacks", "pandas", "transformers", "onnx", "h5py", "scipy"}


def test_models_list_imports_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERBENCH_CONFIG", str(tmp_path))
    assert not imported(("models", "list")) & HEAVY


@pytest.mark.parametrize("card", list(MODELS), ids=lambda card: card.name)
def test_the_builder_that_a_card_names_takes_what_the_card_gives_it(card: ModelCard) -> None:
    """A card names its builder by text, so no type checker sees a misspelling or a setting too few."""
    assert isinstance(card.build, Builder)
    function = getattr(importlib.import_module(card.build.module), card.build.function)
    inspect.signature(function).bind(*card.build.settings, [Path("weights")])
