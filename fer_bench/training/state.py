"""The state of a training as one file that is written whole or not at all; safetensors with JSON, nothing unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fer_bench.errors import UsageError
from fer_bench.files import replacing
from fer_bench.training.averaging import Weights
from fer_bench.training.recipe import Precision, Recipe

STATE = "state.safetensors"
VERSION = 1


@dataclass(frozen=True)
class EpochLog:
    """One line of the log, after an epoch.

    Scores are means over the held-out images: accuracy, 0 to 1, or minus the squared error for valence and arousal.
    """

    #: From 0.
    epoch: int
    #: Mean outer loss of its steps.
    loss: float
    #: Learning rate of its last step.
    lr: float
    #: Score without attack.
    clean: float
    #: Score under one step of eps.
    fgsm: float
    #: Score under PGD.
    robust: float
    #: Training images.
    images_per_second: float


@dataclass
class State:
    """Where a training stands."""

    #: Steps made.
    step: int
    #: As it was chosen at the start.
    precision: Precision
    #: Of the network.
    weights: Weights
    #: Their running average; empty without one.
    mean: Weights
    #: Of the optimiser, by the parameter's name.
    momentum: Weights
    #: The weights of the best epoch so far; empty before the first.
    best: Weights = field(default_factory=dict)
    #: Sum of the losses since the epoch began.
    running_loss: float = 0.0
    #: A line for each epoch.
    log: tuple[EpochLog, ...] = ()
    #: What a reader of the card should know.
    warnings: tuple[str, ...] = ()

    def best_epoch(self, recipe: Recipe) -> EpochLog:
        """The epoch of largest score, the first of equals: under PGD, or clean where nothing is defended."""
        return max(self.log, key=lambda line: line.robust if recipe.adversarial else line.clean)


_PARTS = ("weights", "mean", "momentum", "best")


def write(folder: Path, state: State, identity: str) -> None:
    """Writes the state of the training `identity` to `folder`. Raises UsageError where it cannot."""
    tensors = {f"{part}/{name}": value for part in _PARTS for name, value in getattr(state, part).items()}
    known = {
        "version": VERSION,
        "identity": identity,
        "step": state.step,
        "precision": state.precision,
        "running_loss": state.running_loss,
        "log": [asdict(line) for line in state.log],
        "warnings": state.warnings,
    }
    write_tensors(folder / STATE, tensors, {"training": json.dumps(known, allow_nan=False)})


def write_tensors(path: Path, tensors: Weights, metadata: dict[str, str]) -> None:
    """A safetensors file, complete under its name or not there. Raises UsageError where it cannot be written."""
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path, unwritable) as part:
        save_file(contiguous, part, metadata)


def unwritable(path: Path, error: OSError) -> UsageError:
    """The error for a file of a training that cannot be written."""
    return UsageError(f"{path} cannot be written ({error.strerror or error}); give another --out.")


def read(folder: Path, identity: str, device: torch.device) -> State | None:
    """The state that `folder` holds of the training `identity`; None where it holds none.

    Raises UsageError where it holds another training's, or a file that cannot be read.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            known = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read ({error}); remove it to train anew.") from error
    if known.get("version") != VERSION or known.get("identity") != identity:
        raise UsageError(
            f"{folder} holds a training of another recipe, network or data; repeat its command to go on with it, or "
            "give another --out."
        )
    parts: dict[str, Weights] = {part: {} for part in _PARTS}
    for name, value in tensors.items():
        part, _, own = name.partition("/")
        parts[part][own] = value
    return State(
        step=known["step"],
        precision=known["precision"],
        running_loss=known["running_loss"],
        log=tuple(EpochLog(**line) for line in known["log"]),
        warnings=tuple(known["warnings"]),
        **parts,
    )
