"""Data sets as the Hugging Face `datasets` library stores them: parquet files that describe their own columns.

The description is JSON in the schema's metadata: the feature of _type Image is the image (a struct with bytes), that
of _type ClassLabel the label, whose names are the classes. It needs no network and not that library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer_bench.core.labels import EXPRESSIONS, expression
from fer_bench.data import images, layout, parquet, sizing
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

LAYOUTS = (
    "SPLIT-00000-of-00001.parquet ... (in the folder or its folder 'data') with an Image and a ClassLabel column, or "
    "one such file"
)


@dataclass(frozen=True)
class _Features:
    """The columns of image and label, and the label's names."""

    image: str
    label: str
    names: tuple[str, ...]


def find(path: str | None, split: str | None) -> Contents:
    """The parquet files at `path`; `split` is theirs; where not given the only one, else 'test'.

    The images' headers are read once before any is decoded: gray where all are, sets of mixed sizes are brought to
    one (`sizing`).
    """
    root = layout.find_root(path, "hf", "parquet", LAYOUTS)
    files, wanted = _files(root, split)
    features = _features(files[0])
    classes = tuple(expression(name) for name in features.names)
    if not set(classes) & set(EXPRESSIONS):
        raise DataError(
            f"{files[0]} has the classes {', '.join(classes[:6])}; expected such as {', '.join(EXPRESSIONS)}."
        )
    if len(set(classes)) < len(classes):
        raise DataError(f"{files[0]} names one expression twice: {', '.join(features.names)}.")
    rows = partial(parquet.rows, files, features.image, features.label)
    form = sizing.common_form(partial(images.look, row.content, row.where) for row in rows())
    notes = (f"split {wanted}", form.note) if wanted else (form.note,)
    source = layout.source("hf", root, wanted)
    samples = partial(_samples, files, features, form)
    return Contents("hf", source, classes, samples, parquet.count(files), notes)


def _files(root: Path, split: str | None) -> tuple[list[Path], str | None]:
    if root.is_file():
        if split:
            raise DataError(f"{root} is one file; leave the split '{split}' out, or name the folder.")
        return [root], None
    there: dict[str, list[Path]] = {}
    for file in parquet.files_of(root, ""):
        there.setdefault(file.name.removesuffix(".parquet").partition("-")[0], []).append(file)
    wanted = split or (next(iter(there)) if len(there) == 1 else "test")
    alike = (name for name in there if layout.split_word(name) == layout.split_word(wanted))
    chosen = wanted if wanted in there else next(alike, None)
    if chosen is not None:
        return there[chosen], chosen
    if there:
        raise DataError(f"{root} has the splits {', '.join(there)}; write hf:{root}:SPLIT with one of them.")
    raise layout.not_found(root, "a folder of parquet files", LAYOUTS)


def _features(file: Path) -> _Features:
    metadata = parquet.schema(file).metadata or {}
    try:
        described = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        image = next(name for name, feature in described.items() if feature.get("_type") == "Image")
        label = next(name for name, feature in described.items() if feature.get("_type") == "ClassLabel")
        names = tuple(str(name) for name in described[label]["names"])
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise DataError(
            f"{file} does not describe an Image and a ClassLabel column in its metadata; expected {LAYOUTS}, as the "
            "datasets library writes them."
        ) from error
    return _Features(image, label, names)


def _samples(files: Sequence[Path], features: _Features, form: sizing.Form) -> Iterator[Sample]:
    for row in parquet.rows(files, features.image, features.label):
        label = layout.whole_number(str(row.label), len(features.names), row.where)
        yield Sample(row.where, partial(images.decode, row.content, row.where, form.mode, form.side), label)


CARD = DatasetCard(
    name="hf",
    title="Any data set of expressions stored as parquet by the Hugging Face datasets library",
    classes=(),
    layouts=LAYOUTS,
    splits=(),
    licence="that of the data set",
    redistributable=False,
    needs_path=True,
    find=find,
)
