"""The expression vocabulary, and how a model's classes meet a data set's. It must not know any model or data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fer_bench.errors import UsageError

#: The words used throughout: the seven of FER2013 in its order, then AffectNet's eighth.
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

_SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "calm": "neutral",
    "contemptuous": "contempt",
}


def expression(word: str) -> str:
    """The vocabulary's word for `word` ('Anger' -> 'angry'); an unknown word is kept, in lower case."""
    plain = word.strip().lower()
    return _SYNONYMS.get(plain, plain)


def ordered(words: Iterable[str]) -> tuple[str, ...]:
    """Words of the vocabulary once each, in its order, then those it lacks by alphabet."""
    found = set(words)
    known = [word for word in EXPRESSIONS if word in found]
    return (*known, *sorted(found.difference(known)))


@dataclass(frozen=True)
class ClassMap:
    """How a data set's labels read in a model's classes.

    `to_model[i]` is the model's index of the data set's class i, or -1. The rule: a data class that the model lacks
    stays in the set and counts as wrong (the model cannot name it, so all models are judged on the same images); a
    model class that the data lacks stays a possible, wrong, answer.
    """

    to_model: tuple[int, ...]
    missing_in_model: tuple[str, ...]
    missing_in_data: tuple[str, ...]


#: Of a regressor and its data, which have no classes to reconcile.
NO_CLASSES = ClassMap((), (), ())


def match(model_classes: tuple[str, ...], data_classes: tuple[str, ...]) -> ClassMap:
    """Reconciles class orders by name. Raises UsageError where no class is shared or a name stands twice."""
    ours = [expression(word) for word in model_classes]
    theirs = [expression(word) for word in data_classes]
    for words, side in ((ours, "model"), (theirs, "data set")):
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise UsageError(f"the {side}'s classes name {', '.join(twice)} twice: {', '.join(words)}.")
    if not set(ours) & set(theirs):
        raise UsageError(
            f"model and data set share no class: the model knows {', '.join(ours)}; the data {', '.join(theirs)}."
        )
    return ClassMap(
        to_model=tuple(ours.index(word) if word in ours else -1 for word in theirs),
        missing_in_model=tuple(word for word in theirs if word not in ours),
        missing_in_data=tuple(word for word in ours if word not in theirs),
    )
