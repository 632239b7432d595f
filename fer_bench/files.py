"""Writes a file whole or not at all, so that a reader never sees half of one. It makes no content."""

from __future__ import annotations

import os
from pathlib import Path

from fer_bench.errors import StoreError


def write(content: str | bytes, path: Path) -> None:
    """Writes beside `path`, then moves it there; text is UTF-8. Raises StoreError where that cannot be done."""
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if isinstance(content, bytes):
                part.write_bytes(content)
            else:
                part.write_text(content, encoding="utf-8", newline="\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error}); check free space and permissions."
        ) from error
