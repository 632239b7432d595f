"""Cards as TOML files, which people share, and the shelf of those that the user has added to this machine.

A card names an architecture and its weights, never code; a file beside it is known by its sha256. Nothing of a card is
used as a path but a plain file name.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs
from torch import nn

from fer_bench.archives import sha256
from fer_bench.errors import UsageError
from fer_bench.labels import expression
from fer_bench.registry import unknown_name
from fer_bench.types import UNSEEN, CardFile, LocalFile, ModelCard, PublishedAccuracy, WebFile
from models_zoo import timm_model
from models_zoo.checkpoint import read_checkpoint, read_torchscript
from models_zoo.inputs import Input, Prepared, parse_input
from models_zoo.loading import open_model
from models_zoo.onnx_file import read_onnx
from models_zoo.own import VA
from models_zoo.slim import SLIM_INPUT, Slim
from models_zoo.weights import fill

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CARD = "card.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KNOWN = (
    *("name", "title", "classes", "architecture", "input", "file", "accuracy", "revision", "parameters", "year"),
    *("paper", "licence", "family", "trained_on", "contaminated", "notes"),
)
_UNSEEN = f"{UNSEEN} the card is a file of this machine."


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
            shutil.copyfile(path, Path(scratch) / CARD)
            for file in card.files:
                if isinstance(file, LocalFile):
                    shutil.copyfile(file.path, Path(scratch) / file.member)
            shutil.copytree(scratch, target)
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


def read_card(path: Path) -> ModelCard:
    """The card in a TOML file. Raises UsageError, in one line, for whatever is missing, unknown or of another type."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the card {path} cannot be read: {reason}.") from error
    fields = _Fields(path, content, _KNOWN)
    name = fields.text("name")
    if not _NAME.fullmatch(name):
        raise fields.wrong("name", "letters, digits, '.', '_' and '-'")
    classes = tuple(expression(word) for word in fields.texts("classes"))
    if len(classes) < 2:
        raise fields.wrong("classes", "the names of the outputs, in their order")
    given, build = _architecture(fields, len(classes))
    return ModelCard(
        name=name,
        task="va" if classes == VA else "expression",
        classes=classes,
        input=str(given),
        parameters=fields.number("parameters", 0),
        year=fields.number("year", 0),
        files=tuple(_file(fields, table) for table in fields.tables("file")),
        build=build,
        accuracy=tuple(_accuracy(fields, table) for table in fields.tables("accuracy")),
        revision=fields.number("revision", 1),
        contaminated=fields.text("contaminated", ""),
        notes=(*fields.texts("notes", ()), _UNSEEN),
        title=fields.text("title", name),
        paper=fields.text("paper", "unknown"),
        licence=fields.text("licence", "unknown"),
        family=fields.text("family", "unknown"),
        trained_on=fields.text("trained_on", "unknown"),
        setup=(fields.text("architecture"), str(given)),
    )


def _architecture(fields: _Fields, classes: int) -> tuple[Input, Callable[[Sequence[Path]], nn.Module]]:
    name = fields.text("architecture")
    kind, _, architecture = name.partition(":")
    if len(fields.tables("file")) != 1:
        raise fields.wrong("[[file]]", "one file of weights")
    if kind == "timm":
        timm_model.check_name(architecture)
        wanted = parse_input(fields.text("input")) if fields.has("input") else timm_model.wanted_input(architecture)

        def build(paths: Sequence[Path]) -> nn.Module:
            network = timm_model.create(architecture, classes)
            fill(network, read_checkpoint(paths[0]))
            return Prepared(network, wanted)

        return wanted, build
    if name == "slim":
        return SLIM_INPUT, partial(_slim, classes)
    read = {"onnx": read_onnx, "torchscript": read_torchscript}.get(name)
    if read is None:
        raise fields.wrong("architecture", "timm:NAME, slim, onnx or torchscript (a shared card holds no code)")
    given = parse_input(fields.text("input"))
    return given, lambda paths: Prepared(read(paths[0]), given)


def _slim(classes: int, paths: Sequence[Path]) -> nn.Module:
    network = Slim(classes)
    fill(network, read_checkpoint(paths[0]))
    return network


def _file(fields: _Fields, table: dict[str, Any]) -> CardFile:
    part = _Fields(fields.path, table, ("url", "blob", "size", "path", "sha256"))
    if part.has("url"):
        return WebFile(part.text("url"), part.text("blob").lower(), part.number("size", 0) or None)
    name = part.text("path")
    if Path(name).name != name or name in (".", "..") or "\\" in name or ":" in name:
        raise part.wrong("path", "the plain name of a file beside the card")
    place = fields.path.absolute().parent / name
    stated = part.text("sha256").lower()
    try:
        found, size = sha256(place), place.stat().st_size
    except OSError as error:
        raise UsageError(f"the card {fields.path} names {name}, which cannot be read ({error.strerror}).") from error
    if found != stated:
        raise UsageError(
            f"{place} is not the file of the card: expected sha256 {stated}, got {found}; it was not used."
        )
    return LocalFile(place, found, size)


def _accuracy(fields: _Fields, table: dict[str, Any]) -> PublishedAccuracy:
    part = _Fields(fields.path, table, tuple(field.name for field in dataclasses.fields(PublishedAccuracy)))
    value = table.get("value")
    if not isinstance(value, float) or not 0 <= value <= 1:
        raise part.wrong("value", "a fraction from 0.0 to 1.0")
    return PublishedAccuracy(
        value, part.text("data"), part.text("split"), part.number("n", 0) or None, part.text("source", "unknown")
    )


class _Fields:
    """One table of a card, read field by field; a field that nobody knows is refused."""

    def __init__(self, path: Path, content: dict[str, Any], known: Sequence[str]) -> None:
        self.path, self.content = path, content
        for key in content:
            if key not in known:
                raise UsageError(f"the card {path}: {unknown_name('field', key, list(known))}")

    def wrong(self, key: str, expected: str) -> UsageError:
        given = self.content.get(key)
        return UsageError(
            f"the card {self.path}: {key} is {'missing' if given is None else repr(given)}; give {expected}."
        )

    def has(self, key: str) -> bool:
        return key in self.content

    def text(self, key: str, default: str | None = None) -> str:
        value = self.content.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def texts(self, key: str, default: Sequence[str] | None = None) -> Sequence[str]:
        value = self.content.get(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
            raise self.wrong(key, "a list of texts")
        return value

    def number(self, key: str, default: int) -> int:
        value = self.content.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(key, "a whole number")
        return value

    def tables(self, key: str) -> Sequence[dict[str, Any]]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise self.wrong(f"[[{key}]]", "tables of that name")
        return value
