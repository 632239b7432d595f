"""Re-creates one stored verdict with its image, and says what differs. It writes pictures, never into the store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.core.evalset import EvalSet
from fer_bench.core.labels import NO_CLASSES, match
from fer_bench.core.outcome import Verdict
from fer_bench.engine.attack import Attack, by_proposals
from fer_bench.engine.job import cell_job
from fer_bench.engine.local import run_samples, strongest_images
from fer_bench.errors import StoreError
from fer_bench.faces import landmarks
from fer_bench.files import replacing
from fer_bench.store.results import StoredCell

#: Relative difference of the perturbation's size that another batch shape's rounding can explain.
NORM_TOLERANCE = 1e-3
#: Difference of a regressor's predictions that another batch shape's rounding can explain.
VALUE_TOLERANCE = 1e-3
#: Side in pixels that each picture of the triptych is enlarged to, at least.
PICTURE_SIDE = 224


@dataclass(frozen=True)
class Opened:
    """A stored cell's model, its attack and its data, as they are on this machine now.

    `digest`: the model's. `attack`: the stored settings' attack as this version of the program has it. `data`: the
    whole set, in which samples are looked up by the digest of their pixels.
    """

    model: nn.Module
    digest: str
    attack: Attack
    data: EvalSet


@dataclass(frozen=True)
class Source:
    """The model that a transfer cell's images are made on, as it is now."""

    model: nn.Module
    classes: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Remade:
    """A verdict and its image made again."""

    #: What was stored.
    stored: Verdict
    #: What came out now.
    now: Verdict
    #: What differs, in words.
    differences: tuple[str, ...]
    #: The clean image, float32 `(channels, height, width)` in [0, 1].
    clean: np.ndarray
    #: The adversarial image; the clean one where the attack failed.
    adversarial: np.ndarray


@dataclass(frozen=True)
class Replay:
    """A verdict re-created, and where its images are."""

    #: The cell that it belongs to.
    cell: StoredCell
    #: What was stored.
    stored: Verdict
    #: What came out now.
    now: Verdict
    #: What differs, in words.
    differences: tuple[str, ...]
    #: A PNG of the clean image, the adversarial image and their difference, magnified.
    picture: Path
    #: An npz with the exact float32 images `clean` and `adversarial`, `(channels, height, width)` in [0, 1].
    tensors: Path

    @property
    def same(self) -> bool:
        """True where nothing differs."""
        return not self.differences


def recreate(
    cell: StoredCell,
    stored: Verdict,
    opened: Opened,
    device: torch.device,
    folder: Path,
    source: Source | None = None,
) -> Replay:
    """Attacks one sample again, compares, and writes its pictures; see `remake`.

    Raises StoreError also where the pictures cannot be written.

    `cell`: the stored cell.
    `stored`: its verdict on the sample.
    `opened`: the cell's model, attack and data now.
    `device`: where it is attacked.
    `folder`: where the pictures go.
    `source`: of a transfer cell the model that its images are made on.
    """
    (again,) = remake(cell, [stored], opened, device, source)
    stem = folder / f"{cell.key}-{stored.sample[:12].replace('#', '_')}"
    picture, tensors = stem.with_suffix(".png"), stem.with_suffix(".npz")
    with replacing(picture, _unwritable) as part:
        _triptych(again.clean, again.adversarial).save(part)
    with replacing(tensors, _unwritable) as part:
        np.savez(part, clean=again.clean, adversarial=again.adversarial)
    return Replay(cell, stored, again.now, again.differences, picture, tensors)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path.parent} cannot be written ({os.strerror(error.errno or 0)}); choose another --out.")


def remake(
    cell: StoredCell,
    wanted: Sequence[Verdict],
    opened: Opened,
    device: torch.device,
    source: Source | None = None,
) -> tuple[Remade, ...]:
    """Attacks the samples of stored verdicts again, with the stored settings and seed, and compares.

    Raises StoreError where a sample is not there.

    `cell`: the stored cell.
    `wanted`: its verdicts on those samples.
    `opened`: the cell's model, attack and data now.
    `device`: where they are attacked.
    `source`: of a transfer cell the model that its images are made on.
    """
    attack, data = opened.attack, opened.data
    place = {name: at for at, name in enumerate(data.ids)}
    for stored in wanted:
        if stored.sample not in place:
            raise StoreError(
                f"sample {stored.sample[:12]} is not in {data.source} ({len(data)} images); the data changed since; "
                "`ferbench replay --data` looks elsewhere."
            )
    rows = [place[stored.sample] for stored in wanted]
    classes = NO_CLASSES if data.task == "va" else match(cell.context.model_classes, data.classes)
    needed = data if attack.fit else _only(data, rows)  # an attack of a set looks at all of it
    if source is not None:
        attack = _made_on(source, attack, cell.cell.seed, needed, device)
    job = cell_job(
        replace(attack, spec=cell.cell.attack),
        cell.cell.seed,
        needed,
        classes,
        cell.context.model_classes,
        landmarks.mask_of(needed, cell.cell.attack.threat.region),
    )
    positions = [needed.ids.index(stored.sample) for stored in wanted]
    causes = _differing_causes(cell, opened.digest, attack.spec, source)
    return tuple(
        Remade(
            stored,
            now,
            (*causes, *_differing_outcomes(cell, stored, now)),
            data.images[row].numpy(),
            image.numpy(),
        )
        for stored, row, (now, image) in zip(
            wanted, rows, run_samples(job, opened.model.to(device), positions, device), strict=True
        )
    )


