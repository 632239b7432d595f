"""One verified member out of a wheel or an npm tarball; nothing else is unpacked, no path in it is used."""

from __future__ import annotations

import contextlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fer_bench.core.model_card import PackageFile
from fer_bench.errors import FetchError, IntegrityError
from fer_bench.fetch.pinned import intact, label, mismatch, unwritable
from fer_bench.files import replacing

_CHUNK = 1 << 20


def take(archive: Path, file: PackageFile, target: Path) -> None:
    """Copies `file.member` out of `archive` to `target`, verified first.

    Raises FetchError where it is no archive or lacks the member, IntegrityError where the content differs.
    """
    try:
        with _member(archive, file) as stream:
            store(stream, file, target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise FetchError(
            f"{label(file)}: what was downloaded ({archive.name}) is not a readable archive: "
            f"{error}. Try again; behind a proxy, check that it does not answer with a page of its own."
        ) from error


@contextlib.contextmanager
def _member(archive: Path, file: PackageFile) -> Iterator[IO[bytes]]:
    """The member's bytes: of a wheel by its exact name, of a tarball by its name below the top folder."""
    missing = FetchError(f"{label(file)}: the package holds no such file; its card is out of date.")
    if file.registry == "pypi":
        with zipfile.ZipFile(archive) as wheel:
            if file.member not in wheel.namelist():
                raise missing
            with wheel.open(file.member) as stream:
                yield stream
        return
    with tarfile.open(archive, "r:gz") as tarball:
        for entry in tarball:
            if entry.isfile() and entry.name.partition("/")[2] == file.member:
                content = tarball.extractfile(entry)
                if content is not None:
                    with content as stream:
                        yield stream
                    return
    raise missing


def store(stream: IO[bytes], file: PackageFile, target: Path) -> None:
    """Streams at most `file.size` bytes to a temporary neighbour of `target`, verifies and moves them.

    The move is atomic: `target` is whole or absent, whatever interrupts, and processes cannot mix bytes.
    """
    try:
        with replacing(target, lambda path, error: unwritable(path.parent, error)) as part:
            with part.open("wb") as out:
                for chunk in _chunks(stream):
                    if out.tell() + len(chunk) > file.size:
                        raise IntegrityError(
                            f"{label(file)}: it is bigger than the {file.size} bytes of its card; it was not used."
                        )
                    out.write(chunk)
            if not intact(part, file):
                raise mismatch(part, file, label(file))
    except FetchError:
        # Windows refuses to replace a file that another process reads; the same bytes are then there.
        if not intact(target, file):
            raise


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := stream.read(_CHUNK):
            yield chunk
    except OSError as error:  # a damaged gzip file says so; it is no failed write
        raise EOFError(str(error)) from error
