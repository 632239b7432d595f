"""Looks through a data set for `data show`: counts, sizes, duplicates, what cannot be read. No image stops it."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from fer_bench import progress
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import VALENCE_AROUSAL
from fer_bench.data.card import Contents, Sample
from fer_bench.data.collect import float_values, pixel_digest, sample_ids
from fer_bench.errors import DataError

#: How many images of a class (or of a quadrant of valence and arousal) a contact sheet shows: the smallest digests.
SHOWN = 10


@dataclass(frozen=True)
class Example:
    """One image to show: its label (-1: none), its values where it has any, its pixels as `Sample.read` gave them."""

    label: int
    values: tuple[float, float] | None
    pixels: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Spread:
    """The lowest, mean and highest of one kind of value over a set."""

    name: str
    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Survey:
    """What is in a data set."""

    #: The set.
    contents: Contents
    #: How many of its images can be read; the numbers below are about these.
    images: int
    #: How many there are of each size and colour.
    forms: tuple[tuple[str, int], ...]
    #: How many there are of each class.
    counts: tuple[int, ...]
    #: How many are of no class.
    unlabelled: int
    #: Of valence and of arousal; () where there are none.
    spreads: tuple[Spread, ...]
    #: Images that equal one of smaller label or place.
    duplicates: int
    #: Of the duplicates, those whose label is another.
    disputed: int
    #: For each other split that there is, how many images of this set it holds too.
    shared: tuple[tuple[str, int], ...]
    #: One message an image that cannot be read.
    unreadable: tuple[str, ...]
    #: That of the EvalSet; None where none can be made of it.
    digest: str | None
    #: By class, or by `quadrant` where there are no classes.
    examples: tuple[Example, ...]


@dataclass
class _Seen:
    """What is remembered of the images that went by: no pixels but those of the examples."""

    ranks: list[tuple[str, int, tuple[float, ...]]] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    examples: dict[int, list[tuple[str, int, Example]]] = field(default_factory=lambda: defaultdict(list))


def quadrant(values: tuple[float, float]) -> int:
    """The quadrant of a point: 0 pleasant, aroused; 1 unpleasant, aroused; 2 unpleasant, calm; 3 pleasant, calm."""
    valence, arousal = values
    return (0 if valence >= 0 else 1) if arousal >= 0 else (3 if valence >= 0 else 2)


def survey(contents: Contents, others: Mapping[str, Contents]) -> Survey:
    """Looks through `contents`, decoding every image once, and through the `others`, splits of the same set.

    Raises DataError only for what is no image: a label out of range, a table that cannot be read.
    """
    seen = _Seen()
    for sample, pixels in _readable(contents, seen.unreadable):
        _note(seen, sample, pixels, by_class=bool(contents.classes))
    first: dict[str, int] = {}
    disputed = 0
    for digest, label, _ in sorted(seen.ranks):
        disputed += first.setdefault(digest, label) != label
    shared = [(split, _shared(other, first, seen.ranks)) for split, other in others.items()]
    labels = Counter(label for _, label, _ in seen.ranks)
    return Survey(
        contents=contents,
        images=len(seen.ranks),
        forms=tuple(seen.forms.most_common()),
        counts=tuple(labels[index] for index in range(len(contents.classes))),
        unlabelled=labels[-1],
        spreads=_spreads([values for _, _, values in seen.ranks if values]),
        duplicates=len(seen.ranks) - len(first),
        disputed=disputed,
        shared=tuple(shared),
        unreadable=tuple(seen.unreadable),
        digest=None if seen.unreadable or len(seen.forms) != 1 else _digest(contents, sorted(seen.ranks)),
        examples=tuple(example for _, group in sorted(seen.examples.items()) for _, _, example in group),
    )


def _readable(contents: Contents, unreadable: list[str]) -> Iterable[tuple[Sample, np.ndarray]]:
    with progress.steps(f"reading {contents.source}", contents.count) as advance:
        for sample in contents.samples():
            try:
                pixels = sample.read()
            except DataError as error:
                unreadable.append(str(error))
            else:
                yield sample, pixels
            advance()


def _note(seen: _Seen, sample: Sample, pixels: np.ndarray, by_class: bool) -> None:
    digest = pixel_digest(pixels)
    height, width = pixels.shape[:2]
    seen.forms[f"{height}x{width}, {'gray' if pixels.ndim == 2 else 'RGB'}"] += 1
    group = seen.examples[sample.label if by_class or sample.values is None else quadrant(sample.values)]
    insort(group, (digest, len(seen.ranks), Example(sample.label, sample.values, pixels)), key=lambda entry: entry[:2])
    del group[SHOWN:]
    seen.ranks.append((digest, sample.label, float_values(sample.values)))


def _shared(other: Contents, first: Mapping[str, int], ranks: Iterable[tuple[str, int, tuple[float, ...]]]) -> int:
    found = {digest for _, pixels in _readable(other, []) if (digest := pixel_digest(pixels)) in first}
    return sum(digest in found for digest, _, _ in ranks)


def _spreads(values: list[tuple[float, ...]]) -> tuple[Spread, ...]:
    if not values:
        return ()
    table = np.array(values, dtype=np.float64)
    return tuple(
        Spread(name, float(column.min()), float(column.mean()), float(column.max()))
        for name, column in zip(VALENCE_AROUSAL, table.T, strict=True)
    )


def _digest(contents: Contents, ranks: list[tuple[str, int, tuple[float, ...]]]) -> str:
    """The digest of the EvalSet that `evalset.collect` makes, which no pixel takes part in but through the ids."""
    values = torch.tensor([rank[2] for rank in ranks], dtype=torch.float32) if ranks[0][2] else None
    labels = torch.tensor([rank[1] for rank in ranks], dtype=torch.int64)
    ids = sample_ids(rank[0] for rank in ranks)
    return EvalSet(contents.name, contents.source, torch.empty(0), labels, contents.classes, ids, (), values).digest
