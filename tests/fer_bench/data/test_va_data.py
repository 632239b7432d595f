"""Valence and arousal: AffectNet, AFEW-VA and Aff-Wild2 in their public layouts, and FER2013's proxy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_trees import colours, decoded, expected, said, save, values_of, words
from PIL import Image
from toys import CLASSES, faces, write_csv

from fer_bench.data import open_data
from fer_bench.data.formats import afewva, fer2013_va

# ---------------------------------------------------------------------------- AffectNet

AFFECTNET_WORDS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")  # codes 0 to 7
COLUMNS = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
#: Code, valence, arousal: one of each expression, then none, uncertain and no face, and one that nobody rated.
RATED = [(code, round(0.1 * code - 0.3, 6), round(0.9 - 0.2 * code, 6)) for code in range(8)]
ROWS = [*RATED, (8, 0.1, 0.1), (9, -2.0, -2.0), (10, -2.0, -2.0), (3, -2.0, -2.0)]


def affectnet_npy(root: Path, split: str = "val_set") -> dict[Path, str]:
    """images/N.jpg of 224x224 and one array of one text for each annotation, as the authors give them out."""
    files = {}
    for i, (pixels, (code, valence, arousal)) in enumerate(zip(colours(len(ROWS), 224, 224), ROWS, strict=True)):
        path = save(root / split / "images" / f"{i}.jpg", pixels)
        if code < 8:
            files[path] = AFFECTNET_WORDS[code]
        annotations = root / split / "annotations"
        annotations.mkdir(exist_ok=True)
        for kind, value in (("exp", code), ("val", valence), ("aro", arousal)):
            np.save(annotations / f"{i}_{kind}.npy", np.array(str(value)))
        np.save(annotations / f"{i}_lnd.npy", np.zeros(136))
    return files


def affectnet_csv(root: Path, header: bool = True) -> None:
    """Photographs of 60x80, each with a face of 20x20 at (30, 10) whose colour tells it from the others."""
    lines = [COLUMNS] if header else []
    for i, (code, valence, arousal) in enumerate(ROWS):
        photo = np.full((60, 80, 3), 255, dtype=np.uint8)
        photo[10:30, 30:50] = (10 * i, 0, 0)
        save(root / "Manually_Annotated_Images" / "7" / f"{i:02d}.png", photo)
        lines.append(f"7/{i:02d}.png,30,10,20,20,{'1.5;2.5;' * 67}1.5;2.5,{code},{valence},{arousal}")
    (root / "validation.csv").write_text("\n".join(lines) + "\n")


def test_affectnets_arrays_give_expressions_and_values(tmp_path: Path) -> None:
    files = affectnet_npy(tmp_path)
    plain = open_data(f"affectnet:{tmp_path}")
    assert plain.values is None
    assert plain.classes == AFFECTNET_WORDS
    assert words(plain) == expected(files)  # 224x224 stays as it is
    assert any("3 images left out: no expression" in note for note in plain.notes)
    rated = open_data(f"affectnet-va:{tmp_path}:val")
    assert values_of(rated) == sorted((valence, arousal) for _, valence, arousal in RATED)
    by_digest = words(rated)
    assert rated.values is not None
    for name, (valence, _) in zip(rated.ids, rated.values.tolist(), strict=True):
        assert AFFECTNET_WORDS[round((valence + 0.3) * 10)] == by_digest[name]
    assert any("1 images left out: no valence or arousal" in note for note in rated.notes)
    seven = open_data(f"affectnet7:{tmp_path}")
    assert seven.classes == AFFECTNET_WORDS[:7]
    assert set(words(seven).values()) == set(AFFECTNET_WORDS[:7])
    assert any("left out: of another class (contempt)" in note for note in seven.notes)


@pytest.mark.parametrize("header", [True, False])
def test_affectnets_csv_cuts_the_face_out(header: bool, tmp_path: Path) -> None:
    """A face of one colour, cut exactly, is one colour; a box that is off by a pixel brings in the white around."""
    affectnet_csv(tmp_path, header)
    data = open_data(f"affectnet-va:{tmp_path}")
    assert data.images.shape == (8, 3, 224, 224)
    assert values_of(data) == sorted((valence, arousal) for _, valence, arousal in RATED)
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        assert image.flatten(1).amax(1).tolist() == pytest.approx([10 * label / 255, 0, 0])
        assert image.flatten(1).amin(1).tolist() == pytest.approx([10 * label / 255, 0, 0])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("7/00.png,30,10,20,20,,11,0,0", "line 2: expression '11' is not one of 0 to 10"),
        ("7/00.png,30,ten,20,20,,1,0,0", "line 2: face_y 'ten' is not a number"),
        ("7/00.png,30,10,0,20,,1,0,0", "does not fit the image of 80x60"),
        ("7/00.png,90,10,20,20,,1,0,0", "does not fit the image of 80x60"),
        ("7/00.png,0,0,9999999,9999999,,1,0,0", "does not fit the image of 80x60"),
        ("7/99.png,30,10,20,20,,1,0,0", "99.png cannot be read (No such file"),
        ("7/00.png,30,10,20,20,,1,1.5,0", "1 of 1 images of affectnet-va"),
        ("7/00.png,30,10", "line 2: 3 columns, expected 9"),
    ],
)
def test_a_wrong_line_of_affectnets_csv_is_named(line: str, reason: str, tmp_path: Path) -> None:
    affectnet_csv(tmp_path)
    (tmp_path / "validation.csv").write_text(f"{COLUMNS}\n{line}\n")
    assert reason in said(f"affectnet-va:{tmp_path}")


def test_an_annotation_of_affectnet_that_is_no_number_is_named(tmp_path: Path) -> None:
    affectnet_npy(tmp_path)
    file = tmp_path / "val_set" / "annotations" / "3_val.npy"
    np.save(file, np.array(["a", "b"]))
    assert f"{file} cannot be read as one number" in said(f"affectnet-va:{tmp_path}")
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)  # a pickle must not be opened
    assert f"{file} cannot be read as one number" in said(f"affectnet-va:{tmp_path}")
    file.unlink()
    assert "cannot be read as one number" in said(f"affectnet-va:{tmp_path}")
    assert len(open_data(f"affectnet:{tmp_path}")) == 9  # expressions alone need no values
    assert "expected training.csv and validation.csv" in said(f"affectnet:{tmp_path}:train")


# ---------------------------------------------------------------------------- AFEW-VA

#: 68 points whose box is 40 wide and 20 high around (60, 40).
POINTS = [[40.0 + 40 * i / 67, 30.0 + 20 * i / 67] for i in range(68)]


def clip(root: Path, name: str, ratings: list[tuple[Any, Any]], **more: Any) -> Path:
    """NNN/00000.png ... of 120x80 and NNN.json; frame i is of one gray, another in each clip."""
    frames = {}
    for i, (valence, arousal) in enumerate(ratings):
        pixels = np.full((80, 120, 3), 3 * int(name) + i, dtype=np.uint8)
        save(root / name / f"{i:05d}.png", pixels)
        frames[f"{i:05d}"] = {"landmarks": POINTS, "valence": valence, "arousal": arousal}
    content = {"video_id": name, "actor": f"Actor {name}", "frames": frames, **more}
    file = root / name / f"{name}.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("batch", [".", "01"])
def test_afew_va_brings_its_ratings_to_one(batch: str, tmp_path: Path) -> None:
    clip(tmp_path / batch, "001", [(-10, 10), (0, 3)])
    clip(tmp_path / batch, "002", [(2.0, -5.0)])
    data = open_data(f"afew-va:{tmp_path}")
    assert data.images.shape == (3, 3, 224, 224)
    assert (data.task, data.classes, data.labels.tolist()) == ("va", (), [-1, -1, -1])
    assert values_of(data) == [(-1.0, 1.0), (0.0, 0.3), (0.2, -0.5)]
    assert data.values is not None
    grays = {
        round(float(image.max()) * 255): tuple(pair)
        for image, pair in zip(data.images, data.values.tolist(), strict=True)
    }
    assert grays == {3: (-1.0, 1.0), 4: (0.0, pytest.approx(0.3)), 6: (pytest.approx(0.2), -0.5)}


def test_the_face_is_cut_out_by_its_landmarks(tmp_path: Path) -> None:
    """The square's side is MARGIN times 40, around (60, 40): what lies outside is not in the image."""
    file = clip(tmp_path, "001", [(0, 0)])
    photo = np.zeros((80, 120, 3), dtype=np.uint8)
    half = round(afewva.MARGIN * 40 / 2)
    photo[40 - half : 40 + half, 60 - half : 60 + half] = 200
    save(file.parent / "00000.png", photo)
    assert (open_data(f"afew-va:{tmp_path}").images * 255).round().unique().tolist() == [200]
    photo[40 - half - 1, :] = photo[:, 60 + half] = 7  # just outside
    save(file.parent / "00000.png", photo)
    assert (open_data(f"afew-va:{tmp_path}").images * 255).round().unique().tolist() == [200]


