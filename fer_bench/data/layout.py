"""What loaders share in finding their way: roots, splits, folders, csv tables. It must not know any data set."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fer_bench.data import images
from fer_bench.errors import DataError

_SPLITS = {
    "training": "train",
    "train_set": "train",
    "publictest": "validation",
    "public": "validation",
    "val": "validation",
    "valid": "validation",
    "val_set": "validation",
    "validation_set": "validation",
    "privatetest": "test",
    "private": "test",
    "testing": "test",
    "test_set": "test",
}


def split_word(word: str) -> str:
    """A split by its usual name: 'Training' -> 'train', 'PublicTest' and 'val' -> 'validation'; others as they are."""
    plain = word.strip().lower()
    return _SPLITS.get(plain, plain)


def choose_split(word: str, known: Sequence[str], title: str) -> str:
    """`split_word`, where it is among `known`. Raises DataError for a split that the set does not have."""
    split = split_word(word)
    if split not in known:
        raise DataError(f"{title} has no split '{word}'; it has {', '.join(known)}.")
    return split


def find_root(path: str | None, name: str, title: str, expected: str, kind: str = "folder") -> Path:
    """The folder or file that the user named. Raises DataError, naming what was expected, for none.

    `path`: what the user named.
    `name`: the data set's word in `--data`.
    `title`: its name for people.
    `expected`: what should be in it, in words.
    `kind`: "folder" or "file".
    """
    if path is None:
        raise DataError(f"{name} needs a {kind}: --data {name}:{kind.upper()}[:SPLIT]. Expected in it: {expected}.")
    root = Path(path).expanduser()
    if not root.exists():
        raise DataError(f"the {title} {kind} {root} does not exist; expected a {kind} with {expected}.")
    return root


def source(name: str, root: Path, split: str | None) -> str:
    """The `--data` text that opens the same set from any working folder."""
    return ":".join([name, str(root.resolve()), *([split] if split else [])])


def not_found(root: Path, what: str, expected: str) -> DataError:
    """The error for a folder of another layout: what it is not, what is in it, what was expected."""
    entries = inside(root) if root.is_dir() else [root]
    found = ", ".join(entry.name for entry in entries[:6]) or "nothing"
    return DataError(f"{root} is not {what}: found {found}; expected {expected}.")


def first_dir(*places: Path) -> Path | None:
    """The first of several places that is a folder."""
    return next((place for place in places if place.is_dir()), None)


def inside(folder: Path) -> list[Path]:
    """What a folder holds, in order; hidden files (of macOS, of notebooks) are not the data set's."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder and its folders, in order."""
    found: list[Path] = []
    for entry in inside(folder):
        if entry.is_dir():
            found += image_files(entry)
        elif entry.suffix.lower() in images.SUFFIXES:
            found.append(entry)
    return found


def whole_number(text: str, count: int, where: str, what: str = "label", first: int = 0) -> int:
    """A whole number, counted from 0. Raises DataError for any other text.

    `text`: what stands in the file.
    `count`: how many numbers there are.
    `where`: what names the place in messages.
    `what`: what names the number in messages.
    `first`: the lowest number, as the file counts; the highest is `first` + `count` - 1.
    """
    plain = text.strip()
    if not plain.isdecimal() or not first <= int(plain) < first + count:
        raise DataError(f"{where}: {what} '{text}' is not one of {first} to {first + count - 1}.")
    return int(plain) - first


def number(text: str, where: str, what: str = "value") -> float:
    """A decimal number. Raises DataError naming `what` and `where` for anything else."""
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where}: {what} '{text}' is not a number.") from None


def lines(file: Path) -> list[str]:
    """The lines of a text file, without blanks at its end. Raises DataError where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text ({error}); fetch it again.") from error
    return [line.strip() for line in text.rstrip().splitlines()]


@dataclass(frozen=True)
class Row:
    """One data line of a csv file: where it stands, and its cells in the order in which they were asked for."""

    where: str
    cells: tuple[str, ...]


def header(file: Path) -> tuple[str, ...]:
    """The column names of a csv file, in lower case."""
    with _reading(file) as lines:
        return _names(next(lines, []))


def rows(
    file: Path, needed: Sequence[str], optional: Sequence[str] = (), unnamed: Sequence[str] | None = None
) -> Iterator[Row]:
    """The data lines of a csv file: the cells of the columns `needed`, then of those `optional` ('' where absent).

    Names are compared in lower case. `unnamed`: the columns of a file that may come without a header. Raises
    DataError for columns that are missing and for lines that are too short.
    """
    with _reading(file) as lines:
        first = next(lines, [])
        names = _names(first)
        wanted = [name.lower() for name in needed]
        above: list[list[str]] = []
        if not set(wanted) <= set(names):
            if unnamed is None or len(first) != len(unnamed):
                raise DataError(f"{file} has the columns {', '.join(names)}; expected {', '.join(needed)}.")
            names, above = _names(unnamed), [first]
        places = [names.index(name) for name in wanted]
        extra = [names.index(name) if name in names else None for name in optional]
        for at, line in enumerate(chain(above, lines), start=2 - len(above)):
            if not line:
                continue
            where = f"{file}, line {at}"
            if len(line) <= max(places):
                raise DataError(f"{where}: {len(line)} columns, expected {len(names)}.")
            cells = [line[place] for place in places]
            cells += [line[place] if place is not None and place < len(line) else "" for place in extra]
            yield Row(where, tuple(cells))


def _names(line: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in line)


@contextmanager
def _reading(file: Path) -> Iterator[Iterator[list[str]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            yield csv.reader(stream)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as csv ({error}); fetch it again.") from error
