"""FERPlus (Barsoum et al., ICMI 2016): ten people's votes on each image of FER2013, read beside those images.

The votes are fer2013new.csv of the authors' repository: one line for each line of fer2013.csv, in its order. The
images are either fer2013.csv itself or the folders FER2013Train, FER2013Valid and FER2013Test that the authors'
script makes of it. The label is the majority's, by the rule of the authors' code: a class with a single vote counts
as none, and the largest class must then have more than half of the votes that are left; an image whose majority is
"unknown" or "not a face", or that has none, is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer_bench.data import images, layout, pixelcsv
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.data.formats import fer2013
from fer_bench.errors import DataError

CLASSES = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
_COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
_USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
_FOLDERS = {"train": "FER2013Train", "validation": "FER2013Valid", "test": "FER2013Test"}
LAYOUTS = (
    "fer2013new.csv (the votes) with fer2013.csv, or with the folders FER2013Train, FER2013Valid and FER2013Test "
    "(in the folder itself, or in its folder 'images' or 'data')"
)


@dataclass(frozen=True)
class _Vote:
    """One line of the votes: where it stands, the name of its image ('' where it is no face), its votes."""

    where: str
    name: str
    usage: str
    votes: tuple[int, ...]


def majority(votes: Sequence[int]) -> int | None:
    """The class (index into CLASSES) that the votes of the ten columns agree on, or None where they do not."""
    counted = [vote if vote > 1 else 0 for vote in votes]
    most = max(counted)
    if 2 * most <= sum(counted):
        return None
    winner = counted.index(most)
    return winner if winner < len(CLASSES) else None


def find(path: str | None, split: str | None) -> Contents:
    """FERPlus at `path`; gray, 48x48. `split`: train, validation or test (where not given)."""
    root = layout.find_root(path, "ferplus", "FERPlus", LAYOUTS)
    wanted = layout.choose_split(split or "test", tuple(_USAGES), "FERPlus")
    file = root / "fer2013new.csv"
    if not file.is_file():
        raise layout.not_found(root, "FERPlus", LAYOUTS)
    votes = list(_votes(file))
    asked = [vote for vote in votes if vote.usage == _USAGES[wanted]]
    agreed = [vote for vote in asked if vote.name and majority(vote.votes) is not None]
    notes = (
        f"split {wanted}",
        f"majority of the votes; {len(asked) - len(agreed):,} of {len(asked):,} images have none or are no face",
    )
    source = layout.source("ferplus", root, wanted)
    pixels = fer2013.csv_file(root)
    if pixels is not None:
        return Contents("ferplus", source, CLASSES, partial(_beside, pixels, votes, wanted), len(agreed), notes)
    folder = layout.first_dir(*(place / _FOLDERS[wanted] for place in (root, root / "images", root / "data")))
    if folder is None:
        raise layout.not_found(root, f"FERPlus with images of the split '{wanted}'", LAYOUTS)
    samples = [_sample(folder / vote.name, vote) for vote in agreed]
    return Contents("ferplus", source, CLASSES, lambda: samples, len(samples), notes)


def _votes(file: Path) -> Iterator[_Vote]:
    for row in layout.rows(file, ("Usage", "Image name", *_COLUMNS)):
        usage, name, *cells = row.cells
        votes = tuple(layout.whole_number(cell, 11, row.where, "number of votes") for cell in cells)
        yield _Vote(row.where, name.strip(), usage.strip(), votes)


def _sample(file: Path, vote: _Vote) -> Sample:
    label = majority(vote.votes)
    return Sample(str(file), partial(images.read, file, "L"), -1 if label is None else label)


def _beside(pixels: Path, votes: Sequence[_Vote], split: str) -> Iterator[Sample]:
    """The images of fer2013.csv, line by line with the votes; the two must be of one length and of one order."""
    usages: Counter[str] = Counter()
    for number, line in enumerate(pixelcsv.lines(pixels)):
        vote = votes[number] if number < len(votes) else None
        if vote is None or vote.usage != line.usage:
            stated = "there is none" if vote is None else f"{vote.where} says {vote.usage}"
            raise DataError(
                f"{line.where} is of {line.usage}, but its votes are not ({stated}); the votes belong to fer2013.csv "
                "in its original order."
            )
        usages[line.usage] += 1
        label = majority(vote.votes)
        if line.usage == _USAGES[split] and vote.name and label is not None:
            yield Sample(line.where, line.read, label)
    if usages.total() != len(votes):
        raise DataError(
            f"{pixels} has {usages.total():,} images and its votes {len(votes):,} lines; the votes belong to the whole "
            "fer2013.csv."
        )


CARD = DatasetCard(
    name="ferplus",
    title="FERPlus (Barsoum et al., ICMI 2016): FER2013 labelled anew by ten people; majority of the votes",
    classes=CLASSES,
    layouts=LAYOUTS,
    splits=tuple(_USAGES),
    licence="votes: MIT; images: those of FER2013, which may not be redistributed",
    redistributable=False,
    needs_path=True,
    find=find,
)
