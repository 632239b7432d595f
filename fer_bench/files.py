"""Writes a file whole or not at all: a reader never sees half of one. Tells a file's sha256; it makes no content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from fer_bench.errors import FerBenchError, StoreError

#: The error for a path that cannot be written, made of the path and of what the system said.
Unwritable = Callable[[Path, OSError], FerBenchError]

_CHUNK = 1 << 20


def unwritable(path: Path, error: OSError) -> StoreError:
    """The error where nothing more is known of the file than its path."""
    return StoreError(f"{path} cannot be written ({error.strerror or error}); check free space and permissions.")


def write(content: str | bytes, path: Path, error: Unwritable = unwritable) -> None:
    """Puts `content` at `path`; text is UTF-8, its lines end as they are. Raises what `error` makes of an OSError."""
    with replacing(path, error) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: Path, error: Unwritable = unwritable, lasting: bool = True) -> Iterator[Path]:
    """A new empty file in the folder of `path`, with its ending, that takes its place when the block is left.

    Where the block fails or is interrupted, nothing is left and `path` is what it was. `lasting`: on the disk before it
    takes the place, so that a power cut cannot leave an empty file; False for what is easily made again.
    Raises what `error` makes of an OSError, also of one of the block's.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_beside(path)
        try:
            yield part
            settle(part, path, lasting)
        finally:
            part.unlink(missing_ok=True)
    except OSError as problem:
        raise error(path, problem) from problem


def part_beside(path: Path) -> Path:
    """A new empty file in the folder of `path`, hidden, of a name that nobody else has. Raises OSError."""
    part = path.with_name(f".part-{secrets.token_hex(8)}{path.suffix}")
    part.open("xb").close()  # tempfile's are private, but a folder of results or a cache may be shared
    return part


def settle(part: Path, path: Path, lasting: bool = True) -> None:
    """Moves a finished file to its name in one step, flushed to the disk first unless not `lasting`. Raises OSError."""
    if lasting:
        with part.open("rb+") as stream:  # Windows flushes no file that is open for reading
            os.fsync(stream.fileno())
    part.replace(path)


def sha256(path: Path) -> str:
    """sha256 (hex) of a file's content. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
