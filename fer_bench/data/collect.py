"""Makes an EvalSet of what a loader found: digests, order, subset. It must not know where the images come from."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from fer_bench import progress
from fer_bench.core.evalset import EvalSet
from fer_bench.data.card import Contents, Sample
from fer_bench.errors import DataError


def pixel_digest(pixels: np.ndarray) -> str:
    """sha256 of an image's shape and decoded 8-bit pixels, `(height, width)` gray or `(height, width, 3)` RGB."""
    header = "x".join(str(side) for side in pixels.shape)
    return hashlib.sha256(header.encode() + b":" + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def sample_ids(digests: Iterable[str]) -> tuple[str, ...]:
    """The ids of images by their digests, in order: the second of two equal ones is marked '#2'."""
    seen: Counter[str] = Counter()
    ids = []
    for digest in digests:
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}#{seen[digest]}")
    return tuple(ids)


def float_values(values: tuple[float, float] | None) -> tuple[float, ...]:
    """Valence and arousal as float32 holds them; -0.0, which a digest would tell apart, becomes 0.0."""
    return () if values is None else tuple(float(np.float32(value)) + 0.0 for value in values)


@dataclass(frozen=True)
class _Entry:
    """A decoded sample on its way into a set."""

    rank: tuple[str, int, tuple[float, ...]]
    pixels: np.ndarray


@dataclass
class _Tally:
    """What went by while the samples were read, those that were not kept included."""

    count: int = 0
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)


def collect(contents: Contents, n: int | None = None) -> EvalSet:
    """The EvalSet of what a loader found, all of it or the `n` images of smallest digest.

    Images are ordered by `pixel_digest` (then by label, then by values), so that the order of files does not matter:
    everybody who asks for 500 images of a set has the same 500. Every image is decoded, at most `n` are held at a
    time. Raises DataError for a set that is empty, smaller than `n`, or of mixed sizes, for an image that cannot be
    read and for values outside [-1, 1].
    """
    if n is not None and n < 1:
        raise DataError(f"--n {n} cannot be taken from {contents.source}; give a whole number from 1.")
    tally = _Tally()
    with progress.steps(f"reading {contents.name}", contents.count) as advance:
        entries = _decoded(contents.samples(), tally, advance)
        kept = sorted(entries, key=_rank) if n is None else heapq.nsmallest(n, entries, key=_rank)
    _check(contents.source, tally, n)
    pixels = np.stack([entry.pixels for entry in kept])
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    images = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    images /= 255  # in place: a set of photographs is the largest thing in memory
    has_values = bool(kept[0].rank[2])
    return EvalSet(
        name=contents.name,
        source=contents.source,
        images=torch.from_numpy(images),
        labels=torch.tensor([entry.rank[1] for entry in kept], dtype=torch.int64),
        classes=contents.classes,
        ids=sample_ids(entry.rank[0] for entry in kept),
        notes=contents.notes,
        values=torch.tensor([entry.rank[2] for entry in kept], dtype=torch.float32) if has_values else None,
    )


def build(
    name: str,
    source: str,
    pixels: Sequence[np.ndarray],
    labels: Sequence[int],
    classes: tuple[str, ...],
    n: int | None = None,
    notes: tuple[str, ...] = (),
    values: Sequence[tuple[float, float]] | None = None,
) -> EvalSet:
    """The EvalSet of images that are decoded already; see `collect`.

    `name`: the set's.
    `source`: the `--data` text that opens it again.
    `pixels`: uint8, `(height, width)` or `(height, width, 3)` each.
    `labels`: one an image, indices into `classes`; -1: none.
    `classes`: the set's.
    `n`: how many to keep; None: all.
    `notes`: for people to read.
    `values`: one (valence, arousal) in [-1, 1] an image, of a set for regressors.
    """
    pairs: Sequence[tuple[float, float] | None] = [None] * len(pixels) if values is None else values
    samples = [
        Sample(f"image {i} of {source}", partial(np.asarray, image), label, pair)
        for i, (image, label, pair) in enumerate(zip(pixels, labels, pairs, strict=True))
    ]
    return collect(Contents(name, source, classes, lambda: samples, len(samples), notes), n)


def _rank(entry: _Entry) -> tuple[str, int, tuple[float, ...]]:
    return entry.rank


def _decoded(samples: Iterable[Sample], tally: _Tally, advance: progress.Advance) -> Iterator[_Entry]:
    for sample in samples:
        pixels = sample.read()
        values = float_values(sample.values)
        if not all(abs(value) <= 1 for value in values):
            tally.outside.append(f"{sample.where}, valence {values[0]:g}, arousal {values[1]:g}")
        tally.count += 1
        tally.shapes.add(pixels.shape)
        advance()
        yield _Entry((pixel_digest(pixels), sample.label, values), pixels)


def _check(source: str, tally: _Tally, n: int | None) -> None:
    if not tally.count:
        raise DataError(f"{source} holds no images; check the path and the split.")
    shapes = sorted(tally.shapes)
    if len(shapes) > 1:
        raise DataError(f"{source} mixes image sizes {shapes[0]} and {shapes[-1]}; all images must have one size.")
    if tally.outside:
        raise DataError(
            f"{len(tally.outside)} of {tally.count} images of {source} have values outside [-1, 1], such as "
            f"{tally.outside[0]}; correct or remove them."
        )
    if n is not None and n > tally.count:
        raise DataError(
            f"--n {n} cannot be taken from {source}, which has {tally.count} images; give 1 to {tally.count}."
        )
