"""Landmarks: dlib's points on real faces, the cache, and what happens where no face is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toys import sample_name, seeded

from fer_bench.data import open_data
from fer_bench.errors import FetchError
from fer_bench.faces import landmarks
from fer_bench.faces.landmarks import find, is_sane, masks, mean_face, points

#: Which point is which in a mirror.
MIRRORED = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def located(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """dlib replaced: a bright image has a face, its mean face moved by a pixel; every look is noted."""
    looks: list[np.ndarray] = []

    def look(gray: np.ndarray) -> torch.Tensor | None:
        looks.append(gray)
        return mean_face(*gray.shape) + 1 if gray.mean() > 128 else None

    monkeypatch.setattr(landmarks, "_locate", look)
    return looks


def bright_and_dark() -> torch.Tensor:
    return torch.stack([torch.full((1, 12, 16), 0.8), torch.full((1, 12, 16), 0.1)])


def test_a_face_that_is_not_found_gets_the_mean_face_and_is_counted(cache, located):
    found = find(bright_and_dark(), ["bright", "dark"])
    assert found.detected.tolist() == [True, False]
    assert torch.equal(found.points[1], mean_face(12, 16))
    assert torch.equal(found.points[0], mean_face(12, 16) + 1)
    assert torch.equal(points(bright_and_dark(), ["bright", "dark"]), found.points)


def test_points_are_cached_by_the_digest_of_the_pixels_and_by_nothing_else(cache, located):
    ids = [sample_name(1), sample_name(2)]
    first = find(bright_and_dark(), ids)
    again = find(bright_and_dark().flip(0), [f"{ids[1]}#2", ids[0]])
    assert len(located) == 2
    assert torch.equal(again.points, first.points.flip(0))
    assert again.detected.tolist() == [False, True]
    # A name that is no digest could be anybody's: it must not be answered from the cache.
    find(bright_and_dark(), ["0001", "0002"])
    find(bright_and_dark().flip(0), ["0001", "0002"])
    assert len(located) == 6
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert sorted(path.stem for path in files) == sorted(ids)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY damaged", b"half", None])
def test_a_damaged_cache_is_made_again(cache, located, content):
    ids = [sample_name(1)]
    before = points(bright_and_dark()[:1], ids)
    (file,) = (path for path in cache.rglob("*") if path.is_file())
    if content is None:
        np.save(file, np.zeros((5, 2), np.float32))
    else:
        file.write_bytes(content)
    assert torch.equal(points(bright_and_dark()[:1], ids), before)
    assert len(located) == 2
    assert np.load(file).shape == (68, 2)


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, located):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=r"cannot be written.*set FERBENCH_CACHE"):
        points(bright_and_dark()[:1], [sample_name(1)])


def test_masks_are_of_each_images_own_face_and_in_its_type(cache, located):
    images = bright_and_dark().double()
    made = masks(images, ["bright", "dark"], "eyes+mouth")
    assert (made.shape, made.dtype) == ((2, 1, 12, 16), torch.float64)
    assert set(made.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(made[0, :, 1:, 1:], made[1, :, :-1, :-1])
    assert torch.equal(1 - made, masks(images, ["bright", "dark"], "outside-eyes+mouth"))


def test_a_colour_image_is_looked_at_in_gray(cache, located):
    gray = (seeded((1, 1, 12, 16), 3) * 255).round() / 255
    points(gray.expand(-1, 3, -1, -1), ["colour"])
    points(gray, ["gray"])
    assert np.array_equal(located[0], located[1])


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("upside down", lambda p: 47 - p),
        ("eyes below the mouth", lambda p: torch.cat([p[:36], p[36:48] + torch.tensor([0.0, 25.0]), p[48:]])),
        ("no distance between the eyes", lambda p: torch.cat([p[:42], p[36:42], p[48:]])),
        ("mouth beside the face", lambda p: torch.cat([p[:48], p[48:] + torch.tensor([16.0, 0.0])])),
        ("half outside", lambda p: p + torch.tensor([30.0, 0.0])),
        ("too large", lambda p: (p - 23.5) * 2.2 + 23.5),
    ],
)
def test_points_that_are_no_face_are_not_sane(what, change):
    face = mean_face(48, 48)
    assert is_sane(face, 48, 48)
    assert not is_sane(change(face), 48, 48), what


@pytest.mark.network
@pytest.mark.fer2013
def test_dlib_finds_the_faces_of_fer2013_and_the_same_ones_in_a_mirror(fer2013):
    """The mirror would show a swap of axes, a shift of the pixel grid, or points of the wrong numbers."""
    images = open_data(f"fer2013:{fer2013}:validation", 40).images
    ids = [str(i) for i in range(40)]
    found = find(images, ids)
    mirrored = find(images.flip(3), ids)
    assert int(found.detected.sum()) >= 38
    back = mirrored.points[:, MIRRORED] * torch.tensor([-1.0, 1.0]) + torch.tensor([47.0, 0.0])
    distance = (back - found.points).norm(dim=2).mean(1)
    assert float(distance.median()) < 1.0
    offset = (back - found.points).mean((0, 1)).abs()
    assert float(offset.max()) < 0.5
