"""CK+ (Lucey et al., CVPR workshops 2010) as it is found cut to 48x48: Kaggle's folders CK+48 and Kaggle's csv.

The folders hold the last three frames of each labelled sequence, near copies of each other, named by person
(S010_004_00000017.png): they are split by person. The csv (ckextended.csv; columns emotion, pixels, Usage) does not
say who is seen: its own random usages are its splits, and a person may be in several of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fer_bench.core.labels import expression
from fer_bench.data import images, layout, pixelcsv, splits
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

#: The order of the csv's numbers; the folders have no neutral.
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
_USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_NAME = re.compile(r"(S\d{3})_\d{3}_\d{8}", re.IGNORECASE)
LAYOUTS = (
    "CK+48/CLASS/S010_004_00000017.png ... (folders anger, contempt, disgust, fear, happy, sadness, surprise), "
    "or ckextended.csv (columns emotion, pixels, Usage)"
)


def find(path: str | None, split: str | None) -> Contents:
    """CK+ at `path` (a folder, or the csv itself); gray, 48x48. `split`: train, validation, test; None takes all."""
    root = layout.find_root(path, "ckplus", "CK+", LAYOUTS)
    wanted = layout.choose_split(split, splits.PARTS, "CK+") if split else None
    source = layout.source("ckplus", root, wanted)
    file = root if root.is_file() else next(iter(sorted(root.glob("*.csv"))), None)
    if file is not None:
        note = f"split {wanted}: the csv's own, in which a person may be in several" if wanted else "every split"
        return Contents("ckplus", source, CLASSES, partial(_csv, file, wanted), None, (note,))
    base = layout.first_dir(root / "CK+48") or root
    samples = list(_folders(base))
    if not samples:
        raise layout.not_found(base, "CK+", LAYOUTS)
    people = len({sample.subject for sample in samples})
    notes: tuple[str, ...] = (f"the last three frames of each sequence, near copies of each other; {people} persons",)
    if wanted:
        samples = splits.by_subject(samples, wanted)
        notes += (f"split {wanted}", splits.NOTE)
    return Contents("ckplus", source, CLASSES, lambda: samples, len(samples), notes)


def _csv(file: Path, split: str | None) -> Iterator[Sample]:
    for line in pixelcsv.lines(file):
        if split is None or line.usage == _USAGES[split]:
            yield Sample(line.where, line.read, layout.whole_number(line.emotion, len(CLASSES), line.where))


def _folders(base: Path) -> Iterator[Sample]:
    for folder in filter(Path.is_dir, layout.inside(base)):
        word = expression(folder.name)
        if word not in CLASSES:
            raise DataError(f"{folder} names no class of CK+; expected {LAYOUTS}.")
        for file in layout.image_files(folder):
            named = _NAME.fullmatch(file.stem)
            if named is None:
                raise DataError(
                    f"{file} does not say which person it shows; expected a name like S010_004_00000017.png."
                )
            yield Sample(str(file), partial(images.read, file, "L"), CLASSES.index(word), subject=named[1].upper())


CARD = DatasetCard(
    name="ckplus",
    title="CK+ (Lucey et al., CVPR workshops 2010), posed peak frames of 123 persons, cut to 48x48 gray",
    classes=CLASSES,
    layouts=LAYOUTS,
    splits=splits.PARTS,
    licence="on request from the authors, for research; may not be redistributed",
    redistributable=False,
    needs_path=True,
    find=find,
)
