"""Aff-Wild2's valence-arousal track (Kollias et al., ABAW challenges) with the faces that its authors cropped.

VA_Estimation_Challenge/Train_Set/VIDEO.txt (Validation_Set likewise) has the line "valence,arousal" and then a line
for each frame of the video, -5 where it was not rated; cropped_aligned/VIDEO/00001.jpg ... are the faces, 112x112,
of the frames in which one was found, counted from 1. Test_Set has no public ratings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from fer_bench.data import images, layout
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

SPLITS = ("train", "validation")
SIDE = 112
_FOLDERS = {"train": "Train_Set", "validation": "Validation_Set"}
_TRACKS = ("VA_Estimation_Challenge", "VA_Set")
_MISSING = -5.0
LAYOUTS = (
    "VA_Estimation_Challenge/Train_Set/VIDEO.txt and Validation_Set/VIDEO.txt (in the folder, or one or two folders "
    "down), and cropped_aligned/VIDEO/00001.jpg ..."
)


def find(path: str | None, split: str | None) -> Contents:
    """Aff-Wild2 at `path`; RGB, 112x112. `split`: train or validation (where not given)."""
    root = layout.find_root(path, "aff-wild2", "Aff-Wild2", LAYOUTS)
    wanted = layout.choose_split(split or "validation", SPLITS, "Aff-Wild2")
    ratings = layout.first_dir(*_ratings_places(root, _FOLDERS[wanted]))
    faces = [place for place in layout.inside(root) if place.is_dir() and place.name.startswith("cropped_aligned")]
    if ratings is None or not faces:
        raise layout.not_found(root, f"Aff-Wild2 with a split '{wanted}'", LAYOUTS)
    left_out: Counter[str] = Counter()
    samples = list(_samples(ratings, faces, left_out))
    notes = [f"split {wanted}: the authors', by video", f"faces brought to {SIDE}x{SIDE} where they are not"]
    notes += [f"{count:,} {reason}" for reason, count in sorted(left_out.items())]
    source = layout.source("aff-wild2", root, wanted)
    return Contents("aff-wild2", source, (), lambda: samples, len(samples), tuple(notes))


def _ratings_places(root: Path, split: str) -> Iterator[Path]:
    """Where the ratings may lie: the archives of different years wrap them in one or two folders."""
    for pattern in ("", "*/", "*/*/"):
        for track in _TRACKS:
            yield from sorted(root.glob(f"{pattern}{track}/{split}"))


def _samples(ratings: Path, faces: Sequence[Path], left_out: Counter[str]) -> Iterator[Sample]:
    for file in layout.inside(ratings):
        if file.suffix.lower() != ".txt":
            continue
        folder = layout.first_dir(*(place / file.stem for place in faces))
        if folder is None:
            left_out["videos left out: no cropped faces"] += 1
            continue
        values = _values(file)
        for image in layout.image_files(folder):
            if not image.stem.isdecimal():
                raise DataError(f"{image} is no numbered frame; expected {LAYOUTS}.")
            frame = int(image.stem)
            if not 1 <= frame <= len(values):
                left_out["frames left out: no line in the ratings"] += 1
            elif _MISSING in values[frame - 1]:
                left_out["frames left out: not rated (-5)"] += 1
            else:
                yield Sample(str(image), partial(images.read, image, "RGB", SIDE), values=values[frame - 1])


def _values(file: Path) -> list[tuple[float, float]]:
    """The ratings of a video, frame 1 first."""
    first, *lines = layout.lines(file) or [""]
    if [word.strip().lower() for word in first.split(",")] != ["valence", "arousal"]:
        raise DataError(f"{file} begins with '{first}'; expected the line valence,arousal and a line for each frame.")
    values = []
    for number, line in enumerate(lines, start=2):
        where = f"{file}, line {number}"
        words = line.split(",")
        if len(words) != 2:
            raise DataError(f"{where}: {len(words)} values, expected valence,arousal.")
        values.append((layout.number(words[0], where, "valence"), layout.number(words[1], where, "arousal")))
    return values


CARD = DatasetCard(
    name="aff-wild2",
    title="Aff-Wild2 (Kollias et al., ABAW), valence and arousal of video frames, faces of 112x112",
    classes=(),
    layouts=LAYOUTS,
    splits=SPLITS,
    licence="on request from the authors, for research; may not be redistributed",
    redistributable=False,
    needs_path=True,
    find=find,
)