def test_afew_va_is_split_by_actor_and_says_what_is_not_known(tmp_path: Path) -> None:
    for i in range(1, 21):
        clip(tmp_path, f"{i:03d}", [(i % 10, 0)], actor=f"Actor {i % 4}" if i < 17 else "")
    parts = [open_data(f"afew-va:{tmp_path}:{part}") for part in ("train", "test")]
    assert any("4 of 20 clips name no actor" in note for note in parts[0].notes)
    seen = [{round(float(image.max()) * 255) // 3 for image in part.images} for part in parts]
    actors = [{i % 4 for i in clips if i < 17} for clips in seen]
    assert not actors[0] & actors[1]
    assert not seen[0] & seen[1]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ({"landmarks": POINTS, "valence": 11, "arousal": 0}, "frame 00000: valence 11 is not in [-10, 10]"),
        ({"landmarks": POINTS, "valence": 1}, "frame 00000: arousal 'None' is not a number"),
        ({"landmarks": [[1, 2, 3]], "valence": 1, "arousal": 0}, "the landmarks are no list of points"),
        ({"landmarks": [["a", "b"]], "valence": 1, "arousal": 0}, "the landmarks are no list of points"),
        ([], "expected valence, arousal and landmarks, found list"),
    ],
)
def test_a_wrong_frame_of_afew_va_is_named(frame: Any, reason: str, tmp_path: Path) -> None:
    clip(tmp_path, "001", [(0, 0)], frames={"00000": frame})
    assert reason in said(f"afew-va:{tmp_path}")


