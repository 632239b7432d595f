"""Cards as TOML: those of our own models read as they always have, and a wrong field is a line with what was there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from places import GOLDEN

from fer_bench.core.model_card import ModelCard
from fer_bench.errors import UsageError
from models_zoo.own.card_file import read_card
from models_zoo.trained.bundled import CARDS, FOLDER

CONTENT = b"weights"
FILE = f'[[file]]\npath = "w"\nsha256 = "{hashlib.sha256(CONTENT).hexdigest()}"\n'
ACCURACY = "[[accuracy]]\nvalue = 0.5\ndata = 'd'\nsplit = 's'\n"
FIELDS = {"name": '"toy"', "classes": '["angry", "happy"]', "architecture": '"slim"'}


def told(card: ModelCard) -> dict[str, object]:
    """Everything that a card says, as plain values; files by their place among the bundled ones."""
    values = {field.name: getattr(card, field.name) for field in dataclasses.fields(card) if field.name != "build"}
    values["files"] = [
        {**dataclasses.asdict(file), "path": file.path.relative_to(FOLDER).as_posix()} for file in card.files
    ]
    values["accuracy"] = [dataclasses.asdict(accuracy) for accuracy in card.accuracy]
    return json.loads(json.dumps({**values, "digest": card.digest}))


def test_our_own_cards_say_what_they_have_always_said():
    """tests/golden/cards.json holds what 0.1.0 read from each, and the digest of its cells with it."""
    golden = json.loads((GOLDEN / "cards.json").read_text(encoding="utf-8"))
    assert len(golden) == 10
    assert [told(card) for card in CARDS] == golden


def read(folder: Path, fields: dict[str, str], tables: str = FILE + ACCURACY) -> ModelCard:
    (folder / "w").write_bytes(CONTENT)
    lines = "".join(f"{name} = {value}\n" for name, value in fields.items())
    (folder / "card.toml").write_text(lines + tables, encoding="utf-8")
    return read_card(folder / "card.toml")


def test_what_a_card_leaves_out_is_unknown(tmp_path):
    card = read(tmp_path, FIELDS)
    assert (card.name, card.title, card.classes, card.parameters) == ("toy", "toy", ("angry", "happy"), 0)
    assert (card.paper, card.licence, card.family, card.trained_on) == ("unknown",) * 4
    assert (card.accuracy[0].n, card.accuracy[0].source) == (None, "unknown")


@pytest.mark.parametrize(
    ("changes", "tables", "said"),
    [
        ({"title": "3"}, "", "title is 3; give a text."),
        ({"classes": '["angry", 3]'}, "", "classes is ['angry', 3]; give a list of texts."),
        ({"classes": '"angry"'}, "", "classes is 'angry'; give a list of texts."),
        ({"classes": '["angry"]'}, "", "classes is ['angry']; give the names of the outputs, in their order."),
        ({"notes": "[[]]"}, "", "notes is [[]]; give a list of texts."),
        ({"year": "2024.0"}, "", "year is 2024.0; give a whole number."),
        ({"year": "true"}, "", "year is True; give a whole number."),
        ({"year": "-1"}, "", "year is -1; give a whole number."),
        ({"year": "2024-01-01"}, "", "year is datetime.date(2024, 1, 1); give a whole number."),
        ({"defended": "1"}, "", "defended is 1; give true or false."),
        ({"architecture": '"onnx"'}, "", "input is missing; give a text."),
        ({"licenze": '"MIT"'}, "", "unknown field 'licenze'. Did you mean licence"),
        ({"accuracy": "3"}, FILE, "[[accuracy]] is 3; give tables of that name."),
        ({"file": "[3]"}, ACCURACY, "[[file]] is [3]; give tables of that name."),
        ({}, ACCURACY, "[[file]] is missing; give one file of weights."),
        ({}, FILE + FILE, "[[file]] is missing; give one file of weights."),
        ({}, FILE + "size = '3'\n", "size is '3'; give a whole number."),
        ({}, FILE + "sise = 3\n", "unknown field 'sise'. Did you mean size? Known: url, blob, size, path, sha256."),
        ({}, "[[file]]\npath = 'w'\n", "sha256 is missing; give a text."),
        ({}, "[[file]]\nurl = 'https://example.org/w'\n", "blob is missing; give a text."),
        ({}, "[[file]]\n", "path is missing; give a text."),
        ({}, FILE + ACCURACY.replace("0.5", "1"), "value is 1; give a fraction from 0.0 to 1.0."),
        ({}, FILE + ACCURACY.replace("0.5", "50.0"), "value is 50.0; give a fraction from 0.0 to 1.0."),
        ({}, FILE + ACCURACY.replace("0.5", "nan"), "value is nan; give a fraction from 0.0 to 1.0."),
        ({}, FILE + ACCURACY + "n = '3'\n", "n is '3'; give a whole number."),
        ({}, FILE + ACCURACY + ACCURACY.replace("split", "splot"), "unknown field 'splot'. Did you mean split"),
        ({}, FILE + "[[accuracy]]\nvalue = 0.5\ndata = 'd'\n", "split is missing; give a text."),
    ],
)
def test_a_wrong_field_is_a_line_with_what_was_there_and_what_is_expected(tmp_path, changes, tables, said):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, FIELDS | changes, tables or FILE + ACCURACY)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "card.toml") in str(caught.value)
