"""AFEW-VA (Kossaifi et al., Image and Vision Computing 2017): film clips with valence and arousal for each frame.

A clip is a folder NNN with its frames 00000.png ... and NNN.json: "frames" gives each frame's valence and arousal,
whole numbers from -10 to 10 that become [-1, 1], and 68 landmarks; "actor" names who plays, in some clips nobody. The
clips lie in the root or in batches (01/001 ...). The face is cut out of the frame by its landmarks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fer_bench.data import images, layout, splits
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError

SIDE = 224
#: The square that is cut out: the longer side of the landmarks' box times this, around its middle.
MARGIN = 1.4
_SCALE = 10.0
LAYOUTS = "clips 001 ... 600 (in the folder or in batches 01 ... 12), each with 00000.png ... and 001.json"


@dataclass(frozen=True)
class _Frame:
    """One annotated frame: its name in the clip's folder, its values, and the box of its face (None: no landmarks)."""

    name: str
    values: tuple[float, float]
    box: images.Box | None


@dataclass(frozen=True)
class _Clip:
    """One clip: its folder, who plays in it ('' where nobody is named), and its frames."""

    folder: Path
    actor: str
    frames: tuple[_Frame, ...]


def find(path: str | None, split: str | None) -> Contents:
    """AFEW-VA at `path`; RGB faces of 224x224. `split`: train, validation, test by person; None takes all."""
    root = layout.find_root(path, "afew-va", "AFEW-VA", LAYOUTS)
    wanted = layout.choose_split(split, splits.PARTS, "AFEW-VA") if split else None
    clips = [_clip(file) for file in _annotations(root)]
    if not clips:
        raise layout.not_found(root, "AFEW-VA", LAYOUTS)
    samples = [sample for clip in clips for sample in _samples(clip)]
    notes = [f"faces cut out by their landmarks ({MARGIN:g} times their box) and brought to {SIDE}x{SIDE}"]
    bare = sum(frame.box is None for clip in clips for frame in clip.frames)
    if bare:
        notes.append(f"{bare:,} frames left out: no landmarks")
    if wanted:
        unknown = sum(not clip.actor for clip in clips)
        samples = splits.by_subject(samples, wanted)
        notes += [
            f"split {wanted}",
            splits.NOTE,
            f"{unknown} of {len(clips)} clips name no actor; each counts as a person of its own, so that somebody may "
            "be in two splits",
        ]
    source = layout.source("afew-va", root, wanted)
    return Contents("afew-va", source, (), lambda: samples, len(samples), tuple(notes))


def _annotations(root: Path) -> Iterator[Path]:
    """NNN/NNN.json, in the root or one folder below it."""
    for folder in filter(Path.is_dir, layout.inside(root)):
        file = folder / f"{folder.name}.json"
        if file.is_file():
            yield file
        else:
            inner = (entry / f"{entry.name}.json" for entry in layout.inside(folder) if entry.is_dir())
            yield from filter(Path.is_file, inner)


def _clip(file: Path) -> _Clip:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as JSON ({error}); fetch it again.") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, dict):
        raise DataError(f"{file} has no 'frames'; expected the annotation of an AFEW-VA clip: {LAYOUTS}.")
    read = tuple(_frame(name, frame, f"{file}, frame {name}") for name, frame in sorted(frames.items()))
    return _Clip(file.parent, str(content.get("actor") or "").strip(), read)


def _frame(name: str, frame: object, where: str) -> _Frame:
    if not isinstance(frame, dict):
        raise DataError(f"{where}: expected valence, arousal and landmarks, found {type(frame).__name__}.")
    return _Frame(name, (_rating(frame, "valence", where), _rating(frame, "arousal", where)), _face_box(frame, where))


def _rating(frame: dict[str, object], what: str, where: str) -> float:
    value = layout.number(str(frame.get(what)), where, what)
    if not abs(value) <= _SCALE:
        raise DataError(f"{where}: {what} {value:g} is not in [-10, 10].")
    return value / _SCALE


def _face_box(frame: dict[str, object], where: str) -> images.Box | None:
    given = frame.get("landmarks")
    if not given:
        return None
    try:
        points = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise DataError(f"{where}: the landmarks are no list of points (x, y).")
    low, high = points.min(0), points.max(0)
    half = MARGIN * float((high - low).max()) / 2
    x, y = ((low + high) / 2).tolist()
    return x - half, y - half, x + half, y + half


def _samples(clip: _Clip) -> Iterator[Sample]:
    subject = clip.actor or f"clip {clip.folder.name}"
    for frame in clip.frames:
        if frame.box is not None:
            file = _image(clip.folder, frame.name)
            read = partial(images.read, file, "RGB", SIDE, frame.box)
            yield Sample(str(file), read, values=frame.values, subject=subject)


def _image(folder: Path, name: str) -> Path:
    """The frame's file: png as published, or jpg as some copies have it."""
    other = folder / f"{name}.jpg"
    return other if other.is_file() else folder / f"{name}.png"


CARD = DatasetCard(
    name="afew-va",
    title="AFEW-VA (Kossaifi et al., 2017), valence and arousal of 30,051 frames in 600 film clips",
    classes=(),
    layouts=LAYOUTS,
    splits=splits.PARTS,
    licence="on request from the authors, for research; may not be redistributed",
    redistributable=False,
    needs_path=True,
    find=find,
)
