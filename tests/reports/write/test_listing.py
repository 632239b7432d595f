"""What `list`, `show` and `doctor` print: every card whole, and what would stop a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toys import faces, write_csv

from attacks import ATTACKS
from fer_bench.api import doctor
from fer_bench.bench import provenance
from fer_bench.cli.main import main
from fer_bench.core.model_card import UserFile
from fer_bench.data import DATASETS
from models_zoo import MODELS


def ferbench(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize(
    ("group", "registry"),
    [("models", MODELS), ("attacks", ATTACKS), ("data", DATASETS)],
    ids=["models", "attacks", "data"],
)
def test_list_names_everything_that_is_registered(group, registry):
    done = ferbench(group, "list")
    assert done.exit_code == 0
    for name in registry.names():
        assert any(line.startswith(name) for line in done.output.splitlines())


@pytest.mark.parametrize("name", MODELS.names())
def test_a_models_card_is_shown_whole(name):
    card = MODELS.get(name)
    words = " ".join(ferbench("models", "show", name).output.split())
    files = [file.page if isinstance(file, UserFile) else file.identity[-1] for file in card.files]
    expected = [card.licence, card.input, card.digest, *card.classes, *files, *card.notes]
    for text in [*expected, f"task {card.task}", card.contaminated, *(f"{a.value:.4f}" for a in card.accuracy)]:
        assert " ".join(text.split()) in words


def test_an_accuracy_on_nobody_knows_how_many_images_says_so():
    words = " ".join(ferbench("models", "show", "emonet-8").output.split())
    assert "0.7500 on affectnet8, cleaned by the authors test, n = unknown" in words


@pytest.mark.parametrize("name", ATTACKS.names())
def test_an_attacks_card_is_shown_whole(name):
    card = ATTACKS.get(name)
    words = " ".join(ferbench("attacks", "show", name).output.split())
    for text in [
        card.source,
        card.forwards,
        card.status,
        *card.notes,
        *(f"{p.name}={p.default}" for p in card.parameters),
    ]:
        assert " ".join(text.split()) in words


def test_data_show_counts_images_classes_and_duplicates(tmp_path):
    pixels = list(faces(5))
    write_csv(tmp_path / "fer2013.csv", [*pixels, pixels[0]], [3, 3, 0, 6, 6, 3])
    output = " ".join(ferbench("data", "show", f"fer2013:{tmp_path}:test").output.split())
    assert "images 6, 48x48, gray" in output
    assert "angry 1, disgust 0, fear 0, happy 3, sad 0, surprise 0, neutral 2" in output
    assert "1 images equal another one" in output


def test_data_that_must_be_brought_cannot_be_fetched():
    done = ferbench("data", "fetch", "fer2013")
    assert done.exit_code == 2
    assert "bring it: --data fer2013:FOLDER:SPLIT" in done.output


def test_doctor_says_what_would_stop_a_run(tmp_path, monkeypatch):
    assert ferbench("doctor", "--out", str(tmp_path / "deep" / "results")).exit_code == 0
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FERBENCH_CACHE", str(tmp_path / "file"))
    done = ferbench("doctor", "--out", str(tmp_path / "file"))
    assert done.exit_code == 1
    assert done.output.count("PROBLEM") == 2
    assert "FERBENCH_CACHE" in done.output
    assert not (tmp_path / "deep").exists()  # looking changes nothing


def test_doctor_counts_a_missing_package_as_a_problem(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "versions", lambda: (("torchattacks", "missing"),))
    checks = {check.name: check for check in doctor.examine(Path(tmp_path))}
    assert checks["packages"].fine is False
    assert "missing: torchattacks" in checks["packages"].text
