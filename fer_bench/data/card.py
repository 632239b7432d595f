"""The nouns of data sets: what is known of one (DatasetCard), and what a loader finds at a path. It opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One image of a data set, not decoded yet."""

    #: What names it in messages.
    where: str
    #: Decodes it: uint8 `(height, width)` gray or `(height, width, 3)` RGB; raises DataError.
    read: Callable[[], np.ndarray] = field(repr=False, compare=False)
    #: Index into the set's classes; -1 where it has no expression.
    label: int = -1
    #: Valence and arousal in [-1, 1], where it has them.
    values: tuple[float, float] | None = None
    #: The person, where known; splits by subject go by it.
    subject: str = ""


@dataclass(frozen=True)
class Contents:
    """What a loader found: everything about a set but its pixels."""

    #: The data set's.
    name: str
    #: The `--data` text that opens the set again.
    source: str
    #: In the order of the labels.
    classes: tuple[str, ...]
    #: Gives the samples anew at each call, one at a time, so that a set larger than memory can be read.
    samples: Callable[[], Iterable[Sample]] = field(repr=False, compare=False)
    #: How many there are, where that is known before reading.
    count: int | None = None
    #: What was left out and how a split was made, for people to read.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetCard:
    """A data set: what it is, the layouts in which it is found, its terms, and how its images are found."""

    #: Its word in `--data`.
    name: str
    #: Its name for people.
    title: str
    #: In the order of the labels; () where they depend on what is found.
    classes: tuple[str, ...]
    #: The public layouts that are read, in words.
    layouts: str
    #: The names of its splits.
    splits: tuple[str, ...]
    #: Its terms, in words.
    licence: str
    #: Whether the user must have the data.
    needs_path: bool
    #: Takes a path and a split, each or None, and decodes nothing.
    find: Callable[[str | None, str | None], Contents] = field(repr=False, compare=False)
    #: Whether its licence lets its images be passed on, as in a report that is sent to somebody; what is not known to
    #: be allowed is not.
    redistributable: bool = False
