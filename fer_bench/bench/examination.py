"""Looks at a model before it is attacked: is what it answers fit to be attacked, and is it what its card says?

It judges no robustness and changes nothing; what it finds is stored with the outcome. It must know no particular model.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from fer_bench.core.evalset import EvalSet
from fer_bench.core.labels import NO_CLASSES, match
from fer_bench.core.model_card import Finding, Loaded, ModelCard, PublishedAccuracy
from fer_bench.data import DATASETS, DataSource, open_data, parse_source
from fer_bench.engine import draws
from fer_bench.engine.job import labels_of
from fer_bench.engine.judge import predict, prepare
from fer_bench.errors import DataError, ModelError
from fer_bench.stats.rates import Rate, wilson

#: Images whose gradients are looked at, those that are asked alone, and those that are asked together.
GRADIENT_IMAGES = 200
ALONE = 16
BATCH = 50
#: Share of images that may have a zero gradient.
ZERO_SHARE = 0.01
#: Relative difference of logits that another batch shape's rounding can explain.
ROUNDING = 1e-3
#: Standard errors between two accuracies above which chance is no explanation (two-sided p = 0.003).
SIGMAS = 3.0


@dataclass(frozen=True)
class Examined:
    """What an examination says, and the clean accuracy (None for a model that is no classifier) on `n` images."""

    findings: tuple[Finding, ...]
    accuracy: Rate | None
    n: int


def examine(model: nn.Module, card: ModelCard, data: EvalSet, labels: Sequence[int], split: str) -> Examined:
    """Asks a model about clean images, alone and together, and takes gradients.

    Raises ModelError where the model cannot be asked at all. For a model of task "va" the outputs are no logits and
    accuracy is not its measure; the other checks are the same.

    `model`: on any device, in eval mode.
    `card`: what is known of it.
    `data`: the images.
    `labels`: theirs, in the model's classes; -1: it has none.
    `split`: the split of the data set that they are, "" where that is not known.
    """
    place = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    images = data.images.to(place)
    truth = torch.tensor(list(labels), device=place)
    try:
        logits = _ask(model, images)
        found = [
            *_determinism(model, images),
            *_batches(model, images, logits),
            *_gradients(model, card, images, truth),
        ]
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # whatever a user's model raises
        raise ModelError(
            f"model '{card.name}' cannot be examined on images of {tuple(images.shape[1:])}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if card.task != "expression":
        return Examined(tuple(found), None, len(data))
    accuracy = wilson(int((logits.argmax(1) == truth).sum()), len(data))
    found += [*_outputs(logits), *against_card(card, data.name, split, accuracy.value, len(data))]
    return Examined(tuple(found), accuracy, len(data))


def _ask(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), draws.verdict():
        return torch.cat([model(batch) for batch in torch.split(images, BATCH)])


def _differs(one: torch.Tensor, other: torch.Tensor) -> bool:
    """True where answers differ by more than rounding explains."""
    return bool(((one - other).abs().amax(1) > ROUNDING * (1 + one.abs().amax(1))).any())


def _determinism(model: nn.Module, images: torch.Tensor) -> list[Finding]:
    batch = images[:BATCH]
    if not _differs(_ask(model, batch), _ask(model, batch)):
        return []
    return [
        Finding(
            "random",
            "The same images get other answers when asked again: verdicts are draws, and gradient attacks that "
            "do not average over its randomness are too weak.",
        )
    ]


def _batches(model: nn.Module, images: torch.Tensor, together: torch.Tensor) -> list[Finding]:
    some = images[:ALONE]
    alone = torch.cat([_ask(model, image[None]) for image in some])
    if not _differs(together[: len(some)], alone):
        return []
    return [
        Finding(
            "depends on batch",
            "An image alone gets another answer than among others: the model mixes the images of a batch, and its "
            "numbers depend on the batch size.",
        )
    ]


def _gradients(model: nn.Module, card: ModelCard, images: torch.Tensor, truth: torch.Tensor) -> list[Finding]:
    zero = bad = 0
    some = images[:GRADIENT_IMAGES]
    for start in range(0, len(some), BATCH):
        batch = some[start : start + BATCH].clone().requires_grad_()
        try:
            gradient = _gradient(model, card, batch, truth[start : start + BATCH])
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except Exception as error:  # it answers images, or nobody would be here: attacks without gradients can judge it
            return [_no_gradient(f"asking for its gradient fails ({type(error).__name__}: {error})")]
        if gradient is None:
            return [_no_gradient("none of its answers depends differentiably on the image")]
        size = gradient.flatten(1).abs().amax(1)
        zero += int((size == 0).sum())
        bad += int((~size.isfinite()).sum())
    found = []
    if bad:
        found.append(Finding("non-finite gradient", f"{bad} of {len(some)} clean images have a gradient not finite."))
    if zero == len(some):
        found.append(_no_gradient("its gradient is exactly zero on every image"))
    elif zero > ZERO_SHARE * len(some):
        found.append(
            Finding(
                "masked gradient",
                f"{zero} of {len(some)} clean images have an exactly zero gradient: gradient attacks cannot begin "
                "there, and the robust accuracy may be too high.",
            )
        )
    return found


def _gradient(model: nn.Module, card: ModelCard, batch: torch.Tensor, truth: torch.Tensor) -> torch.Tensor | None:
    """The gradient of the loss that attacks climb; None where the loss does not depend on the images."""
    with torch.enable_grad():
        answers = model(batch)
        if not answers.requires_grad:
            return None
        expression = card.task == "expression"
        loss = F.cross_entropy(answers, truth.clamp_min(0), reduction="sum") if expression else answers.sum()
        gradient: torch.Tensor | None = torch.autograd.grad(loss, batch, allow_unused=True)[0]
    return gradient


def _no_gradient(why: str) -> Finding:
    return Finding("no gradient", f"{why[0].upper()}{why[1:]}: gradient attacks are blind; only Square judges it.")


def _outputs(logits: torch.Tensor) -> list[Finding]:
    """Logits that only look like others: probabilities are dealt with when a model is loaded."""
    if bool((logits >= 0).all()) and bool((logits <= 1).all()) and len(logits) > 1:
        return [
            Finding(
                "bounded outputs",
                "Every output lies in [0, 1]: these may be sigmoid scores instead of logits, which flattens the loss "
                "that attacks climb.",
            )
        ]
    return []


def against_card(card: ModelCard, data: str, split: str, accuracy: float, n: int) -> list[Finding]:
    """The measured clean accuracy beside what the card states of the same data: of this split, and of others.

    `card`: the model's.
    `data`: the data set's name.
    `split`: its split, "" where that is not known.
    `accuracy`: measured, in [0, 1].
    `n`: on how many images.
    """
    stated = [entry for entry in card.accuracy if entry.data == data]
    here = [entry for entry in stated if entry.split == split]
    found = []
    if here and all(_apart(accuracy, n, entry) for entry in here):
        said = " or ".join(f"{entry.value:.1%}" for entry in here)
        found.append(
            Finding(
                "accuracy differs",
                f"It classifies {accuracy:.1%} of these {n} images rightly where its card states {said}: more than "
                "chance explains. Are weights, class order and preprocessing the right ones?",
            )
        )
    elsewhere = [entry for entry in stated if entry.split != split]
    return [*found, *contamination(split, accuracy, n, elsewhere)]


def contamination(split: str, accuracy: float, n: int, others: Sequence[PublishedAccuracy]) -> list[Finding]:
    """A hint that a model was trained on `split`: it does better there than on any other split, its training set too.

    `others`: its accuracy on other splits of the same data. A gap of more than SIGMAS standard errors counts.
    """
    if not others or not split:
        return []
    best = max(others, key=lambda entry: entry.value)
    if accuracy <= best.value or not _apart(accuracy, n, best):
        return []
    return [
        Finding(
            "contaminated?",
            f"It does better on {split} ({accuracy:.1%}) than on {best.split} ({best.value:.1%}), by more than chance "
            "explains: these images may have been in its training set.",
        )
    ]


def _apart(accuracy: float, n: int, stated: PublishedAccuracy) -> bool:
    """True where two accuracies differ by more than sampling explains; an unknown n counts as large."""
    other = stated.n or math.inf
    weight = n / (n + other) if math.isfinite(other) else 0.0
    pooled = accuracy * weight + stated.value * (1 - weight)
    error = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / other))
    return abs(accuracy - stated.value) > SIGMAS * error


#: Images of each other split that are asked about, at most.
OTHERS = 500
_BATCH = 50


def check(card: ModelCard, loaded: Loaded, data: EvalSet, device: torch.device) -> Examined:
    """What `examine` finds, what was said while loading, and (classifiers) a hint that `data` was trained on.

    Other splits of the same data set are read where `data` came from; those that are not there are left out.
    """
    model = prepare(loaded.model.to(device))
    source = parse_source(data.source)
    found = examine(model, card, data, _labels(card, data), source.split or "")
    findings = [*loaded.findings, *found.findings]
    if found.accuracy is not None and source.split is not None:
        others = []
        for split in DATASETS.get(source.name).splits:
            other = None if split == source.split else _open(source, split)
            if other is not None:
                labels = torch.tensor(_labels(card, other), device=device)
                batches = torch.split(other.images.to(device), _BATCH)
                answers = torch.cat([predict(model, batch).argmax(1) for batch in batches])
                right = float((answers == labels).float().mean())
                others.append(PublishedAccuracy(right, source.name, split, len(other), "measured now"))
        hints = contamination(source.split, found.accuracy.value, len(data), others)
        if "contaminated?" not in {finding.code for finding in findings}:
            findings += hints
    return dataclasses.replace(found, findings=tuple(findings))


def _labels(card: ModelCard, data: EvalSet) -> Sequence[int]:
    classes = NO_CLASSES if data.task == "va" else match(card.classes, data.classes)
    labels: list[int] = labels_of(data, classes).tolist()
    return labels


def _open(source: DataSource, split: str) -> EvalSet | None:
    """Up to OTHERS images of another split; None where it is not there or smaller."""
    try:
        return open_data(str(DataSource(source.name, source.path, split)), OTHERS)
    except DataError:
        return None
