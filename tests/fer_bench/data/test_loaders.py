"""FERPlus, RAF-DB, CK+ and AffectNet's expressions on small trees in their exact public layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_trees import colours, decoded, expected, said, save, words
from toys import faces, write_csv

from fer_bench.core.labels import EXPRESSIONS
from fer_bench.data import DATASETS, collect, open_data, splits
from fer_bench.data.formats import ferplus

# ---------------------------------------------------------------------------- FERPlus

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.mark.parametrize(
    ("votes", "word"),
    [
        # The first lines of the published votes: single votes count as none, then more than half must agree.
        ((4, 0, 0, 1, 3, 2, 0, 0, 0, 0), None),  # 4 of 9
        ((6, 0, 1, 1, 0, 0, 0, 0, 2, 0), "neutral"),  # 6 of 8
        ((5, 0, 0, 3, 1, 0, 0, 0, 1, 0), "neutral"),  # 5 of 8: without dropping the single votes 5 of 10, a tie
        ((4, 0, 0, 4, 1, 0, 0, 0, 1, 0), None),
        ((5, 0, 0, 5, 0, 0, 0, 0, 0, 0), None),
        ((2, 0, 0, 8, 0, 0, 0, 0, 0, 0), "sad"),
        ((0, 0, 6, 0, 0, 0, 4, 0, 0, 0), "surprise"),
        ((0, 0, 0, 0, 0, 0, 0, 6, 4, 0), "contempt"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 8, 2), None),  # unknown
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),  # no face
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), None),
    ],
)
def test_the_majority_is_that_of_the_authors_rule(votes: tuple[int, ...], word: str | None) -> None:
    winner = ferplus.majority(votes)
    assert (None if winner is None else ferplus.CLASSES[winner]) == word


VOTES = [
    ("Training", "fer0000000.png", "0,10,0,0,0,0,0,0,0,0"),
    ("PrivateTest", "fer0000001.png", "0,0,0,0,9,1,0,0,0,0"),
    ("PrivateTest", "", "0,0,0,0,0,0,0,0,0,10"),
    ("PrivateTest", "fer0000003.png", "4,0,0,4,1,0,0,0,1,0"),
    ("PrivateTest", "fer0000004.png", "0,0,0,0,0,2,0,8,0,0"),
    ("PublicTest", "fer0000005.png", "0,0,0,0,0,0,10,0,0,0"),
]
SPLIT_OF = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FOLDER_OF = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


def ferplus_tree(root: Path, layout: str) -> list[np.ndarray]:
    """The votes beside fer2013.csv (line by line), or beside the folders of the authors' script."""
    pixels = list(faces(len(VOTES)))
    root.mkdir()
    (root / "fer2013new.csv").write_text("\n".join([HEADER, *(",".join(line) for line in VOTES)]) + "\n")
    if layout == "csv":
        lines = []
        for i, (usage, _, _) in enumerate(VOTES):
            text = write_csv(root / "part.csv", pixels[i : i + 1], [3], SPLIT_OF[usage]).read_text().splitlines()
            lines += text if i == 0 else text[1:]
        (root / "part.csv").rename(root / "fer2013.csv").write_text("\n".join(lines))
    else:
        for image, (usage, name, _) in zip(pixels, VOTES, strict=True):
            if name:
                save(root / layout / FOLDER_OF[usage] / name, image)
    return pixels


@pytest.mark.parametrize("layout", ["csv", ".", "images", "data"])
def test_ferplus_gives_each_image_the_word_of_its_votes(layout: str, tmp_path: Path) -> None:
    pixels = ferplus_tree(tmp_path / "x", layout)
    data = open_data(f"ferplus:{tmp_path / 'x'}")
    digests = [collect.pixel_digest(image) for image in pixels]
    assert words(data) == {digests[1]: "angry", digests[4]: "contempt"}
    assert data.images.shape == (2, 1, 48, 48)
    assert data.classes == ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
    assert any("2 of 4 images have none" in note for note in data.notes)
    assert words(open_data(f"ferplus:{tmp_path / 'x'}:train")) == {digests[0]: "happy"}
    assert words(open_data(data.source.replace(":test", ":PublicTest"))) == {digests[5]: "fear"}


