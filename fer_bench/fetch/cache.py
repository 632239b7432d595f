"""The cache of everything fetched: where it is, what of it is intact, whether the network may be asked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath

import platformdirs

from fer_bench.core.model_card import CardFile, LocalFile, PackageFile, UserFile, WebFile
from fer_bench.errors import FetchError
from fer_bench.fetch import pinned
from fer_bench.files import sha256


def cache_dir() -> Path:
    """The folder of everything fetched: FERBENCH_CACHE, else the user's cache folder."""
    chosen = os.environ.get("FERBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("fer_bench", appauthor=False)


def offline() -> bool:
    """True where FERBENCH_OFFLINE forbids the network."""
    return os.environ.get("FERBENCH_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


def cached(file: CardFile) -> Path | None:
    """The local path of `file` where it is on this machine and intact, else None; never asks the network."""
    if isinstance(file, UserFile):
        return None
    if isinstance(file, LocalFile):
        return file.path if is_unchanged(file) else None
    place = place_of(file)
    return place if pinned.intact(place, file) else None


def is_unchanged(file: LocalFile) -> bool:
    """Whether a file of the user's own still has the content that its card pins."""
    try:
        return sha256(file.path) == file.sha256
    except OSError:
        return False


def place_of(file: PackageFile | WebFile) -> Path:
    """Where in the cache a fetched file lies, or will: by its content, so that two cards share one file."""
    digest = pinned.pin(file)
    return cache_dir() / "files" / digest[:2] / digest / PurePosixPath(file.member).name


def prepare(file: PackageFile | WebFile) -> None:
    """Before a long download, not after it: may the network be asked, and can the cache be written?"""
    if offline():
        state = "the cached copy is damaged" if place_of(file).exists() else "it is not in the cache"
        raise failed(file, f"{state} and FERBENCH_OFFLINE is set", "unset it")
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_dir()):
            pass
    except OSError as error:
        raise pinned.unwritable(cache_dir(), error) from error


def failed(file: PackageFile | WebFile, why: str, remedy: str = "try again") -> FetchError:
    """The error of a file that could not be fetched: what, why, and how to go on."""
    return pinned.failed(file, place_of(file), why, remedy)
