"""A model's card as a TOML file, read with every field checked. It fetches and builds nothing.

A card names an architecture and its weights, never code; a file beside it is known by its sha256. Nothing of a card is
used as a path but a plain file name.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_bench.core.labels import expression
from fer_bench.core.model_card import (
    UNSEEN,
    VALENCE_AROUSAL,
    CardFile,
    LocalFile,
    ModelCard,
    PublishedAccuracy,
    WebFile,
)
from fer_bench.errors import UsageError
from fer_bench.files import sha256
from fer_bench.registry import unknown_name
from models_zoo.builders import Builder
from models_zoo.inputs import SLIM_INPUT, Input, parse_input
from models_zoo.own import timm_model

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CARD = "card.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KNOWN = (
    *("name", "title", "classes", "architecture", "input", "file", "accuracy", "revision", "parameters", "year"),
    *("paper", "licence", "family", "trained_on", "contaminated", "defended", "notes"),
)
_UNSEEN = f"{UNSEEN} the card is a file of this machine."


def read_card(path: Path, bundled: bool = False) -> ModelCard:
    """The card in a TOML file. Raises UsageError, in one line, for whatever is missing, unknown or of another type.

    The files of a `bundled` card belong to this package: nobody else could have run them, so their content is compared
    with their digest when they are loaded and not already here.
    """
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
    regressor = classes == VALENCE_AROUSAL
    given, build = _architecture(fields, len(classes), regressor)
    return ModelCard(
        name=name,
        task="va" if regressor else "expression",
        classes=classes,
        input=str(given),
        parameters=fields.number("parameters", 0),
        year=fields.number("year", 0),
        files=tuple(_file(fields, table, bundled) for table in fields.tables("file")),
        build=build,
        accuracy=tuple(_accuracy(fields, table) for table in fields.tables("accuracy")),
        revision=fields.number("revision", 1),
        contaminated=fields.text("contaminated", ""),
        defended=fields.flag("defended"),
        notes=(*fields.texts("notes", ()), *(() if bundled else (_UNSEEN,))),
        title=fields.text("title", name),
        paper=fields.text("paper", "unknown"),
        licence=fields.text("licence", "unknown"),
        family=fields.text("family", "unknown"),
        trained_on=fields.text("trained_on", "unknown"),
        setup=(fields.text("architecture"), str(given), *(("clamped",) if regressor else ())),
    )


#: Where the networks of card files are built.
_NETWORKS = "models_zoo.own.architectures"


def _architecture(fields: _Fields, classes: int, regressor: bool) -> tuple[Input, Builder]:
    name = fields.text("architecture")
    kind, _, architecture = name.partition(":")
    if len(fields.tables("file")) != 1:
        raise fields.wrong("[[file]]", "one file of weights")
    if kind == "timm":
        timm_model.check_name(architecture)
        wanted = parse_input(fields.text("input")) if fields.has("input") else timm_model.wanted_input(architecture)
        return wanted, Builder(_NETWORKS, "timm", (architecture, classes, wanted, regressor))
    if name == "slim":
        return SLIM_INPUT, Builder(_NETWORKS, "slim", (classes, regressor))
    if name not in ("onnx", "torchscript"):
        raise fields.wrong("architecture", "timm:NAME, slim, onnx or torchscript (a shared card holds no code)")
    wanted = parse_input(fields.text("input"))
    return wanted, Builder(_NETWORKS, name, (wanted, regressor))


def _file(fields: _Fields, table: dict[str, Any], bundled: bool) -> CardFile:
    part = _Fields(fields.path, table, ("url", "blob", "size", "path", "sha256"))
    if part.has("url"):
        return WebFile(part.text("url"), part.text("blob").lower(), part.number("size", 0) or None)
    name = part.text("path")
    if Path(name).name != name or name in (".", "..") or "\\" in name or ":" in name:
        raise part.wrong("path", "the plain name of a file beside the card")
    place = fields.path.absolute().parent / name
    stated = part.text("sha256").lower()
    try:
        found, size = stated if bundled else sha256(place), place.stat().st_size
    except OSError as error:
        raise UsageError(f"the card {fields.path} names {name}, which cannot be read ({error.strerror}).") from error
    if found != stated:
        raise UsageError(
            f"{place} is not the file of the card: expected sha256 {stated}, got {found}; it was not used."
        )
    return LocalFile(place, found, size, bundled=bundled)


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

    def flag(self, key: str) -> bool:
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def tables(self, key: str) -> Sequence[dict[str, Any]]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise self.wrong(f"[[{key}]]", "tables of that name")
        return value