def test_votes_of_another_order_or_length_are_refused(tmp_path: Path) -> None:
    """Joined line by line, a shuffled or shortened csv would give images the labels of others."""
    ferplus_tree(tmp_path / "x", "csv")
    file = tmp_path / "x" / "fer2013.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *lines[:0:-1]]))
    assert "is of PublicTest, but its votes are not" in said(f"ferplus:{tmp_path / 'x'}")
    file.write_text("\n".join(lines[:-1]))
    assert "has 5 images and its votes 6 lines" in said(f"ferplus:{tmp_path / 'x'}")
    file.write_text("\n".join([*lines, lines[-1]]))
    assert "there is none" in said(f"ferplus:{tmp_path / 'x'}")


def test_what_is_no_ferplus_says_what_was_expected(tmp_path: Path) -> None:
    assert "expected fer2013new.csv (the votes)" in said(f"ferplus:{tmp_path}")
    ferplus_tree(tmp_path / "x", "images")
    (tmp_path / "x" / "images" / "FER2013Test" / "fer0000004.png").write_bytes(b"no image")
    assert "fer0000004.png cannot be read as an image" in said(f"ferplus:{tmp_path / 'x'}")
    (tmp_path / "x" / "images").rename(tmp_path / "x" / "pictures")
    assert "found fer2013new.csv, pictures" in said(f"ferplus:{tmp_path / 'x'}")
    file = tmp_path / "x" / "fer2013new.csv"
    text = file.read_text()
    file.write_text(text.replace("0,0,0,0,9,1", "0,0,0,0,many,1"))
    assert "line 3: number of votes 'many' is not one of 0 to 10" in said(f"ferplus:{tmp_path / 'x'}")
    file.write_text(text.replace(",NF", ",nothing"))
    assert "has the columns" in said(f"ferplus:{tmp_path / 'x'}")


# ---------------------------------------------------------------------------- RAF-DB

RAF_WORDS = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # classes 1 to 7 of the authors' list


def rafdb_tree(root: Path) -> dict[Path, str]:
    names = [f"test_000{i}" for i in range(1, 8)] + ["train_00001", "train_00002"]
    lines, files = [], {}
    for i, (name, pixels) in enumerate(zip(names, colours(9, 100, 100), strict=True)):
        lines.append(f"{name}.jpg {i % 7 + 1}")
        files[save(root / "Image" / "aligned" / f"{name}_aligned.jpg", pixels)] = RAF_WORDS[i % 7]
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return files


def test_raf_db_in_the_authors_layout(tmp_path: Path) -> None:
    files = rafdb_tree(tmp_path / "basic")
    tests = {path: word for path, word in files.items() if path.name.startswith("test")}
    around, within = open_data(f"raf-db:{tmp_path}"), open_data(f"raf-db:{tmp_path / 'basic'}:test")
    assert words(around) == words(within) == expected(tests)
    assert around.images.shape == (7, 3, 100, 100)
    assert len(open_data(f"raf-db:{tmp_path}:train")) == 2
    assert "no split 'val'; it has train, test" in said(f"raf-db:{tmp_path}:val")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("test_0009.jpg 0", "line 10: label '0' is not one of 1 to 7"),
        ("test_0009.jpg 8", "line 10: label '8' is not one of 1 to 7"),
        ("test_0009.jpg", "line 10: expected an image and its class"),
        ("test_0009.jpg 1", "test_0009_aligned.jpg cannot be read (No such file"),
    ],
)
def test_a_wrong_line_of_raf_dbs_list_is_named(line: str, reason: str, tmp_path: Path) -> None:
    rafdb_tree(tmp_path)
    with (tmp_path / "EmoLabel" / "list_patition_label.txt").open("a") as stream:
        stream.write(line)
    assert reason in said(f"raf-db:{tmp_path}")


# ---------------------------------------------------------------------------- CK+

CK_FOLDERS = {
    "anger": "angry",
    "contempt": "contempt",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "sadness": "sad",
    "surprise": "surprise",
}


