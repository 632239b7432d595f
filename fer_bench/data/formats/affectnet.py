"""AffectNet (Mollahosseini et al., IEEE TAC 2017) in its two public layouts, for expressions and for regressors.

- csv: training.csv and validation.csv (subDirectory_filePath, face_x, face_y, face_width, face_height,
  facial_landmarks, expression, valence, arousal; validation.csv may lack the header) beside Manually_Annotated_Images;
  the face's box is cut out of the photograph.
- npy: train_set and val_set, each with images/N.jpg, cropped already, and annotations/N_exp.npy, N_val.npy, N_aro.npy.

Expressions 8 to 10 (none, uncertain, no face) are left out, and for regressors what has no valence or arousal (-2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from fer_bench import progress
from fer_bench.data import images, layout
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

CLASSES = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
SPLITS = ("train", "validation")
SIDE = 224
_CODES = 11
_MISSING = -2.0
_COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)
_FILES = {"train": "training.csv", "validation": "validation.csv"}
_FOLDERS = {"train": "train_set", "validation": "val_set"}
LAYOUTS = (
    "training.csv and validation.csv beside Manually_Annotated_Images, or train_set and val_set, each with "
    "images/N.jpg and annotations/N_exp.npy, N_val.npy, N_aro.npy"
)


@dataclass(frozen=True)
class _Kind:
    """One of the sets that are made of AffectNet: the first `classes` expressions, with or without values."""

    name: str
    title: str
    classes: int
    values: bool = False


def _find(kind: _Kind, path: str | None, split: str | None) -> Contents:
    root = layout.find_root(path, kind.name, "AffectNet", LAYOUTS)
    wanted = layout.choose_split(split or "validation", SPLITS, "AffectNet")
    left_out: Counter[str] = Counter()
    samples = list(_kept(kind, _samples(root, wanted, kind.values), left_out))
    notes = [f"split {wanted}", f"faces brought to {SIDE}x{SIDE} (largest central square, bicubic)"]
    notes += [f"{count:,} images left out: {reason}" for reason, count in sorted(left_out.items())]
    source = layout.source(kind.name, root, wanted)
    return Contents(kind.name, source, CLASSES[: kind.classes], lambda: samples, len(samples), tuple(notes))


def _kept(kind: _Kind, samples: Iterator[Sample], left_out: Counter[str]) -> Iterator[Sample]:
    for sample in samples:
        if sample.label >= len(CLASSES):
            left_out["no expression, or no face"] += 1
        elif sample.label >= kind.classes:
            left_out[f"of another class ({', '.join(CLASSES[kind.classes :])})"] += 1
        elif kind.values and sample.values is not None and _MISSING in sample.values:
            left_out["no valence or arousal"] += 1
        else:
            yield sample if kind.values else replace(sample, values=None)


def _samples(root: Path, split: str, rated: bool) -> Iterator[Sample]:
    folder = root / _FOLDERS[split]
    if (folder / "images").is_dir() and (folder / "annotations").is_dir():
        return _npy(folder, rated)
    bases = (root, root / "Manually_Annotated", root / "Manually_Annotated_file_lists")
    file = next((base / _FILES[split] for base in bases if (base / _FILES[split]).is_file()), None)
    photos = layout.first_dir(*(base / "Manually_Annotated_Images" for base in bases))
    if file is None or photos is None:
        raise layout.not_found(root, f"AffectNet with a split '{split}'", LAYOUTS)
    return _csv(file, photos)


def _csv(file: Path, photos: Path) -> Iterator[Sample]:
    needed = (*_COLUMNS[:5], *_COLUMNS[6:])
    for row in layout.rows(file, needed, unnamed=_COLUMNS):
        name, *box, expression, valence, arousal = row.cells
        left, top, width, height = (
            layout.number(text, row.where, what) for text, what in zip(box, _COLUMNS[1:5], strict=True)
        )
        yield Sample(
            f"{photos / name} ({row.where})",
            partial(images.read, photos / name, "RGB", SIDE, (left, top, left + width, top + height)),
            layout.whole_number(expression, _CODES, row.where, "expression"),
            (layout.number(valence, row.where, "valence"), layout.number(arousal, row.where, "arousal")),
        )


def _npy(folder: Path, rated: bool) -> Iterator[Sample]:
    files = layout.image_files(folder / "images")
    with progress.steps("reading annotations", len(files)) as advance:
        for file in files:
            stem = str(folder / "annotations" / file.stem)
            label = layout.whole_number(_value(f"{stem}_exp.npy"), _CODES, f"{stem}_exp.npy", "expression")
            values = (_rating(f"{stem}_val.npy"), _rating(f"{stem}_aro.npy")) if rated else None
            yield Sample(str(file), partial(images.read, file, "RGB", SIDE), label, values)
            advance()


def _rating(file: str) -> float:
    return layout.number(_value(file), file)


def _value(file: str) -> str:
    """The one number of an annotation, which the authors stored as text."""
    try:
        content: np.ndarray = np.load(file, allow_pickle=False)
        return str(content.item())
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} cannot be read as one number ({error}); fetch it again.") from error


def _card(kind: _Kind) -> DatasetCard:
    find: Callable[[str | None, str | None], Contents] = partial(_find, kind)
    return DatasetCard(
        name=kind.name,
        title=kind.title,
        classes=CLASSES[: kind.classes],
        layouts=LAYOUTS,
        splits=SPLITS,
        licence="on request from the authors, for research; may not be redistributed",
        redistributable=False,
        needs_path=True,
        find=find,
    )


_SOURCE = "AffectNet (Mollahosseini et al., IEEE TAC 2017)"
CARDS = tuple(
    map(
        _card,
        (
            _Kind("affectnet", f"{_SOURCE}, eight expressions, photographs from the web", 8),
            _Kind("affectnet7", f"{_SOURCE}, without contempt", 7),
            _Kind("affectnet-va", f"{_SOURCE}, valence and arousal with the eight expressions", 8, values=True),
        ),
    )
)
