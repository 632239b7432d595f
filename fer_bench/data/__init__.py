"""The data sets: one registry of cards, one loader per public format. It knows no model and no attack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from fer_bench.core.evalset import EvalSet
from fer_bench.data.card import Contents, DatasetCard, Sample
from fer_bench.data.formats import (
    afewva,
    affectnet,
    affwild2,
    ckplus,
    demo,
    fer2013,
    fer2013_va,
    ferplus,
    folder,
    hf,
    manifest,
    rafdb,
)
from fer_bench.data.layout import split_word
from fer_bench.data.source import DataSource, parse_source
from fer_bench.errors import DataError
from fer_bench.registry import Registry

if TYPE_CHECKING:
    from fer_bench.data.survey import Survey

__all__ = [
    "DATASETS",
    "Contents",
    "DataSource",
    "DatasetCard",
    "Sample",
    "open_data",
    "parse_source",
    "redistributable",
    "survey_data",
]

#: Splits that are looked for where a card states none.
_USUAL_SPLITS = ("train", "validation", "test")

#: Every data set by name; third-party packages add theirs through the entry-point group "ferbench.data".
DATASETS: Registry[DatasetCard] = Registry("data set", "ferbench.data")

for _card in (
    demo.CARD,
    fer2013.CARD,
    ferplus.CARD,
    rafdb.CARD,
    *affectnet.CARDS,
    ckplus.CARD,
    folder.CARD,
    manifest.CARD,
    hf.CARD,
    fer2013_va.CARD,
    afewva.CARD,
    affwild2.CARD,
):
    DATASETS.register(_card.name, _card)


def open_data(text: str, n: int | None = None) -> EvalSet:
    """Opens NAME[:PATH[:SPLIT]], or its `n` images of smallest pixel digest."""
    from fer_bench.data import collect  # torch, which the cards do without

    source = parse_source(text)
    card = DATASETS.get(source.name)
    with _one_line(source):
        return collect.collect(card.find(source.path, source.split), n)


def redistributable(text: str) -> bool:
    """Whether the images of NAME[:PATH[:SPLIT]] may be passed on; False for a set that is not known here."""
    name = parse_source(text).name
    return name in DATASETS and DATASETS.get(name).redistributable


def survey_data(text: str) -> Survey:
    """Looks through NAME[:PATH[:SPLIT]] without stopping at what cannot be read, and for its images in other splits.

    Other splits are those that the card states (or the usual ones) and that are found at the same path.
    """
    from fer_bench.data.survey import survey

    source = parse_source(text)
    card = DATASETS.get(source.name)
    with _one_line(source):
        contents = card.find(source.path, source.split)
        own = parse_source(contents.source).split
        others = {}
        for split in (card.splits or _USUAL_SPLITS) if own else ():
            if split_word(split) != split_word(own or ""):
                with suppress(DataError):
                    others[split] = card.find(source.path, split)
        return survey(contents, others)


@contextmanager
def _one_line(source: DataSource) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of ~somebody is not known
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{source.path} cannot be read ({reason}); check the path and its permissions.") from error