def _made_on(source: Source, attack: Attack, seed: int, data: EvalSet, device: torch.device) -> Attack:
    """The attack that asks about the images which `attack`, a transfer cell's, makes on the source model.

    `source`: that model.
    `attack`: the transfer cell's.
    `seed`: the cell's.
    `data`: the samples.
    `device`: where the images are made.
    """
    mask = landmarks.mask_of(data, attack.spec.threat.region)
    made = replace(attack, spec=replace(attack.spec, source="", source_digest=""))
    job = cell_job(made, seed, data, match(source.classes, data.classes), source.classes, mask)
    images = strongest_images(job, source.model.to(device), device)
    return replace(attack, program=by_proposals, fit=lambda spec, view: images)


def _only(data: EvalSet, rows: Sequence[int]) -> EvalSet:
    """The set of the samples at the positions `rows`."""
    at = list(rows)
    return replace(
        data,
        images=data.images[at],
        labels=data.labels[at],
        ids=tuple(data.ids[row] for row in at),
        values=None if data.values is None else data.values[at],
    )


def _differing_causes(cell: StoredCell, model_digest: str, now: AttackSpec, source: Source | None) -> list[str]:
    """What may explain another outcome: other weights or code than the stored ones."""
    causes = []
    if model_digest != cell.cell.model_digest:
        causes.append(f"model digest: stored {cell.cell.model_digest[:12]}, now {model_digest[:12]}")
    stored = cell.cell.attack
    if source is not None and not source.digest.startswith(stored.source_digest):
        causes.append(f"digest of {stored.source}: stored {stored.source_digest}, now {source.digest[:16]}")
    if now.version != stored.version:
        causes.append(f"version of {stored.name}: stored {stored.version}, now {now.version}")
    settings = dict(now.key_params())
    causes += [
        f"{name} of {stored.name}: stored {value}, now {settings.get(name, 'not set')}"
        for name, value in stored.key_params()
        if settings.get(name) != value
    ]
    return causes


def _differing_outcomes(cell: StoredCell, stored: Verdict, now: Verdict) -> list[str]:
    classes = cell.context.model_classes

    def name(index: int) -> str:
        return classes[index] if 0 <= index < len(classes) else "no such class"

    found = []
    if stored.label != now.label:
        found.append(f"label: stored {name(stored.label)}, now {name(now.label)}")
    if stored.clean_prediction != now.clean_prediction:
        found.append(f"clean prediction: stored {name(stored.clean_prediction)}, now {name(now.clean_prediction)}")
    if stored.fooled != now.fooled:
        found.append(
            f"verdict: stored {'fooled' if stored.fooled else 'stood'}, now {'fooled' if now.fooled else 'stood'}"
        )
    elif stored.attacked_prediction != now.attacked_prediction:
        found.append(
            f"attacked prediction: stored {name(stored.attacked_prediction)}, now {name(now.attacked_prediction)}"
        )
    for when in ("clean_values", "attacked_values"):
        was, is_now = getattr(stored, when), getattr(now, when)
        if was is not None and is_now is not None and not np.allclose(was, is_now, atol=VALUE_TOLERANCE):
            said = f"stored {was[0]:.4f} {was[1]:.4f}, now {is_now[0]:.4f} {is_now[1]:.4f}"
            found.append(f"{when.replace('_', ' ')}: {said}")
    sizes = stored.norm or 0.0, now.norm or 0.0
    if stored.fooled and now.fooled and abs(sizes[0] - sizes[1]) > NORM_TOLERANCE * max(sizes):
        found.append(f"perturbation {cell.cell.attack.norm}: stored {sizes[0]:.6g}, now {sizes[1]:.6g}")
    return found


def _triptych(clean: np.ndarray, adversarial: np.ndarray) -> Image.Image:
    """Clean image, adversarial image, and their difference magnified to full contrast around gray, side by side."""
    delta = adversarial - clean
    largest = float(np.abs(delta).max()) or 1.0
    panels = [clean, adversarial, 0.5 + delta / (2 * largest)]
    height, width = clean.shape[1:]
    factor = max(1, -(-PICTURE_SIDE // max(height, width)))
    sheet = Image.new("RGB", (3 * width * factor + 2 * 8, height * factor), "white")
    for number, panel in enumerate(panels):
        pixels = np.clip(panel * 255, 0, 255).round().astype(np.uint8).transpose(1, 2, 0)
        image = Image.fromarray(pixels[..., 0]).convert("RGB") if pixels.shape[2] == 1 else Image.fromarray(pixels)
        enlarged = image.resize((width * factor, height * factor), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (number * (width * factor + 8), 0))
    return sheet
