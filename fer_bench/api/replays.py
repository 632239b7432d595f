"""The verb `replay`, and the images of a gallery: stored verdicts are made again from what their cells say."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from attacks.select import attack_again
from fer_bench.bench import gallery
from fer_bench.bench.gallery import Room, Wanted
from fer_bench.bench.replay import Opened, Replay, Source, recreate
from fer_bench.core.model_card import ModelCard
from fer_bench.data import open_data
from fer_bench.engine.local import choose_device
from fer_bench.errors import ModelError, UsageError
from fer_bench.store import find
from fer_bench.store.results import ResultStore, StoredCell
from models_zoo import MODELS
from models_zoo.catalogue import every_model
from models_zoo.defences.defended import split_defences
from models_zoo.loading import identity
from models_zoo.loading import load as load_model
from models_zoo.select import bring, find_model
from reports.write import replays


def replay(
    results: str | Path,
    cell: str,
    sample: str,
    *,
    data: str | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    weights: Iterable[str] = (),
) -> Replay:
    """Re-creates a stored verdict and its image from the store alone, and says what differs.

    - `results`: the results folder.
    - `cell`: the beginning of a cell's key.
    - `sample`: the beginning of a sample's digest.
    - `data`: where the data set is now; None: where it was.
    - `device`: auto, cpu, cuda or cuda:N.
    - `out`: folder of the pictures; None: replay in the results folder.
    - `weights`: NAME=FILE for a model whose weights were brought.

    Raises FerBenchError where the model, the data or the sample cannot be found.
    """
    folder = Path(results)
    with ResultStore(folder, create=False) as store:
        remembered = find.find_cell(store, cell)
        verdict = find.find_verdict(store, remembered, sample)
    card = _card_again(remembered, weights)
    attack = attack_again(remembered.cell.attack)
    return recreate(
        remembered,
        verdict,
        Opened(
            load_model(card),
            identity(card),
            attack,
            # An attack of a set needs exactly the set; any other finds its sample in whatever holds it.
            open_data(data or remembered.context.data_source, remembered.cell.n if attack.fit else None),
        ),
        choose_device(device),
        Path(out) if out is not None else folder / "replay",
        _source(remembered.cell.attack.source),
    )


def remade(cells: Sequence[Wanted], *, device: str = "auto", weights: Iterable[str] = ()) -> tuple[Room, ...]:
    """Makes stored verdicts of many cells again, from what the cells say alone; one room a cell.

    `weights`: NAME=FILE for models whose weights were brought. A cell whose model or data is gone has that as its
    room's problem. Raises UsageError for weights that no model of the cells takes.
    """
    brought: dict[str, list[str]] = {split_defences(one.cell.cell.model)[0]: [] for one in cells}
    for pair in weights:
        name = pair.partition("=")[0].strip()
        if name not in brought:
            known = ", ".join(brought) or "none"
            raise UsageError(f"--weights {pair}: no model of this gallery is called '{name}'; it has {known}.")
        brought[name].append(pair)
    # One set at a time is held; the cells come data set by data set.
    opened = functools.lru_cache(maxsize=1)(open_data)

    def again(remembered: StoredCell) -> Opened:
        card = _card_again(remembered, brought[split_defences(remembered.cell.model)[0]])
        data = opened(remembered.context.data_source, remembered.cell.n)
        return Opened(load_model(card), identity(card), attack_again(remembered.cell.attack), data)

    return gallery.rooms(cells, again, choose_device(device))


def _card_again(remembered: StoredCell, weights: Iterable[str]) -> ModelCard:
    """The card of a stored cell's model, as it is now. Raises ModelError where there is none any more."""
    name, context = remembered.cell.model, remembered.context
    if not context.model_source and split_defences(name)[0] not in {card.name for card in every_model()}:
        raise ModelError(
            f"model '{name}' is not known here any more; install the package that has it, or `ferbench models add` it."
        )
    card = find_model(context.model_source or name, context.model_classes, context.input)
    (card,) = bring([card], weights)
    return card


def _source(name: str) -> Source | None:
    """The model that a transfer cell's images were made on; None for any other cell."""
    if not name:
        return None
    card = MODELS.get(name)
    return Source(load_model(card), card.classes, identity(card))


def stored(results: str | Path, cell: str | None = None) -> str:
    """The finished cells of a results folder as text, or the fooled samples of one of them."""
    with ResultStore(Path(results), create=False) as store:
        return replays.cells(store) if cell is None else replays.fooled(store, find.find_cell(store, cell))
