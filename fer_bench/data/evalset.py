"""Builds an EvalSet from decoded images: digests, order, subset. It must not know where the images come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from fer_bench.errors import DataError
from fer_bench.types import EvalSet


def pixel_digest(pixels: np.ndarray) -> str:
    """sha256 of an image's shape and decoded 8-bit pixels, `(height, width)` gray or `(height, width, 3)` RGB."""
    header = "x".join(str(side) for side in pixels.shape)
    return hashlib.sha256(header.encode() + b":" + np.ascontiguousarray(pixels).tobytes()).hexdigest()


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
    """The EvalSet of decoded uint8 images of one size, `(height, width)` or `(height, width, 3)`.

    `values`: one (valence, arousal) in [-1, 1] an image, of a set for regressors. Images are ordered by
    `pixel_digest` (then by label, then by values), so that the order of files does not matter, and `n` takes the
    first n: everybody who asks for 500 images of a set has the same 500. Raises DataError for a set that is empty,
    smaller than `n`, or of mixed sizes, and for values outside [-1, 1].
    """
    if not pixels:
        raise DataError(f"{source} holds no images; check the path and the split.")
    shapes = sorted({image.shape for image in pixels})
    if len(shapes) > 1:
        raise DataError(f"{source} mixes image sizes {shapes[0]} and {shapes[-1]}; all images must have one size.")
    if n is not None and not 1 <= n <= len(pixels):
        raise DataError(
            f"--n {n} cannot be taken from {source}, which has {len(pixels)} images; give 1 to {len(pixels)}."
        )
    targets = None if values is None else _targets(source, values, len(pixels))
    digests = [pixel_digest(image) for image in pixels]
    order = sorted(
        range(len(pixels)),
        key=lambda i: (digests[i], labels[i], () if targets is None else tuple(targets[i])),
    )[: n or len(pixels)]
    chosen = np.stack([pixels[i] for i in order])
    if chosen.ndim == 3:
        chosen = chosen[..., None]
    seen: dict[str, int] = {}
    ids = []
    for i in order:
        seen[digests[i]] = count = seen.get(digests[i], 0) + 1
        ids.append(digests[i] if count == 1 else f"{digests[i]}#{count}")
    return EvalSet(
        name=name,
        source=source,
        images=torch.from_numpy(chosen.transpose(0, 3, 1, 2).astype(np.float32) / 255),
        labels=torch.tensor([labels[i] for i in order], dtype=torch.int64),
        classes=classes,
        ids=tuple(ids),
        notes=notes,
        values=None if targets is None else torch.from_numpy(targets[order]),
    )


def _targets(source: str, values: Sequence[tuple[float, float]], n: int) -> np.ndarray:
    """The values as float32 `(n, 2)`; -0.0 becomes 0.0, which a digest would tell apart."""
    targets: np.ndarray = np.asarray(values, dtype=np.float32).reshape(-1, 2) + np.float32(0)
    if len(targets) != n:
        raise ValueError(f"{len(targets)} pairs of values for {n} images")
    wrong = np.flatnonzero(~(np.abs(targets) <= 1).all(axis=1))
    if len(wrong):
        valence, arousal = targets[wrong[0]]
        raise DataError(
            f"{source}: {len(wrong)} of {n} images have values outside [-1, 1], such as valence {valence:g}, arousal "
            f"{arousal:g}; correct or remove them."
        )
    return targets
