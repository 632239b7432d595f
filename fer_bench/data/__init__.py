"""The data sets: one registry of cards, one loader per public format. It knows no model and no attack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fer_bench.data.demo import open_demo
from fer_bench.data.fer2013 import LAYOUTS, open_fer2013
from fer_bench.data.source import DataSource, parse_source
from fer_bench.registry import Registry
from fer_bench.types import EvalSet

__all__ = ["DATASETS", "DataSource", "DatasetCard", "open_data", "parse_source"]


@dataclass(frozen=True)
class DatasetCard:
    """A data set: what it is, the layouts in which it is found, its terms, and how it is opened.

    `open` takes a path, a split and a number of images, each or None. `needs_path`: the user must have the data.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    layouts: str
    splits: tuple[str, ...]
    licence: str
    needs_path: bool
    open: Callable[[str | None, str | None, int | None], EvalSet] = field(repr=False, compare=False)


#: Every data set by name; third-party packages add theirs through the entry-point group "ferbench.data".
DATASETS: Registry[DatasetCard] = Registry("data set", "ferbench.data")

for _card in (
    DatasetCard(
        name="demo",
        title="Faces out of public packages, labelled twice by looking; fetched on first use",
        classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
        layouts="none: it fetches itself into the cache",
        splits=(),
        licence="the photographs carry none; for local use, never redistributed",
        needs_path=False,
        open=open_demo,
    ),
    DatasetCard(
        name="fer2013",
        title="FER2013 (Goodfellow et al., ICML 2013 workshop), 35,887 gray faces of 48x48",
        classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
        layouts=LAYOUTS,
        splits=("train", "validation", "test"),
        licence="Kaggle competition terms: may not be redistributed",
        needs_path=True,
        open=open_fer2013,
    ),
):
    DATASETS.register(_card.name, _card)


def open_data(text: str, n: int | None = None) -> EvalSet:
    """Opens NAME[:PATH[:SPLIT]], or its `n` images of smallest pixel digest."""
    source = parse_source(text)
    return DATASETS.get(source.name).open(source.path, source.split, n)
