"""Models that the user has added to this machine, each a card and its files in a folder.

It must not know what a card says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from fer_bench.core.model_card import LocalFile, ModelCard
from fer_bench.errors import UsageError
from fer_bench.registry import unknown_name
from models_zoo.own.card_file import CARD, read_card


def folder() -> Path:
    """Where added models are: 'models' in FERBENCH_CONFIG, else in the user's configuration folder."""
    chosen = os.environ.get("FERBENCH_CONFIG")
    root = (
        Path(chosen).expanduser().absolute() if chosen else platformdirs.user_config_path("fer_bench", appauthor=False)
    )
    return root / "models"


def names() -> list[str]:
    """The names of the added models."""
    return sorted(path.parent.name for path in folder().glob(f"*/{CARD}"))


def cards() -> list[ModelCard]:
    """The added models' cards. Raises UsageError, naming the model, where one cannot be read."""
    found = []
    for name in names():
        try:
            found.append(read_card(folder() / name / CARD))
        except UsageError as error:
            raise UsageError(f"{error} Repair it, or take it away: ferbench models remove {name}.") from error
    return found


def add(path: Path, registered: Sequence[str]) -> ModelCard:
    """Checks a card and its model (weights fetched and verified, built, asked) and puts both on the shelf.

    Raises UsageError for a card that cannot be read or whose name is `registered` or added already, and what
    `open_model` raises for its model.
    """
    from models_zoo.loading import open_model  # torch, which those who only read cards do without

    card = read_card(path)
    if card.name in (*registered, *names()):
        raise UsageError(
            f"a model '{card.name}' is there already; rename yours, or: ferbench models remove {card.name}."
        )
    open_model(card)
    target = folder() / card.name
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=folder()) as scratch:
            whole = Path(scratch) / card.name
            whole.mkdir()
            shutil.copyfile(path, whole / CARD)
            for file in card.files:
                if isinstance(file, LocalFile):
                    shutil.copyfile(file.path, whole / file.member)
            whole.rename(target)
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written ({error.strerror}); set FERBENCH_CONFIG to another folder."
        ) from error
    return read_card(target / CARD)


def remove(name: str) -> None:
    """Takes an added model off the shelf, its card and the files that lie beside it; not what is in the cache."""
    if name not in names():
        raise unknown_name("added model", name, names())
    shutil.rmtree(folder() / name)