def ckplus_tree(root: Path, people: int = 30) -> dict[Path, str]:
    """Three frames of one sequence a person, as published; the expressions take turns."""
    files = {}
    pixels = iter(faces(3 * people))
    for i in range(people):
        folder, word = list(CK_FOLDERS.items())[i % len(CK_FOLDERS)]
        for frame in (10, 11, 12):
            path = root / "CK+48" / folder / f"S{i + 5:03d}_001_{frame:08d}.png"
            files[save(path, next(pixels))] = word
    return files


def test_ck_plus_in_folders_is_split_by_person(tmp_path: Path) -> None:
    files = ckplus_tree(tmp_path)
    whole = open_data(f"ckplus:{tmp_path}")
    assert words(whole) == expected(files, "L") == words(open_data(f"ckplus:{tmp_path / 'CK+48'}"))
    assert whole.images.shape == (90, 1, 48, 48)
    person = {collect.pixel_digest(decoded(path, "L")): path.name[:4] for path in files}
    parts = {part: {person[name] for name in open_data(f"ckplus:{tmp_path}:{part}").ids} for part in splits.PARTS}
    assert sum(map(len, parts.values())) == len(set(person.values())) == 30  # nobody is in two, nobody is lost
    assert sum(len(open_data(f"ckplus:{tmp_path}:{part}")) for part in splits.PARTS) == 90


#: The sha256 of each name modulo 10 is 3, 5, 8 and 7.
PART_OF = {"S005": "train", "S010": "train", "S011": "test", "S100": "validation"}


def test_the_part_of_a_person_is_that_of_the_hash() -> None:
    """Computed outside with sha256sum and bc; over many persons the parts are about 7, 1 and 2 tenths."""
    assert [splits.part_of(name) for name in PART_OF] == list(PART_OF.values())
    parts = [splits.part_of(f"S{i:03d}") for i in range(1000)]
    assert [round(parts.count(part) / 1000, 1) for part in splits.PARTS] == [0.7, 0.1, 0.2]


def test_ck_plus_as_csv_has_the_csvs_own_splits(tmp_path: Path) -> None:
    labels = list(range(8))
    pixels = list(faces(8))
    write_csv(tmp_path / "ckextended.csv", pixels, labels, "test")
    data = open_data(f"ckplus:{tmp_path}")
    order = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")  # 0 to 7 of the csv
    assert words(data) == {
        collect.pixel_digest(image): order[label] for image, label in zip(pixels, labels, strict=True)
    }
    assert len(open_data(f"ckplus:{tmp_path}:PrivateTest")) == 8
    assert "holds no images" in said(f"ckplus:{tmp_path}:train")
    write_csv(tmp_path / "ckextended.csv", pixels, [8, *labels[1:]], "test")
    assert "label '8' is not one of 0 to 7" in said(f"ckplus:{tmp_path}")


def test_what_is_no_ck_plus_says_what_was_expected(tmp_path: Path) -> None:
    assert "found nothing; expected CK+48/CLASS/S010_004_00000017.png" in said(f"ckplus:{tmp_path}")
    file = next(iter(ckplus_tree(tmp_path, 1)))
    file.rename(file.with_name("face.png"))
    assert "face.png does not say which person it shows" in said(f"ckplus:{tmp_path}")
    (tmp_path / "CK+48" / "bored").mkdir()
    (tmp_path / "CK+48" / "anger" / "face.png").unlink()
    assert "bored names no class of CK+" in said(f"ckplus:{tmp_path}")


# ---------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", [card.name for card in DATASETS if card.needs_path])
def test_a_set_that_must_be_brought_says_how(name: str, tmp_path: Path) -> None:
    card = DATASETS.get(name)
    kind = "file" if name == "csv" else "folder"
    assert f"{name} needs a {kind}: --data {name}:{kind.upper()}[:SPLIT]" in said(name)
    assert f"does not exist; expected a {kind} with {card.layouts}" in said(f"{name}:{tmp_path / 'absent'}")
    (tmp_path / "notes.txt").touch()
    message = said(f"{name}:{tmp_path}")
    assert card.layouts in message
    assert "notes.txt" in message or "is a folder" in message
    assert set(card.classes) <= set(EXPRESSIONS)
