"""Tidy tables below the leaderboard: per class, confusion, curves, targets, verdicts with names. One row, one fact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from fer_bench.core import protocol
from fer_bench.core.threat import ThreatModel
from fer_bench.stats import rates
from fer_bench.store.results import StoredCell
from reports.tables.frames import Frames
from reports.tables.rates import Reading, attacked_predictions, readings_at, robust, tried
from reports.tables.results import Results

_OF_CELL = ["model", "weights", "data", "n", "seed"]
#: What a prediction is called that names no class of the model: a class of the data that the model lacks.
UNKNOWN = "(no such class)"


def per_class(results: Results) -> pd.DataFrame:
    """One row a reading and class of the data: images, right without attack, robust, and the interval of the latter.

    Columns: model, weights, data, n, seed, reading, class, images, clean_accuracy, robust_accuracy, low, high.
    """
    rows = []
    for cell, reading, verdicts in _read(results.frames, results.readings):
        left = robust(verdicts, reading.threat)
        for truth, own in verdicts.groupby("truth"):
            rate = rates.wilson(int(left[own.index].sum()), len(own))
            name = cell.context.data_classes[int(str(truth))]
            clean = float(own["right"].mean())
            rows.append([*_of(cell), reading.name, name, len(own), clean, rate.value, rate.low, rate.high])
    columns = [*_OF_CELL, "reading", "class", "images", "clean_accuracy", "robust_accuracy", "low", "high"]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return table


def confusion(results: Results) -> pd.DataFrame:
    """One row a reading, true class, clean and attacked prediction that occur together, with the number of images.

    Summed over `attacked` it is the clean confusion matrix, over `clean` the attacked one. A sample that withstands
    keeps its clean prediction. Columns: model, weights, data, n, seed, reading, truth, clean, attacked, images.
    """
    rows = []
    for cell, reading, verdicts in _read(results.frames, results.readings):
        attacked = attacked_predictions(verdicts, reading.threat)
        counts = pd.Series(1, index=verdicts.index).groupby([verdicts["truth"], verdicts["clean_prediction"], attacked])
        for (truth, clean, after), images in counts.sum().items():
            names = [_class(cell, int(clean)), _class(cell, int(after))]
            rows.append([*_of(cell), reading.name, cell.context.data_classes[int(truth)], *names, int(images)])
    table: pd.DataFrame = pd.DataFrame(rows, columns=[*_OF_CELL, "reading", "truth", "clean", "attacked", "images"])
    return table


def curves(results: Results) -> pd.DataFrame:
    """Security curves: one row a model, attack and budget, from eps 0 (clean) upwards, with 95 % intervals.

    A minimum-norm attack is read at every budget of the protocol, a budget attack at those it was run at. Columns:
    model, weights, data, n, seed, attack, norm, eps, robust_accuracy, low, high.
    """
    rows, started = [], set()
    readings = readings_at(results.frames, results.readings, protocol.THREATS)
    for cell, reading, verdicts in _read(results.frames, readings):
        points = [reading.threat]
        start = (*_of(cell), reading.attack, reading.threat.norm)
        if start not in started:
            started.add(start)
            points.insert(0, ThreatModel(reading.threat.norm, 0.0))
        for threat in points:
            left = robust(verdicts, threat) if threat.eps else verdicts["right"]
            rate = rates.wilson(int(left.sum()), len(left))
            rows.append([*_of(cell), reading.attack, threat.norm, threat.eps, rate.value, rate.low, rate.high])
    columns = [*_OF_CELL, "attack", "norm", "eps", "robust_accuracy", "low", "high"]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    order = [*_OF_CELL, "attack", "norm", "eps"]
    ordered: pd.DataFrame = table.sort_values(order, kind="stable", ignore_index=True)
    return ordered


def targeted(results: Results) -> pd.DataFrame:
    """Success of targeted attacks: one row a reading, true class and class aimed at that occur together.

    `tried` counts the images of the true class that were right before and are not of the class aimed at; `reached`
    those of them that were turned into it within the budget. Columns: model, weights, data, n, seed, reading, truth,
    target, tried, reached, success_rate, low, high (95 %, Wilson).
    """
    rows = []
    for cell, reading, verdicts in _read(results.frames, results.readings):
        asked = verdicts[tried(verdicts)]
        reached = ~robust(asked, reading.threat)
        counts = reached.groupby([asked["truth"], asked["target"]]).agg(["sum", "count"])
        for (truth, target), (hits, asks) in zip(counts.index, counts.to_numpy(), strict=True):
            rate = rates.wilson(int(hits), int(asks))
            names = [cell.context.data_classes[int(truth)], _class(cell, int(target))]
            numbers = [int(asks), int(hits), rate.value, rate.low, rate.high]
            rows.append([*_of(cell), reading.name, *names, *numbers])
    columns = [*_OF_CELL, "reading", "truth", "target", "tried", "reached", "success_rate", "low", "high"]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return table


def named_verdicts(frames: Frames) -> pd.DataFrame:
    """One row a verdict of any cell, with the cell's model, attack and data, and classes by name instead of number.

    Columns: cell (its key), model, attack, threat, eps (empty: minimum norm), data, seed, sample, truth,
    clean_prediction, attacked_prediction, right, fooled, norm, eight_bit, first_query, forwards, backwards.
    """
    parts = []
    for number, own in frames.by_cell.items():
        cell, attack = frames.stored[number], frames.stored[number].cell.attack
        part = own.drop(columns=["cell", "label"]).assign(
            truth=[cell.context.data_classes[int(i)] for i in own["truth"]],
            clean_prediction=[_class(cell, int(i)) for i in own["clean_prediction"]],
            attacked_prediction=[_class(cell, int(i)) for i in own["attacked_prediction"]],
            fooled=own["fooled"].astype(bool),
            eight_bit=own["eight_bit"].astype("boolean"),
            first_query=own["first_query"].astype("Int64"),
            cell=cell.key,
            model=cell.cell.model,
            attack=cell.context.attack_label,
            threat=attack.norm,
            eps=float("nan") if attack.minimum_norm else attack.threat.eps,
            data=cell.cell.data,
            seed=cell.cell.seed,
        )
        parts.append(part)
    columns = ["cell", "model", "attack", "threat", "eps", "data", "seed", "sample", "truth", "clean_prediction"]
    columns += ["attacked_prediction", "right", "fooled", "norm", "eight_bit", "first_query", "forwards", "backwards"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    ordered: pd.DataFrame = table.reindex(columns=columns)
    return ordered


def cells(frames: Frames) -> pd.DataFrame:
    """One row a cell, failed ones too: identity, status, error, cost and flags (separated by '; ')."""
    table: pd.DataFrame = frames.cells.drop(columns="cell").assign(
        eps=frames.cells["eps"].astype(float), flags=["; ".join(flags) for flags in frames.cells["flags"]]
    )
    return table


def _read(frames: Frames, readings: Sequence[Reading]) -> Iterator[tuple[StoredCell, Reading, pd.DataFrame]]:
    for reading in readings:
        cell = frames.stored[reading.cell]
        if cell.context.task == "expression":
            yield cell, reading, frames.by_cell[reading.cell]


def _of(cell: StoredCell) -> list[str | int]:
    of = cell.cell
    return [of.model, of.model_digest, of.data, of.n, of.seed]


def _class(cell: StoredCell, index: int) -> str:
    classes = cell.context.model_classes
    return classes[index] if 0 <= index < len(classes) else UNKNOWN
