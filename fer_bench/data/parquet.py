"""Streams the images and labels of parquet files, batch by batch. It must not know any data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow
import pyarrow.parquet

from fer_bench.errors import DataError

T = TypeVar("T")
_BATCH = 256


@dataclass(frozen=True)
class ParquetRow:
    """One row: where it stands, the encoded image (bytes, or whatever stands there instead), and the label."""

    where: str
    content: object
    label: object


def files_of(root: Path, split: str) -> list[Path]:
    """The shards of a split in a folder or its folder 'data': SPLIT*.parquet."""
    for folder in (root, root / "data"):
        files = sorted(folder.glob(f"{split}*.parquet"))
        if files:
            return files
    return []


def schema(file: Path) -> pyarrow.Schema:
    """The columns of a file and its metadata. Raises DataError for what is no parquet."""
    return _read(file, "", partial(pyarrow.parquet.read_schema, file))


def count(files: Sequence[Path]) -> int:
    """How many rows the files hold, without reading them."""
    return sum(_read(file, "", partial(pyarrow.parquet.read_metadata, file)).num_rows for file in files)


def rows(files: Sequence[Path], image: str, label: str) -> Iterator[ParquetRow]:
    """The rows of the files in order. `image` is a column of bytes, or of a struct that has `bytes`."""
    columns = f" with the columns {image} and {label}"
    for file in files:
        opened = _read(file, columns, partial(pyarrow.parquet.ParquetFile, file))
        with opened:
            batches = opened.iter_batches(_BATCH, columns=[image, label])
            number = 0
            while (batch := _read(file, columns, partial(next, batches, None))) is not None:
                if set(batch.schema.names) != {image, label}:
                    raise DataError(f"{file} has not the columns {image} and {label}; fetch it again.")
                for picture, value in zip(batch[image].to_pylist(), batch[label].to_pylist(), strict=True):
                    content = picture.get("bytes") if isinstance(picture, dict) else picture
                    yield ParquetRow(f"{file}, row {number}", content, value)
                    number += 1


def _read(file: Path, columns: str, step: Callable[[], T]) -> T:
    try:
        return step()
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{file} cannot be read as parquet{columns} ({reason}); fetch it again.") from error