def test_afew_va_without_landmarks_or_json(tmp_path: Path) -> None:
    bare = {"landmarks": [], "valence": 1, "arousal": 1}
    clip(tmp_path, "001", [(5, 5)])
    clip(tmp_path, "002", [(0, 0)], frames={"00000": bare})
    data = open_data(f"afew-va:{tmp_path}")
    assert len(data) == 1
    assert any("1 frames left out: no landmarks" in note for note in data.notes)
    file = clip(tmp_path, "003", [(0, 0)])
    file.write_text("{")
    assert "003.json cannot be read as JSON" in said(f"afew-va:{tmp_path}")
    file.write_text("[]")
    assert "003.json has no 'frames'" in said(f"afew-va:{tmp_path}")


# ---------------------------------------------------------------------------- Aff-Wild2


def affwild2_tree(root: Path, ratings: str = "6th ABAW Annotations/VA_Estimation_Challenge") -> None:
    """Three frames of which the second was not rated and the third has no face; a video whose faces are absent."""
    folder = root / ratings / "Validation_Set"
    folder.mkdir(parents=True)
    (folder / "10-60-1280x720_right.txt").write_text("valence,arousal\n0.1,-0.2\n-5,-5\n0.3,0.4\n0.5,-0.6\n")
    (folder / "video2.txt").write_text("valence,arousal\n0,0\n")
    images = colours(3, 112, 112)
    for frame, pixels in zip((1, 2, 4), images, strict=True):
        save(root / "cropped_aligned" / "10-60-1280x720_right" / f"{frame:05d}.jpg", pixels)


