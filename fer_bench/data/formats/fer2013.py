"""FER2013 (Goodfellow et al., ICML 2013 workshop) in its three public layouts. The data may not be redistributed.

- Kaggle's csv: fer2013.csv or icml_face_data.csv, columns emotion, pixels, Usage (names may carry spaces);
- folders: train/CLASS/*.png or *.jpg and test/CLASS/..., as Kaggle's msambare copy and others have;
- parquet: fer2013-SPLIT.parquet or SPLIT*.parquet, columns image (struct with bytes, or bytes) and label.

Splits: train (Training), validation (PublicTest), test (PrivateTest); the folder layout joins the last two in "test".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from fer_bench.core.labels import expression
from fer_bench.data import images, layout, parquet, pixelcsv
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LICENCE = "Kaggle competition terms: may not be redistributed"
_USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
SPLITS = tuple(_USAGES)
LAYOUTS = (
    "fer2013.csv (columns emotion, pixels, Usage), folders train/CLASS and test/CLASS with images, "
    "or fer2013-SPLIT.parquet / SPLIT*.parquet (columns image, label)"
)


def find(path: str | None, split: str | None) -> Contents:
    """FER2013 at `path` (a folder, or the csv or parquet file itself); gray, 48x48.

    `split`: train, validation, test or their public names; "test" where not given. Raises DataError, naming what was
    expected, for a path of another layout.
    """
    root = layout.find_root(path, "fer2013", "FER2013", LAYOUTS)
    wanted = layout.choose_split(split, SPLITS, "FER2013") if split else _named_by(root) or "test"
    notes = (f"split {wanted}",)
    source = layout.source("fer2013", root, wanted)
    file = csv_file(root)
    if file is not None:
        return Contents("fer2013", source, CLASSES, partial(_csv, file, wanted), None, notes)
    shards = _shards(root, wanted)
    if shards:
        count = parquet.count(shards)
        return Contents("fer2013", source, CLASSES, partial(_parquet, shards), count, notes)
    samples = list(_folders(_split_folder(root, wanted)))
    return Contents("fer2013", source, CLASSES, lambda: samples, len(samples), notes)


def csv_file(root: Path) -> Path | None:
    """The csv that `root` is or holds."""
    if root.is_file():
        return None if root.suffix == ".parquet" else root
    return next((root / name for name in ("fer2013.csv", "icml_face_data.csv") if (root / name).is_file()), None)


def _named_by(root: Path) -> str | None:
    """The split that a parquet file's own name states: 'fer2013-train.parquet', 'train-00000-of-00001.parquet'."""
    words = root.name.lower().removeprefix("fer2013-").replace(".", "-").split("-")
    stated = layout.split_word(words[0])
    return stated if root.suffix == ".parquet" and stated in _USAGES else None


def _shards(root: Path, split: str) -> list[Path]:
    if root.is_file():
        stated = _named_by(root)
        if stated not in (None, split):
            raise DataError(
                f"{root} is named after the split '{stated}', not '{split}'; ask for fer2013:{root.parent}:{split}."
            )
        return [root]
    exact = root / f"fer2013-{split}.parquet"
    return [exact] if exact.is_file() else parquet.files_of(root, split)


def _split_folder(root: Path, split: str) -> Path:
    for folder in layout.inside(root):
        if folder.is_dir() and layout.split_word(folder.name) == split:
            return folder
    raise layout.not_found(root, f"FER2013 with a split '{split}'", LAYOUTS)


def _csv(file: Path, split: str) -> Iterator[Sample]:
    for line in pixelcsv.lines(file):
        if line.usage == _USAGES[split]:
            yield Sample(line.where, line.read, layout.whole_number(line.emotion, len(CLASSES), line.where))


def _parquet(files: Iterable[Path]) -> Iterator[Sample]:
    for row in parquet.rows(list(files), "image", "label"):
        label = layout.whole_number(str(row.label), len(CLASSES), row.where)
        yield Sample(row.where, partial(images.decode, row.content, row.where, "L"), label)


def _folders(folder: Path) -> Iterator[Sample]:
    for entry in filter(Path.is_dir, layout.inside(folder)):
        word = expression(entry.name)
        if word not in CLASSES:
            raise DataError(f"{entry} names no FER2013 class; expected folders {', '.join(CLASSES)}.")
        for file in layout.image_files(entry):
            yield Sample(str(file), partial(images.read, file, "L"), CLASSES.index(word))


CARD = DatasetCard(
    name="fer2013",
    title="FER2013 (Goodfellow et al., ICML 2013 workshop), 35,887 gray faces of 48x48",
    classes=CLASSES,
    layouts=LAYOUTS,
    splits=SPLITS,
    licence=LICENCE,
    redistributable=False,
    needs_path=True,
    find=find,
)
