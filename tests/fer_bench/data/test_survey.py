"""Reading in a stream, and `data show`: counts, duplicates inside and across splits, what cannot be read, the sheet."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from image_trees import colours, save
from PIL import Image
from toys import CLASSES, faces, write_csv

from fer_bench.cli.main import main
from fer_bench.data import Contents, Sample, collect, open_data, survey_data
from fer_bench.errors import UsageError
from reports.write import contact_sheet


def show(*words: str) -> str:
    done = CliRunner().invoke(main, ["data", "show", *words])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


# ---------------------------------------------------------------------------- in a stream


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 6), st.sampled_from([(-1.0, 0.5), (0.0, 0.0), (0.25, -1.0)])),
        min_size=1,
        max_size=14,
    ),
    st.data(),
)
def test_the_stream_keeps_what_sorting_everything_would(
    rows: list[tuple[int, int, tuple[float, float]]], data: st.DataObject
) -> None:
    """The full sort is written out here: by digest, then label, then values."""
    n = data.draw(st.integers(1, len(rows)))
    images = faces(6, side=3)
    ranked = sorted((collect.pixel_digest(images[i]), label, values) for i, label, values in rows)
    kept = collect.build(
        "x", "x", [images[i] for i, _, _ in rows], [row[1] for row in rows], CLASSES, n, values=[row[2] for row in rows]
    )
    assert [name[:64] for name in kept.ids] == [digest for digest, _, _ in ranked[:n]]
    assert kept.labels.tolist() == [label for _, label, _ in ranked[:n]]
    assert kept.values is not None
    assert [tuple(pair) for pair in kept.values.tolist()] == [values for _, _, values in ranked[:n]]
    by_digest = {collect.pixel_digest(image): torch.from_numpy(image) / 255 for image in images}
    for name, image in zip(kept.ids, kept.images, strict=True):
        assert torch.equal(image[0], by_digest[name[:64]])


def test_at_most_n_images_are_held_at_a_time() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def read(i: int) -> np.ndarray:
        nonlocal most
        most = max(most, sum(reference() is not None for reference in alive))
        pixels = np.full((2, 2), i, dtype=np.uint8)
        alive.append(weakref.ref(pixels))
        return pixels

    def samples() -> Iterator[Sample]:
        for i in range(200):
            yield Sample(str(i), lambda i=i: read(i), 0)

    gc.disable()
    try:
        data = collect.collect(Contents("x", "x", CLASSES, samples), 5)
    finally:
        gc.enable()
    assert len(data) == 5
    assert most <= 7  # the five, the newest, the one that it is replacing


# ---------------------------------------------------------------------------- what is counted


def fer2013_folders(root: Path, split: str, pixels: list[np.ndarray], labels: list[int]) -> None:
    for i, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        save(root / split / CLASSES[label] / f"{i}.png", image)


def test_duplicates_are_counted_inside_and_across_splits(tmp_path: Path) -> None:
    a, b, c, d = faces(4)
    fer2013_folders(tmp_path, "test", [a, a, a, b, c], [3, 3, 0, 6, 6])
    fer2013_folders(tmp_path, "train", [a, c, d, d], [3, 0, 1, 1])
    found = survey_data(f"fer2013:{tmp_path}:test")
    assert (found.images, found.duplicates, found.disputed) == (5, 2, 2)  # a twice more; two of the three happy
    assert found.shared == (("train", 4),)  # a three times, c once; no validation is there
    assert found.counts == (1, 0, 0, 2, 0, 0, 2)
    assert found.digest == open_data(f"fer2013:{tmp_path}:test").digest
    text = show(f"fer2013:{tmp_path}:test")
    assert "duplicates 2 images equal another one, 2 of them under another label" in text
    assert "4 of these images are in train too" in text
    assert "unreadable none" in text


def test_what_is_disputed_does_not_depend_on_the_order_of_the_files(tmp_path: Path) -> None:
    image = faces(1)[0]
    counts = []
    for labels in ([3, 3, 0], [0, 3, 3]):
        write_csv(tmp_path / "fer2013.csv", [image] * 3, labels)
        counts.append(survey_data(f"fer2013:{tmp_path}").disputed)
    assert counts == [2, 2]


def test_the_survey_stops_at_no_image_and_names_what_cannot_be_read(tmp_path: Path) -> None:
    fer2013_folders(tmp_path, "test", list(faces(14)), [3] * 14)
    for i in range(12):
        (tmp_path / "test" / "happy" / f"{i}.png").write_bytes(b"no image")
    found = survey_data(f"fer2013:{tmp_path}:test")
    assert (found.images, len(found.unreadable), found.digest) == (2, 12, None)
    text = show(f"fer2013:{tmp_path}:test")
    assert "unreadable 12 images" in text
    assert text.count("cannot be read as an image") == 10
    assert "and 2 more" in text
    assert "digest none: the set cannot be used as it is" in text


def test_mixed_sizes_are_shown_where_a_run_would_refuse_them(tmp_path: Path) -> None:
    fer2013_folders(tmp_path, "test", [*faces(2), *faces(1, side=64)], [3, 3, 3])
    text = show(f"fer2013:{tmp_path}:test")
    assert "images 3: 2 of 48x48, gray; 1 of 64x64, gray" in text


def test_values_are_shown_with_their_range(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013.csv", list(faces(4)), [3, 4, 6, 6])
    text = show(f"fer2013-va:{tmp_path}")
    assert "valence -0.630 to 0.810, mean 0.045" in text  # (0.81 - 0.63 + 0 + 0) / 4
    assert "arousal -0.270 to 0.510, mean 0.060" in text  # (0.51 - 0.27 + 0 + 0) / 4
    assert "proxy" in text
    assert survey_data(f"fer2013-va:{tmp_path}").digest == open_data(f"fer2013-va:{tmp_path}").digest


def test_the_digest_that_is_shown_is_that_of_a_run(tmp_path: Path) -> None:
    """Also for a zero written as -0.0, and for an image that stands there twice with other values."""
    save(tmp_path / "a.png", faces(1)[0])
    (tmp_path / "set.csv").write_text("path,valence,arousal\na.png,-0.0,0.1\na.png,-0.3,-0.0\n")
    assert survey_data(f"csv:{tmp_path / 'set.csv'}").digest == open_data(f"csv:{tmp_path / 'set.csv'}").digest


@pytest.mark.fer2013
def test_the_published_duplicates_of_fer2013(fer2013: Path) -> None:
    """1,236 training images equal another; counted outside, 351 of them and 280 validation images are in both."""
    for split in ("train", "validation"):
        if not (fer2013 / f"fer2013-{split}.parquet").is_file():
            pytest.skip(f"{fer2013} has no fer2013-{split}.parquet")
    train = survey_data(f"fer2013:{fer2013}:train")
    assert (train.images, train.duplicates, train.disputed) == (28709, 1236, 55)
    assert dict(train.shared)["validation"] == 351
    validation = survey_data(f"fer2013:{fer2013}:validation")
    assert (validation.duplicates, dict(validation.shared)["train"]) == (26, 280)


# ---------------------------------------------------------------------------- the contact sheet


def colour_at(path: Path, x: int, y: int) -> tuple[int, ...]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixel = image.convert("RGB").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def test_the_sheet_shows_a_row_of_images_for_each_class_that_has_any(tmp_path: Path) -> None:
    red, blue = np.zeros((48, 48, 3), np.uint8), np.zeros((48, 48, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    save(tmp_path / "x" / "angry" / "a.png", red)
    save(tmp_path / "x" / "happy" / "b.png", blue)
    (tmp_path / "x" / "fear").mkdir()
    file = tmp_path / "sheet.png"
    assert f"Sheet: {file}" in show(f"folder:{tmp_path / 'x'}", "--sheet", str(file))
    assert colour_at(file, 200, 50) == (255, 0, 0)
    assert colour_at(file, 200, 150) == (0, 0, 255)  # fear has no row
    assert colour_at(file, 300, 50) == (255, 255, 255)  # no second angry image
    with Image.open(file) as image:
        assert image.height < 220


def test_the_sheet_of_values_alone_has_a_row_for_each_quadrant(tmp_path: Path) -> None:
    lines = ["path,valence,arousal"]
    for i, (image, values) in enumerate(
        zip(colours(4, 20, 20), ("0.5,0.5", "-0.5,0.5", "-0.5,-0.5", "0.5,-0.5"), strict=True)
    ):
        image[:] = 40 * i
        save(tmp_path / f"{i}.png", image)
        lines.append(f"{i}.png,{values}")
    (tmp_path / "set.csv").write_text("\n".join(lines))
    file = tmp_path / "sheet.png"
    show(f"csv:{tmp_path / 'set.csv'}", "--sheet", str(file))
    rows = [colour_at(file, 200, 50 + 114 * row)[0] for row in range(4)]
    assert rows == [0, 40, 80, 120]


@pytest.mark.parametrize(("name", "reason"), [("a.jpg", "is no PNG"), ("absent/a.png", "does not exist")])
def test_a_sheet_that_cannot_be_written_is_refused_before_reading(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=reason):
        contact_sheet.check(tmp_path / name)
    done = CliRunner().invoke(main, ["data", "show", f"fer2013:{tmp_path}", "--sheet", str(tmp_path / name)])
    assert done.exit_code == 2
    assert reason in done.output
    done = CliRunner().invoke(main, ["data", "show", "fer2013", "--sheet", str(tmp_path / "a.png")])
    assert done.exit_code == 2
    assert "a sheet needs images" in done.output
