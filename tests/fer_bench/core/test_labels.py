"""The vocabulary of expressions, and how a model's classes meet a data set's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_bench.core.labels import EXPRESSIONS, expression, match
from fer_bench.data import DATASETS
from fer_bench.errors import UsageError
from models_zoo import MODELS

CLASSES = st.lists(st.sampled_from(EXPRESSIONS), min_size=1, unique=True).map(tuple)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Anger", "angry"),
        (" HAPPINESS ", "happy"),
        ("surprised", "surprise"),
        ("calm", "neutral"),
        ("contemptuous", "contempt"),
        ("Fear", "fear"),
        ("bored", "bored"),
    ],
)
def test_a_word_reads_as_the_vocabularys(word: str, meant: str) -> None:
    assert expression(word) == meant


def test_the_vocabulary_is_its_own_reading() -> None:
    assert tuple(map(expression, EXPRESSIONS)) == EXPRESSIONS
    assert EXPRESSIONS[:7] == DATASETS.get("fer2013").classes  # FER2013's order: 0 angry ... 6 neutral


def test_the_models_and_data_sets_speak_the_vocabulary() -> None:
    for card in [*(model for model in MODELS if model.task == "expression"), *DATASETS]:
        assert set(card.classes) <= set(EXPRESSIONS), card.name


@given(CLASSES, CLASSES)
def test_labels_keep_their_meaning(model: tuple[str, ...], data: tuple[str, ...]) -> None:
    if not set(model) & set(data):
        with pytest.raises(UsageError, match="share no class"):
            match(model, data)
        return
    found = match(model, data)
    assert len(found.to_model) == len(data)
    for i, name in zip(found.to_model, data, strict=True):
        assert model[i] == name if i >= 0 else name not in model
    assert set(found.missing_in_model) == set(data) - set(model)
    assert set(found.missing_in_data) == set(model) - set(data)


def test_another_order_and_other_words_are_reconciled() -> None:
    found = match(("neutral", "Happiness", "Sadness", "contempt"), ("happy", "sad", "fear"))
    assert found.to_model == (1, 2, -1)
    assert found.missing_in_model == ("fear",)
    assert found.missing_in_data == ("neutral", "contempt")


def test_a_class_that_stands_twice_is_refused() -> None:
    """Two of a model's outputs under one word: which of them is right would be a matter of order."""
    with pytest.raises(UsageError, match=r"the model's classes name happy twice"):
        match(("happy", "joy", "sad"), ("happy", "sad"))
    with pytest.raises(UsageError, match=r"the data set's classes name sad twice"):
        match(("happy", "sad"), ("sad", "sadness"))
