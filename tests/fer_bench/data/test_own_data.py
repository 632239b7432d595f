"""Folders, csv files and parquet of the user's own: classes by name, one size for all, splits."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_trees import colours, expected, said, save, values_of, words
from PIL import Image
from toys import faces

from fer_bench.data import collect, open_data, splits
from fer_bench.data.sizing import SIDE

# ---------------------------------------------------------------------------- an image folder


def folder_tree(root: Path, sizes: list[tuple[int, int]]) -> dict[Path, str]:
    """One RGB image of each size in each of three folders, named as people name them."""
    files = {}
    for seed, (folder, word) in enumerate({"Happiness": "happy", "anger": "angry", "bored": "bored"}.items()):
        for i, (height, width) in enumerate(sizes):
            files[save(root / folder / f"{i}.png", colours(1, height, width, 10 * seed + i)[0])] = word
    return files


def test_a_folder_of_one_size_is_taken_as_it_is(tmp_path: Path) -> None:
    files = folder_tree(tmp_path, [(60, 40), (60, 40)])  # not square
    data = open_data(f"folder:{tmp_path}")
    assert data.classes == ("angry", "happy", "bored")  # the vocabulary's order, then what it lacks
    assert words(data) == expected(files)
    assert data.images.shape == (6, 3, 60, 40)
    assert open_data(data.source).digest == data.digest


def test_a_folder_of_mixed_sizes_is_brought_to_one_and_says_so(tmp_path: Path) -> None:
    """The largest central square by bicubic interpolation: computed here by cutting first and resizing then."""
    files = folder_tree(tmp_path, [(300, 200), (64, 64)])
    data = open_data(f"folder:{tmp_path}")
    assert data.images.shape == (6, 3, SIDE, SIDE)
    assert any("2 sizes (heights 64 to 300, widths 64 to 200)" in note and "112x112" in note for note in data.notes)
    wanted = {}
    for path, word in files.items():
        with Image.open(path) as image:
            edge = min(image.size)
            left, top = (image.width - edge) // 2, (image.height - edge) // 2
            square = image.crop((left, top, left + edge, top + edge)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            wanted[collect.pixel_digest(np.asarray(square))] = word
    assert words(data) == wanted


def test_gray_files_stay_gray_and_one_colour_file_makes_a_colour_set(tmp_path: Path) -> None:
    for i, image in enumerate(faces(3)):
        save(tmp_path / "fear" / f"{i}.png", image)
    assert open_data(f"folder:{tmp_path}").images.shape == (3, 1, 48, 48)
    save(tmp_path / "sad" / "deep" / "4.jpg", colours(1, 48, 48)[0])
    assert open_data(f"folder:{tmp_path}").images.shape == (4, 3, 48, 48)
    (tmp_path / "sad" / "deep" / "4.jpg").rename(tmp_path / "fear" / "00.jpg")  # first now, before the gray ones
    assert open_data(f"folder:{tmp_path}").images.shape == (4, 3, 48, 48)


def test_a_folder_may_hold_splits(tmp_path: Path) -> None:
    files = folder_tree(tmp_path / "Valid", [(48, 48)])
    folder_tree(tmp_path / "train", [(48, 48), (48, 48)])
    assert words(open_data(f"folder:{tmp_path}:Valid")) == expected(files) == words(open_data(f"folder:{tmp_path}:val"))
    assert len(open_data(f"folder:{tmp_path}:train")) == 6
    assert "found Valid, train; expected CLASS/*.png" in said(f"folder:{tmp_path}")
    assert "is not a folder with a split 'test'" in said(f"folder:{tmp_path}:test")


def test_a_folder_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    for number in ("0", "1"):
        save(tmp_path / number / "a.png", faces(1)[0])
    assert "found 0, 1; expected CLASS/*.png" in said(f"folder:{tmp_path}")
    folder_tree(tmp_path / "x", [(48, 48)])
    save(tmp_path / "x" / "happy" / "b.png", faces(1)[0])
    assert "has the folders Happiness and happy, which mean the same expression" in said(f"folder:{tmp_path / 'x'}")
    (tmp_path / "y" / "sad").mkdir(parents=True)
    assert "holds no images" in said(f"folder:{tmp_path / 'y'}")
    (tmp_path / "y" / "sad" / "c.jpg").write_bytes(b"no image")
    assert "c.jpg cannot be read as an image" in said(f"folder:{tmp_path / 'y'}")


# ---------------------------------------------------------------------------- a csv manifest


def manifest(root: Path, columns: str, lines: list[str], n: int = 8) -> Path:
    for i, image in enumerate(faces(n)):
        save(root / "faces" / f"{i}.png", image)
    (root / "set.csv").write_text("\n".join([columns, *lines]) + "\n")
    return root / "set.csv"


def digests(*numbers: int) -> list[str]:
    return [collect.pixel_digest(faces(8)[i]) for i in numbers]


def test_a_manifest_of_labels(tmp_path: Path) -> None:
    lines = ["faces/0.png,Happiness", f"{tmp_path}/faces/1.png,sad", "faces/2.png,bored"]
    data = open_data(f"csv:{manifest(tmp_path, 'Path,Label', lines)}")
    assert words(data) == dict(zip(digests(0, 1, 2), ("happy", "sad", "bored"), strict=True))
    assert data.classes == ("happy", "sad", "bored")
    assert data.task == "expression"


def test_a_manifest_of_values_with_some_labels(tmp_path: Path) -> None:
    lines = ["0.5,-1,faces/0.png,happy", "0,0.25,faces/1.png,"]
    data = open_data(f"csv:{manifest(tmp_path, 'valence,arousal,path,label', lines)}")
    assert words(data) == dict(zip(digests(0, 1), ("happy", "none"), strict=True))
    assert values_of(data) == [(0.0, 0.25), (0.5, -1.0)]
    bare = open_data(f"csv:{manifest(tmp_path, 'path,valence,arousal', ['faces/0.png,0.5,-1'])}")
    assert (bare.classes, bare.labels.tolist(), values_of(bare)) == ((), [-1], [(0.5, -1.0)])


def test_a_manifests_splits_are_its_column_or_its_subjects(tmp_path: Path) -> None:
    lines = ["faces/0.png,happy,Training", "faces/1.png,sad,val", "faces/2.png,fear,train"]
    file = manifest(tmp_path, "path,label,split", lines)
    assert words(open_data(f"csv:{file}:train")) == dict(zip(digests(0, 2), ("happy", "fear"), strict=True))
    assert open_data(f"csv:{file}:val").classes == open_data(f"csv:{file}").classes  # the same in every split
    assert "no split 'test'; it has train, validation" in said(f"csv:{file}:test")
    people = ["S005", "S011", "S100", "S005"]
    lines = [f"faces/{i}.png,happy,{name}" for i, name in enumerate(people)]
    file = manifest(tmp_path, "path,label,subject", lines)
    for part in splits.PARTS:
        chosen = [i for i, name in enumerate(people) if splits.part_of(name) == part]
        assert set(open_data(f"csv:{file}:{part}").ids) == set(digests(*chosen))
    file = manifest(tmp_path, "path,label,subject", [*lines, "faces/5.png,sad,"])
    assert "line 6: the subject is empty" in said(f"csv:{file}:train")
    assert "no column split or subject" in said(f"csv:{manifest(tmp_path, 'path,label', ['faces/0.png,sad'])}:train")


@pytest.mark.parametrize(
    ("columns", "line", "reason"),
    [
        ("path,valence", "faces/0.png,1", "has the columns path, valence; expected the columns path"),
        ("file,label", "faces/0.png,sad", "has the columns file, label; expected"),
        ("path,label", "faces/0.png,", "line 2: the label is empty"),
        ("path,label", "faces/0.png,3", "has the labels 3; expected words such as angry"),
        ("path,label", "faces/99.png,sad", "99.png cannot be read (No such file"),
        ("path,valence,arousal", "faces/0.png,1.5,0", "line 2: valence 1.5 is not in [-1, 1]"),
        ("path,valence,arousal", "faces/0.png,nan,0", "line 2: valence nan is not in [-1, 1]"),
        ("path,valence,arousal", "faces/0.png,,0", "line 2: valence '' is not a number"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_named(columns: str, line: str, reason: str, tmp_path: Path) -> None:
    assert reason in said(f"csv:{manifest(tmp_path, columns, [line])}")


# ---------------------------------------------------------------------------- parquet of the datasets library


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def hf_file(path: Path, pixels: list[np.ndarray], labels: list[int], names: Any, label: str = "label") -> Path:
    """As `datasets` 2.14 and later write it: the features as JSON under the key huggingface of the schema."""
    features = {
        label: {"names": names, "_type": "ClassLabel"},
        "image": {"_type": "Image"},
        "index": {"dtype": "int64", "_type": "Value"},
    }
    rows = [{"bytes": encoded(image), "path": None} for image in pixels]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {"index": list(range(len(rows))), "image": pa.array(rows, image), label: pa.array(labels, pa.int64())}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return path


NAMES = ["Sadness", "joy", "Neutral"]


def test_parquet_names_its_own_columns_and_classes(tmp_path: Path) -> None:
    pixels = list(faces(5))
    hf_file(tmp_path / "data" / "test-00000-of-00002.parquet", pixels[:3], [0, 1, 2], NAMES, "emotion")
    hf_file(tmp_path / "data" / "test-00001-of-00002.parquet", pixels[3:], [1, 1], NAMES, "emotion")
    hf_file(tmp_path / "data" / "train-00000-of-00001.parquet", pixels[:1], [2], NAMES, "emotion")
    data = open_data(f"hf:{tmp_path}")
    named = ("sad", "happy", "neutral", "happy", "happy")
    assert words(data) == dict(zip((collect.pixel_digest(p) for p in pixels), named, strict=True))
    assert data.classes == ("sad", "happy", "neutral")
    assert data.images.shape == (5, 1, 48, 48)
    assert len(open_data(f"hf:{tmp_path}:train")) == 1
    hf_file(tmp_path / "data" / "train_more-00000-of-00001.parquet", pixels[:2], [2, 2], NAMES, "emotion")
    assert len(open_data(f"hf:{tmp_path}:training")) == 1  # not the split whose name begins alike
    one = open_data(f"hf:{tmp_path / 'data' / 'test-00001-of-00002.parquet'}")
    assert len(one) == 2
    assert "has the splits test, train, train_more" in said(f"hf:{tmp_path}:validation")
    assert "is one file" in said(f"{one.source}:test")


def test_parquet_of_mixed_sizes_is_brought_to_one(tmp_path: Path) -> None:
    pixels = [colours(1, 64, 64)[0], colours(1, 100, 80)[0]]
    file = hf_file(tmp_path / "train.parquet", pixels, [0, 1], NAMES)
    data = open_data(f"hf:{tmp_path}")
    assert data.images.shape == (2, 3, SIDE, SIDE)
    assert data.source == f"hf:{tmp_path.resolve()}:train"  # the only split that is there
    assert open_data(f"hf:{file}").ids == data.ids


@pytest.mark.parametrize(
    ("labels", "names", "reason"),
    [
        ([3], NAMES, "row 0: label '3' is not one of 0 to 2"),
        ([-1], NAMES, "row 0: label '-1' is not one of 0 to 2"),  # how the library marks an unlabelled split
        ([0], ["0", "1"], "has the classes 0, 1; expected such as angry"),
        ([0], ["joy", "happy"], "names one expression twice: joy, happy"),
        ([0], None, "does not describe an Image and a ClassLabel column"),
    ],
)
def test_parquet_that_cannot_be_used_says_why(labels: list[int], names: Any, reason: str, tmp_path: Path) -> None:
    assert reason in said(f"hf:{hf_file(tmp_path / 'test.parquet', list(faces(1)), labels, names)}")


def test_parquet_without_a_description_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [encoded(faces(1)[0])], "label": [0]}), tmp_path / "test.parquet")
    assert "does not describe an Image and a ClassLabel column" in said(f"hf:{tmp_path}")
    (tmp_path / "test.parquet").write_bytes(b"PAR1 no more")
    assert "cannot be read as parquet" in said(f"hf:{tmp_path}")


def test_a_damaged_image_in_parquet_is_named(tmp_path: Path) -> None:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": encoded(faces(1)[0]), "path": None}, {"bytes": None, "path": "elsewhere.png"}]
    described = pq.read_schema(hf_file(tmp_path / "x.parquet", list(faces(1)), [0], NAMES)).metadata
    table = pa.table({"image": pa.array(rows, image), "label": [0, 1]})
    pq.write_table(table.replace_schema_metadata(described), tmp_path / "test.parquet")
    assert "test.parquet, row 1 holds no image bytes" in said(f"hf:{tmp_path / 'test.parquet'}")
