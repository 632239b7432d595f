"""A finished training as a model folder: half-precision weights and a TOML card that says how they were made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fer_bench import files
from fer_bench.core.model_card import VALENCE_AROUSAL
from fer_bench.errors import UsageError
from fer_bench.training.averaging import swapped
from fer_bench.training.recipe import Recipe
from fer_bench.training.state import State, unwritable, write_tensors

CARD, WEIGHTS = "card.toml", "model.safetensors"
_PAPERS = {
    "standard": "none",
    "pgd-at": "Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018",
    "fgsm-rs": "Wong, Rice, Kolter, Fast is better than free: Revisiting adversarial training, ICLR 2020",
    "trades": "Zhang et al., Theoretically Principled Trade-off between Robustness and Accuracy, ICML 2019",
    "mart": "Wang et al., Improving Adversarial Robustness Requires Revisiting Misclassified Examples, ICLR 2020",
    "pyramid-at": "Herrmann et al., Pyramid Adversarial Training Improves ViT Performance, CVPR 2022",
    "faat": "Kim et al., Towards the adversarial robustness of facial expression recognition: Facial attention-aware "
    "adversarial training, Neurocomputing 584, 2024 (reconstructed from its abstract)",
}
_YEARS = {"pgd-at": 2018, "fgsm-rs": 2020, "trades": 2019, "mart": 2020, "pyramid-at": 2022, "faat": 2024}


@dataclass(frozen=True)
class Origin:
    """What a card says that neither recipe nor state know: names, the network's parts, the data and the command."""

    #: What the model is called.
    name: str
    #: 'slim' or 'timm:NAME'.
    architecture: str
    #: What the network takes, in words.
    input: str
    #: Its outputs, in their order; valence and arousal of a regressor.
    classes: tuple[str, ...]
    #: What it was trained on, in words.
    data: str
    #: The command that made it, without the folders of this machine.
    command: str
    #: What else a reader should know, one line each.
    notes: tuple[str, ...]


def export(model: nn.Module, core: nn.Module, now: State, recipe: Recipe, origin: Origin, folder: Path) -> Path:
    """Writes the best epoch's weights, in half precision, and the card; returns the card's path.

    - `model`: the network that was trained.
    - `core`: the part of it whose weights are kept.
    - `now`: the state at the end.
    - `recipe`: how it was trained.
    - `origin`: what else the card says.
    - `folder`: where both are written.

    Raises UsageError where the weights are too large for half precision, or a file cannot be written.
    """
    with swapped(model, now.best):
        half = {
            name: value.half() if value.is_floating_point() else value
            for name, value in core.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        finite = all(bool(torch.isfinite(value).all()) for value in half.values() if value.is_floating_point())
        half = {name: value.clone() for name, value in half.items()}
    if not finite:
        raise UsageError(f"{folder}: some weights are too large for half precision; train again with a smaller --lr.")
    write_tensors(folder / WEIGHTS, half, {"recipe": recipe.describe()})
    path = folder / CARD
    files.write(_card(core, now, recipe, origin, folder / WEIGHTS), path, unwritable)
    return path


def _card(core: nn.Module, now: State, recipe: Recipe, origin: Origin, weights: Path) -> str:
    """The card as TOML.

    - `core`: has the parameters, which are counted.
    - `now`: the state at the end.
    - `recipe`: how it was trained.
    - `origin`: what else the card says.
    - `weights`: the file of the weights, which the card pins.
    """
    best = now.best_epoch(recipe)
    score = f"score under PGD-{recipe.judge_steps}" if recipe.adversarial else "clean score"
    unit = " (minus the squared error)" if origin.classes == VALENCE_AROUSAL else ""
    chosen = (
        f"epoch {best.epoch + 1} of {recipe.epochs}, of best {score} on held-out training images{unit}: clean "
        f"{best.clean:.4f}, PGD {best.robust:.4f}"
    )
    notes = (
        f"trained with: {recipe.describe()}",
        f"arithmetic of the training: {now.precision}; the weights are stored in half precision",
        f"command: {origin.command}",
        chosen,
        *origin.notes,
        *now.warnings,
    )
    fields = {
        "name": origin.name,
        "title": f"{recipe.method} on {origin.architecture}, trained by fer_bench",
        "paper": _PAPERS[recipe.method],
        "year": _YEARS.get(recipe.method, 0),
        "licence": "unknown",
        "family": origin.architecture,
        "trained_on": origin.data,
        "classes": list(origin.classes),
        "architecture": origin.architecture,
        "input": origin.input,
        "defended": recipe.adversarial,
        "parameters": sum(parameter.numel() for parameter in core.parameters()),
        "notes": list(notes),
    }
    # JSON's texts, lists, numbers and truth values are TOML's too.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    file = ["", "[[file]]", f'path = "{weights.name}"', f'sha256 = "{files.sha256(weights)}"', ""]
    return "\n".join([*lines, *file])
