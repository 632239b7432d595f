"""`ferbench models check`: one model examined on one data set, and asked about the set's other splits.

It runs no attack and stores nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from fer_bench.data import DATASETS, DataSource, open_data, parse_source
from fer_bench.engines.job import labels_of
from fer_bench.errors import DataError
from fer_bench.evaluate import predict, prepare
from fer_bench.examination import Examined, Loaded, contamination, examine
from fer_bench.labels import NO_CLASSES, match
from fer_bench.types import EvalSet, ModelCard, PublishedAccuracy

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
