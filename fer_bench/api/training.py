"""The verb `train`: names become a network and a data set, and the trainer is called. It has no loop itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from fer_bench.core.digest import digest
from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import VALENCE_AROUSAL
from fer_bench.data import DATASETS, open_data, parse_source
from fer_bench.engine.local import choose_device
from fer_bench.errors import DataError, UsageError
from fer_bench.training import features, state
from fer_bench.training.callbacks import Bar, CsvLog, Says
from fer_bench.training.export import Origin, export
from fer_bench.training.loop import train as loop
from fer_bench.training.material import prepare
from fer_bench.training.network import Network, fastest
from fer_bench.training.objectives import objective
from fer_bench.training.recipe import Precision, Recipe
from models_zoo.untrained import Fresh, build


def train(
    recipe: Recipe,
    arch: str,
    data: str,
    out: str | Path,
    *,
    device: str = "auto",
    name: str = "",
    command: str = "fer_bench.api.training.train(...)",
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """Trains a network and returns the path of its card, beside which the weights and `log.csv` lie.

    - `recipe`: how.
    - `arch`: 'slim' or 'timm:NAME'.
    - `data`: NAME:PATH[:SPLIT], the split "train" where none is named; images that are also in the set's other splits
      are not trained on.
    - `out`: the folder; what it holds of the same training is gone on with.
    - `device`: auto, cpu, cuda or cuda:N.
    - `name`: what the model is called; empty: architecture and method.
    - `command`: what the card says made it.
    - `tell`: gets each warning and fact, one line at a time.

    Raises FerBenchError for whatever cannot be used.
    """
    folder, where = Path(out), choose_device(device)
    evalset, others = _open(data)
    goal = objective(evalset.task, recipe)
    classes = evalset.classes if evalset.task == "expression" else VALENCE_AROUSAL
    fresh = build(arch, len(classes), recipe.seed)
    if recipe.uses_stage and not recipe.stage:
        recipe = replace(recipe, stage=features.default_stage(fresh.model, evalset.images[:1]))
    prepared = prepare(evalset, goal, recipe, [one for other in others for one in other.ids])
    cleaned = ", ".join(parse_source(other.source).split or "" for other in others)
    notes = (*prepared.notes, f"cleaned of images that are in the splits: {cleaned or 'none, for none was found'}")
    for note in notes:
        tell(note)
    identity = digest(
        {"recipe": recipe.digest, "architecture": arch, "classes": classes, "material": prepared.material.digest}
    )
    net = Network(fresh.model, where, _precision(recipe, fresh, evalset, folder, identity, where), recipe.stage)
    tell(f"arithmetic: {net.precision} on {where}")
    title = name or f"{arch.rpartition(':')[2]}-{recipe.method}"
    with Bar(title) as bar:
        last = loop(net, goal, prepared.material, recipe, folder, identity, (bar, CsvLog(folder), Says(tell)))
    origin = Origin(title, arch, str(fresh.given), tuple(classes), f"{evalset.name}, train", command, notes)
    return export(fresh.model, fresh.core, last, recipe, origin, folder)


def _open(text: str) -> tuple[EvalSet, list[EvalSet]]:
    """The training set, and the other splits of the same data that are at hand."""
    source = parse_source(text)
    card = DATASETS.get(source.name)
    if card.needs_path and source.path is None:
        raise UsageError(f"--data {text} names no folder; write {source.name}:FOLDER.")
    place = f"{source.name}:{source.path}" if source.path is not None else source.name
    splits = [split for split in card.splits if split != (source.split or "train")]
    others = []
    for split in splits if source.path is not None else ():
        with suppress(DataError):
            others.append(open_data(f"{place}:{split}"))
    split = source.split or ("train" if "train" in card.splits else "")
    return open_data(f"{place}:{split}" if split else place), others


def _precision(
    recipe: Recipe, fresh: Fresh, data: EvalSet, folder: Path, identity: str, where: torch.device
) -> Precision:
    """The recipe's; for 'auto' that of the training which is gone on with, else the one measured to be faster here.

    - `recipe`: may say which.
    - `fresh`: the network, which is timed.
    - `data`: has the images that it is timed on.
    - `folder`: of the training.
    - `identity`: says which training may be gone on with.
    - `where`: the device.
    """
    if recipe.precision != "auto":
        return recipe.precision
    begun = state.read(folder, identity, where)
    return begun.precision if begun else fastest(fresh.model, data.images[: recipe.batch_size], where)