@pytest.mark.parametrize("ratings", ["VA_Estimation_Challenge", "annotations/VA_Set", "a/b/VA_Estimation_Challenge"])
def test_aff_wild2_takes_the_line_of_each_frame(ratings: str, tmp_path: Path) -> None:
    affwild2_tree(tmp_path, ratings)
    data = open_data(f"aff-wild2:{tmp_path}")
    folder = tmp_path / "cropped_aligned" / "10-60-1280x720_right"
    assert words(data) == expected({folder / "00001.jpg": "none", folder / "00004.jpg": "none"})
    assert values_of(data) == [(0.1, -0.2), (0.5, -0.6)]
    first = (decoded(folder / "00001.jpg").transpose(2, 0, 1) / 255).astype(np.float32)
    assert data.values is not None
    pairs = {
        bool(np.allclose(image.numpy(), first)): round(v, 6)
        for image, (v, _) in zip(data.images, data.values.tolist(), strict=True)
    }
    assert pairs == {True: 0.1, False: 0.5}
    assert any("1 frames left out: not rated (-5)" in note for note in data.notes)
    assert any("1 videos left out: no cropped faces" in note for note in data.notes)
    assert "no split 'test'; it has train, validation" in said(f"aff-wild2:{tmp_path}:test")
    assert "is not Aff-Wild2 with a split 'train'" in said(f"aff-wild2:{tmp_path}:train")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0.1,0.2\n", "begins with '0.1,0.2'; expected the line valence,arousal"),
        ("", "begins with ''"),
        ("valence,arousal\n0.1\n", "line 2: 1 values"),
        ("valence,arousal\n0.1,0.1\n\n0.1,0.1\n", "line 3: 1 values"),  # skipped, it would shift every later frame
        ("valence,arousal\n0.1,x\n", "line 2: arousal 'x' is not a number"),
        ("valence,arousal\n0.1,1.2\n0,0\n0,0\n0,0\n", "values outside [-1, 1], such as"),
    ],
)
def test_wrong_ratings_of_aff_wild2_are_named(content: str, reason: str, tmp_path: Path) -> None:
    affwild2_tree(tmp_path, "VA_Estimation_Challenge")
    (tmp_path / "VA_Estimation_Challenge" / "Validation_Set" / "10-60-1280x720_right.txt").write_text(content)
    assert reason in said(f"aff-wild2:{tmp_path}")


def test_a_frame_beyond_the_ratings_is_left_out(tmp_path: Path) -> None:
    affwild2_tree(tmp_path)
    folder = tmp_path / "cropped_aligned" / "10-60-1280x720_right"
    save(folder / "00005.jpg", colours(1, 112, 112, seed=9)[0])
    data = open_data(f"aff-wild2:{tmp_path}")
    assert len(data) == 2
    assert any("1 frames left out: no line in the ratings" in note for note in data.notes)
    (folder / "face.jpg").write_bytes((folder / "00005.jpg").read_bytes())
    assert "face.jpg is no numbered frame" in said(f"aff-wild2:{tmp_path}")


# ---------------------------------------------------------------------------- the proxy


def test_the_proxy_is_fer2013_with_the_published_means(tmp_path: Path) -> None:
    """Pleasure and arousal of angry, disgusted, fearful, happy, sad, surprised: Russell and Mehrabian 1977."""
    labels = [0, 1, 2, 3, 4, 5, 6, 3]
    write_csv(tmp_path / "fer2013.csv", list(faces(8)), labels, "validation")
    real, data = open_data(f"fer2013:{tmp_path}:val"), open_data(f"fer2013-va:{tmp_path}:val", 5)
    assert data.ids == real.ids[:5]
    assert data.labels.tolist() == real.labels.tolist()[:5]
    published = [(-0.51, 0.59), (-0.6, 0.35), (-0.64, 0.6), (0.81, 0.51), (-0.63, -0.27), (0.4, 0.67), (0.0, 0.0)]
    assert data.values is not None
    for label, pair in zip(data.labels.tolist(), data.values.tolist(), strict=True):
        assert pair == pytest.approx(published[label])
    assert open_data(data.source, 5).digest == data.digest
    assert tuple(fer2013_va.MEANS) == CLASSES


def test_the_word_proxy_stands_wherever_the_proxy_is_shown(tmp_path: Path) -> None:
    write_csv(tmp_path / "fer2013.csv", list(faces(1)), [0])
    data = open_data(f"fer2013-va:{tmp_path}")
    assert "proxy" in data.name
    assert any("proxy" in note for note in data.notes)
    assert "proxy" in fer2013_va.CARD.title.lower()
    assert data.task == "va"


def test_an_image_of_16_bits_is_not_silently_made_white(tmp_path: Path) -> None:
    """Pillow's own conversion of 16-bit gray cuts every value at 255."""
    affectnet_npy(tmp_path)
    file = tmp_path / "val_set" / "images" / "0.png"
    (tmp_path / "val_set" / "images" / "0.jpg").unlink()
    Image.fromarray(np.full((224, 224), 30000, dtype=np.uint16)).save(file)
    assert f"{file} cannot be read as 8-bit pixels" in said(f"affectnet:{tmp_path}")
