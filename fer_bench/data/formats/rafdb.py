"""RAF-DB's basic expressions (Li, Deng and Du, CVPR 2017) in the layout in which the authors give it out.

basic/EmoLabel/list_patition_label.txt (so spelled) names each image and its class from 1 to 7; the faces, aligned by
the authors to 100x100, are basic/Image/aligned/NAME_aligned.jpg.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fer_bench.data import images, layout
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

#: Class 1 of the list is the first.
CLASSES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
SPLITS = ("train", "test")
LAYOUTS = "basic/EmoLabel/list_patition_label.txt and basic/Image/aligned/train_00001_aligned.jpg ..."
_LIST = "list_patition_label.txt"


def find(path: str | None, split: str | None) -> Contents:
    """RAF-DB at `path` (the folder 'basic' or the one around it); RGB, 100x100. `split`: train or test (default)."""
    root = layout.find_root(path, "raf-db", "RAF-DB", LAYOUTS)
    wanted = layout.choose_split(split or "test", SPLITS, "RAF-DB")
    bases = (root, root / "basic")
    listed = next(
        (place for base in bases for place in (base / "EmoLabel" / _LIST, base / _LIST) if place.is_file()), None
    )
    folder = layout.first_dir(*(base / "Image" / "aligned" for base in bases))
    if listed is None or folder is None:
        raise layout.not_found(root, "RAF-DB", LAYOUTS)
    samples = list(_samples(listed, folder, wanted))
    source = layout.source("raf-db", root, wanted)
    return Contents("raf-db", source, CLASSES, lambda: samples, len(samples), (f"split {wanted}",))


def _samples(listed: Path, folder: Path, split: str) -> Iterator[Sample]:
    for number, line in enumerate(layout.lines(listed), start=1):
        where = f"{listed}, line {number}"
        words = line.split()
        if len(words) != 2:
            raise DataError(f"{where}: expected an image and its class, such as 'train_00001.jpg 5', found '{line}'.")
        name, label = words
        if layout.split_word(name.partition("_")[0]) == split:
            file = folder / f"{Path(name).stem}_aligned.jpg"
            index = layout.whole_number(label, len(CLASSES), where, first=1)
            yield Sample(str(file), partial(images.read, file, "RGB"), index)


CARD = DatasetCard(
    name="raf-db",
    title="RAF-DB (Li, Deng and Du, CVPR 2017), basic expressions: 15,339 aligned faces of 100x100",
    classes=CLASSES,
    layouts=LAYOUTS,
    splits=SPLITS,
    licence="on request from the authors, for research; may not be redistributed",
    redistributable=False,
    needs_path=True,
    find=find,
)
