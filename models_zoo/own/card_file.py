"""A model's card as a TOML file, read with every field checked. It fetches and builds nothing.

A card names an architecture and its weights, never code; a file beside it is known by its sha256. Nothing of a card is
used as a path but a plain file name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from fer_bench import codec
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
_UNSEEN = f"{UNSEEN} the card is a file of this machine."

# What a field of a card takes, and how a refusal calls it.
_Text = Annotated[codec.Text, "a text"]
_OptionalText = Annotated[codec.Text | None, "a text"]
_Texts = Annotated[tuple[codec.Text, ...], "a list of texts"]
_Number = Annotated[codec.Count, "a whole number"]
_Flag = Annotated[codec.Flag, "true or false"]
_Fraction = Annotated[codec.Fraction, "a fraction from 0.0 to 1.0"]


@dataclass(frozen=True)
class _File:
    """A table `[[file]]`: `url` and `blob`, or `path` and `sha256`."""

    #: A public address.
    url: _OptionalText = None
    #: Git's digest of what is there.
    blob: _OptionalText = None
    #: In bytes; 0: unknown.
    size: _Number = 0
    #: The plain name of a file beside the card.
    path: _OptionalText = None
    #: The digest of that file.
    sha256: _OptionalText = None


@dataclass(frozen=True)
class _Accuracy:
    """A table `[[accuracy]]`; its fields are those of `PublishedAccuracy`, `n` 0 where unknown."""

    value: _Fraction
    data: _Text
    split: _Text
    n: _Number = 0
    source: _Text = "unknown"


@dataclass(frozen=True, kw_only=True)
class _Card:
    """A card's fields, which are those of `ModelCard`; the order is that in which a refusal lists them."""

    name: _Text
    #: The name where there is none.
    title: _OptionalText = None
    classes: _Texts
    #: timm:NAME, slim, onnx or torchscript.
    architecture: _Text
    #: As `parse_input` reads it; an architecture may say it.
    input: _OptionalText = None
    file: Annotated[tuple[_File, ...], "tables of that name"] = ()
    accuracy: Annotated[tuple[_Accuracy, ...], "tables of that name"] = ()
    revision: _Number = 1
    parameters: _Number = 0
    year: _Number = 0
    paper: _Text = "unknown"
    licence: _Text = "unknown"
    family: _Text = "unknown"
    trained_on: _Text = "unknown"
    contaminated: _Text = ""
    defended: _Flag = False
    notes: _Texts = ()


#: The records of a card file: of the card itself, and of its tables by name.
_CARD_AND_TABLES: Mapping[str | None, type[_Card | _File | _Accuracy]] = {
    None: _Card,
    "file": _File,
    "accuracy": _Accuracy,
}


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
    try:
        card = codec.from_table(_Card, content)
    except codec.MisfitError as misfit:
        raise _refusal(path, content, misfit) from misfit
    if not _NAME.fullmatch(card.name):
        raise _wrong(path, "name", card.name, "letters, digits, '.', '_' and '-'")
    classes = tuple(expression(word) for word in card.classes)
    if len(classes) < 2:
        raise _wrong(path, "classes", content["classes"], "the names of the outputs, in their order")
    regressor = classes == VALENCE_AROUSAL
    wanted, build = _architecture(path, card, regressor)
    return ModelCard(
        name=card.name,
        task="va" if regressor else "expression",
        classes=classes,
        input=str(wanted),
        parameters=card.parameters,
        year=card.year,
        files=tuple(_file(path, file, bundled) for file in card.file),
        build=build,
        accuracy=tuple(PublishedAccuracy(a.value, a.data, a.split, a.n or None, a.source) for a in card.accuracy),
        revision=card.revision,
        contaminated=card.contaminated,
        defended=card.defended,
        notes=(*card.notes, *(() if bundled else (_UNSEEN,))),
        title=card.name if card.title is None else card.title,
        paper=card.paper,
        licence=card.licence,
        family=card.family,
        trained_on=card.trained_on,
        setup=(card.architecture, str(wanted), *(("clamped",) if regressor else ())),
    )


def _wrong(path: Path, field: str, value: object, expected: str) -> UsageError:
    """The error for a value that cannot be used; None where there is none."""
    there = "missing" if value is None else repr(value)
    return UsageError(f"the card {path}: {field} is {there}; give {expected}.")


def _refusal(path: Path, content: Mapping[str, Any], misfit: codec.MisfitError) -> UsageError:
    """What is wrong with a card, in the words of a card."""
    field = shown = str(misfit.path[0])
    kind, table = _CARD_AND_TABLES[None], content
    if field in _CARD_AND_TABLES:
        shown = f"[[{field}]]"
        if len(misfit.path) > 2:  # the position of a table, and a field of it
            kind, table = _CARD_AND_TABLES[field], content[field][misfit.path[1]]
            field = shown = str(misfit.path[2])
    if misfit.kind == "unknown":
        return UsageError(f"the card {path}: {unknown_name('field', field, [known.name for known in fields(kind)])}")
    expected = get_type_hints(kind, include_extras=True)[field].__metadata__[-1]
    return _wrong(path, shown, table.get(field), expected)


def _needed(path: Path, field: str, value: str | None) -> str:
    """The text of a field that this card cannot do without."""
    if value is None:
        raise _wrong(path, field, None, "a text")
    return value


#: Where the networks of card files are built.
_NETWORKS = "models_zoo.own.architectures"


def _architecture(path: Path, card: _Card, regressor: bool) -> tuple[Input, Builder]:
    kind, _, architecture = card.architecture.partition(":")
    if len(card.file) != 1:
        raise _wrong(path, "[[file]]", None, "one file of weights")
    classes = len(card.classes)
    if kind == "timm":
        timm_model.check_name(architecture)
        wanted = timm_model.wanted_input(architecture) if card.input is None else parse_input(card.input)
        return wanted, Builder(_NETWORKS, "timm", (architecture, classes, wanted, regressor))
    if card.architecture == "slim":
        return SLIM_INPUT, Builder(_NETWORKS, "slim", (classes, regressor))
    if card.architecture not in ("onnx", "torchscript"):
        known = "timm:NAME, slim, onnx or torchscript (a shared card holds no code)"
        raise _wrong(path, "architecture", card.architecture, known)
    wanted = parse_input(_needed(path, "input", card.input))
    return wanted, Builder(_NETWORKS, card.architecture, (wanted, regressor))


def _file(path: Path, file: _File, bundled: bool) -> CardFile:
    if file.url is not None:
        return WebFile(file.url, _needed(path, "blob", file.blob).lower(), file.size or None)
    name = _needed(path, "path", file.path)
    if Path(name).name != name or name in (".", "..") or "\\" in name or ":" in name:
        raise _wrong(path, "path", name, "the plain name of a file beside the card")
    place = path.absolute().parent / name
    stated = _needed(path, "sha256", file.sha256).lower()
    try:
        found, size = stated if bundled else sha256(place), place.stat().st_size
    except OSError as error:
        raise UsageError(f"the card {path} names {name}, which cannot be read ({error.strerror}).") from error
    if found != stated:
        raise UsageError(
            f"{place} is not the file of the card: expected sha256 {stated}, got {found}; it was not used."
        )
    return LocalFile(place, found, size, bundled=bundled)
