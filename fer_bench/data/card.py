"""The nouns of data sets: what is known of one (DatasetCard), and what a loader finds at a path. It opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One image that a loader found, not decoded yet.

    `where` names it in messages. `read` decodes it: uint8 `(height, width)` gray or `(height, width, 3)` RGB, or a
    DataError. `label`: index into the set's classes, -1 where it has no expression. `values`: valence and arousal in
    [-1, 1]. `subject`: the person, where known; splits by subject go by it.
    """

    where: str
    read: Callable[[], np.ndarray] = field(repr=False, compare=False)
    label: int = -1
    values: tuple[float, float] | None = None
    subject: str = ""


@dataclass(frozen=True)
class Contents:
    """What a loader found: everything about a set but its pixels.

    `samples` gives the samples anew at each call, one at a time, so that a set larger than memory can be read;
    `count` is how many, where that is known before reading. `source`: the `--data` text that opens the set again.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    samples: Callable[[], Iterable[Sample]] = field(repr=False, compare=False)
    count: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetCard:
    """A data set: what it is, the layouts in which it is found, its terms, and how its images are found.

    `find` takes a path and a split, each or None, and decodes nothing. `classes` is () where they depend on what is
    found. `needs_path`: the user must have the data. `redistributable`: its licence lets its images be passed on, as in
    a report that is sent to somebody; what is not known to be allowed is not.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    layouts: str
    splits: tuple[str, ...]
    licence: str
    needs_path: bool
    find: Callable[[str | None, str | None], Contents] = field(repr=False, compare=False)
    redistributable: bool = False
