"""FER2013 (Goodfellow et al., ICML 2013 workshop) in its three public layouts. The data may not be redistributed.

- Kaggle's csv: fer2013.csv or icml_face_data.csv, columns emotion, pixels, Usage (names may carry spaces);
- folders: train/CLASS/*.png or *.jpg and test/CLASS/..., as Kaggle's msambare copy and others have;
- parquet: fer2013-SPLIT.parquet or SPLIT*.parquet, columns image (struct with bytes, or bytes) and label.

Splits: train (Training), validation (PublicTest), test (PrivateTest); the folder layout joins the last two in "test".
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from fer_bench import progress
from fer_bench.data import evalset, images
from fer_bench.errors import DataError
from fer_bench.labels import expression
from fer_bench.types import EvalSet

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_SYNONYMS = {
    "training": "train",
    "publictest": "validation",
    "public": "validation",
    "val": "validation",
    "valid": "validation",
    "privatetest": "test",
    "private": "test",
}
_IMAGES = {".png", ".jpg", ".jpeg"}
LAYOUTS = (
    "fer2013.csv (columns emotion, pixels, Usage), folders train/CLASS and test/CLASS with images, "
    "or fer2013-SPLIT.parquet / SPLIT*.parquet (columns image, label)"
)

Samples = tuple[list[np.ndarray], list[int]]


def open_fer2013(path: str | None, split: str | None, n: int | None) -> EvalSet:
    """FER2013 at `path` (a folder, or the csv or parquet file itself); gray `(n, 1, 48, 48)`.

    `split`: train, validation, test or their public names; "test" where not given. Raises DataError, naming what was
    expected, for a path of another layout.
    """
    if path is None:
        raise DataError("fer2013 needs a folder: --data fer2013:FOLDER[:SPLIT]. Expected in it: " + LAYOUTS + ".")
    try:
        root = Path(path).expanduser()
        if not root.exists():
            raise DataError(f"the FER2013 folder {root} does not exist; expected a folder with {LAYOUTS}.")
        wanted = _split(split) if split else _named_by(root) or "test"
        pixels, labels = _read(root, wanted)
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of ~somebody is not known
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{path} cannot be read ({reason}); check the path and its permissions.") from error
    source = f"fer2013:{root.resolve()}:{wanted}"
    return evalset.build("fer2013", source, pixels, labels, CLASSES, n, notes=(f"split {wanted}",))


def _split(word: str) -> str:
    plain = word.strip().lower()
    split = _SYNONYMS.get(plain, plain)
    if split not in _USAGES:
        raise DataError(f"FER2013 has no split '{word}'; it has {', '.join(_USAGES)}.")
    return split


def _named_by(root: Path) -> str | None:
    """The split that a parquet file's own name states: 'fer2013-train.parquet', 'train-00000-of-00001.parquet'."""
    words = root.name.lower().removeprefix("fer2013-").replace(".", "-").split("-")
    stated = _SYNONYMS.get(words[0], words[0])
    return stated if root.suffix == ".parquet" and stated in _USAGES else None


def _read(root: Path, split: str) -> Samples:
    if root.is_file():
        stated = _named_by(root)
        if stated not in (None, split):
            raise DataError(
                f"{root} is named after the split '{stated}', not '{split}'; ask for fer2013:{root.parent}:{split}."
            )
        return _read_parquet([root], split) if root.suffix == ".parquet" else _read_csv(root, split)
    for name in ("fer2013.csv", "icml_face_data.csv"):
        if (root / name).is_file():
            return _read_csv(root / name, split)
    files = _parquet_files(root, split)
    if files:
        return _read_parquet(files, split)
    for folder in _inside(root):
        if folder.is_dir() and _SYNONYMS.get(folder.name.lower(), folder.name.lower()) == split:
            return _read_folders(folder)
    found = ", ".join(entry.name for entry in _inside(root)[:6]) or "nothing"
    raise DataError(f"{root} is not FER2013 with a split '{split}': found {found}; expected {LAYOUTS}.")


def _inside(folder: Path) -> list[Path]:
    """What a folder holds, in order; hidden files (of macOS, of notebooks) are not the data set's."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _parquet_files(root: Path, split: str) -> list[Path]:
    exact = root / f"fer2013-{split}.parquet"
    if exact.is_file():
        return [exact]
    for folder in (root, root / "data"):
        files = sorted(folder.glob(f"{split}*.parquet"))
        if files:
            return files
    return []


def _read_parquet(files: list[Path], split: str) -> Samples:
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    for file in files:
        try:
            table = pyarrow.parquet.read_table(file, columns=["image", "label"])
        except (OSError, pyarrow.ArrowException) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(
                f"{file} cannot be read as parquet with the columns image and label ({reason}); fetch it again."
            ) from error
        with progress.steps(f"reading {file.name}", table.num_rows) as advance:
            rows = zip(table.column("image").to_pylist(), table.column("label").to_pylist(), strict=True)
            for number, (image, label) in enumerate(rows):
                content = image.get("bytes") if isinstance(image, dict) else image
                pixels.append(images.decode(content, f"{file}, row {number}", "L"))
                labels.append(_label(label, f"{file}, row {number}"))
                advance()
    return pixels, labels


def _read_csv(file: Path, split: str) -> Samples:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = [column.strip().lower() for column in next(reader, [])]
            if not {"emotion", "pixels", "usage"} <= set(header):
                raise DataError(f"{file} has the columns {', '.join(header)}; expected emotion, pixels, Usage.")
            emotion, values, usage = (header.index(name) for name in ("emotion", "pixels", "usage"))
            for number, row in enumerate(reader, start=2):
                if len(row) <= max(emotion, values, usage):
                    raise DataError(f"{file}, line {number}: {len(row)} columns, expected {len(header)}.")
                if row[usage].strip() == _USAGES[split]:
                    pixels.append(_csv_pixels(row[values], f"{file}, line {number}"))
                    labels.append(_label(row[emotion], f"{file}, line {number}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as csv ({error}); fetch it again.") from error
    return pixels, labels


def _csv_pixels(text: str, where: str) -> np.ndarray:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        values = np.zeros(0, dtype=np.int64)
    if len(values) != 48 * 48 or values.min() < 0 or values.max() > 255:
        raise DataError(f"{where}: expected 2,304 pixel values from 0 to 255, found {len(values)} usable ones.")
    return values.astype(np.uint8).reshape(48, 48)


def _read_folders(folder: Path) -> Samples:
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    for entry in filter(Path.is_dir, _inside(folder)):
        word = expression(entry.name)
        if word not in CLASSES:
            raise DataError(f"{entry} names no FER2013 class; expected folders {', '.join(CLASSES)}.")
        for file in _inside(entry):
            if file.suffix.lower() in _IMAGES:
                pixels.append(images.read(file, "L"))
                labels.append(CLASSES.index(word))
    return pixels, labels


def _label(value: object, where: str) -> int:
    text = str(value).strip()
    if not text.isdecimal() or int(text) >= len(CLASSES):
        raise DataError(f"{where}: label '{value}' is not one of 0 to {len(CLASSES) - 1}.")
    return int(text)
