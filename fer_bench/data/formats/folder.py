"""Any folder of images sorted into folders that are named after expressions: FOLDER/CLASS/*.png, nothing else."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fer_bench.core.labels import EXPRESSIONS, expression, ordered
from fer_bench.data import images, layout, sizing
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

LAYOUTS = (
    "CLASS/*.png, *.jpg ... with folders named after expressions (angry or anger, happy or happiness ...), or "
    "SPLIT/CLASS/... where a split is asked for"
)


def find(path: str | None, split: str | None) -> Contents:
    """The images of `path`, or of its folder `split`; gray where all files are, else RGB.

    The classes are the folders' names, those of the vocabulary first and in its order. Sets of one size keep it,
    others are brought to one size (`sizing`).
    """
    root = layout.find_root(path, "folder", "image", LAYOUTS)
    base = _split_folder(root, split) if split else root
    folders = [entry for entry in layout.inside(base) if entry.is_dir()] if base.is_dir() else []
    words = [expression(folder.name) for folder in folders]
    if not set(words) & set(EXPRESSIONS):
        raise layout.not_found(base, "a folder of expressions", LAYOUTS)
    for word in words:
        if words.count(word) > 1:
            twice = " and ".join(folder.name for folder in folders if expression(folder.name) == word)
            raise DataError(f"{base} has the folders {twice}, which mean the same expression; join them.")
    classes = ordered(words)
    files = [(file, word) for folder, word in zip(folders, words, strict=True) for file in layout.image_files(folder)]
    form = sizing.common_form(partial(images.look_at, file) for file, _ in files)
    samples = [_sample(file, classes.index(word), form) for file, word in files]
    notes = (f"split {split}", form.note) if split else (form.note,)
    source = layout.source("folder", root, split)
    return Contents("folder", source, classes, lambda: samples, len(samples), notes)


def _split_folder(root: Path, split: str) -> Path:
    folders = [entry for entry in layout.inside(root) if entry.is_dir()] if root.is_dir() else []
    named = [entry for entry in folders if entry.name == split]
    alike = [entry for entry in folders if layout.split_word(entry.name) == layout.split_word(split)]
    found = next(iter(named + alike), None)
    if found is None:
        raise layout.not_found(root, f"a folder with a split '{split}'", LAYOUTS)
    return found


def _sample(file: Path, label: int, form: sizing.Form) -> Sample:
    return Sample(str(file), partial(images.read, file, form.mode, form.side), label)


CARD = DatasetCard(
    name="folder",
    title="Your own images, in folders named after expressions",
    classes=(),
    layouts=LAYOUTS,
    splits=(),
    licence="yours",
    redistributable=False,
    needs_path=True,
    find=find,
)
