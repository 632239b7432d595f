"""Writes the tables of faat.md: `python docs/results/make_faat.py RESULTS [RESULTS_OF_SEEDS [RESULTS_OF_ALL ...]]`.

RESULTS_OF_ALL are of the tuned pair on all images, of which the 1,000 of RESULTS, by which settings were compared, are
left out. Rates are the report's; only the means over corruptions and over seeds are made here.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

import fer_bench
from attacks.registry import GROUPS
from fer_bench.stats.rates import Rate, wilson
from reports.tables.boards import Entry
from reports.tables.frames import Frames, merged
from reports.tables.pairs import CLEAN, pairs
from reports.tables.rates import Accuracy, worst_case
from reports.tables.results import Results
from reports.write.markdown import table

IMAGES = 1000
#: Title -> the reading, as tables name it.
COLUMNS = {
    "PGD-20": "pgd-20@4/255",
    "APGD-CE": "apgd-ce@4/255",
    "APGD-T": "apgd-t@4/255",
    "Square": "square(queries=1000)@4/255",
    "AutoAttack": "standard@4/255",
    "PGD-20 inside": "pgd(steps=20,region=core)@4/255",
    "PGD-20 outside": "pgd(steps=20,region=outside-core)@4/255",
    "PGD high": "pgd-high@4/255",
    "APGD-CE L2 0.5": "apgd-ce(norm=L2)@0.5",
    "CW L2 0.5": "cw@0.5",
}
#: Their per-sample worst case: the short form of AutoAttack.
WORST = ("APGD-CE", "APGD-T", "Square")
#: Each model, and those that it is compared with image by image.
DUELS = {
    "slim-faat": ("slim-faat-random-mask", "slim-faat-no-freq", "slim-pgd-at", "slim-trades", "slim-standard"),
    "slim-faat-tuned": ("slim-trades-tuned", "slim-trades", "slim-pgd-at", "slim-faat"),
}
#: The methods that were trained with three seeds; seed N of a model is called MODEL-sN.
SEEDED = ("slim-pgd-at", "slim-trades", "slim-faat", "slim-trades-tuned", "slim-faat-tuned")
SEEDS = ("", "-s1", "-s2")
SEEDED_COLUMNS = ("PGD-20", "APGD-T")
TUNED = ("slim-faat-tuned", "slim-trades-tuned")
_DIFFERENCE = ("difference", "it alone", "the other alone", "p")


def main() -> None:
    """Prints the tables."""
    first, *others = [fer_bench.load(name) for name in sys.argv[1:]]
    results = Results(first)
    print(_rates(results), *_duels(results), sep="\n\n")
    if others:
        print("", _seeds(merged([first, others[0]])), sep="\n")
    if others[1:]:
        print("", _unseen(first, merged(others[1:])), sep="\n")


def _rates(results: Results) -> str:
    [board] = [board for board in results.boards if board.n == IMAGES]
    rows = []
    for entry in board.entries:
        scores = [entry.scores.get(reading) for reading in COLUMNS.values()]
        cells = [
            _percent(entry.clean.rate),
            *("-" if score is None else _percent(score.robust.rate) for score in scores),
        ]
        rows.append(
            [entry.first.cell.model, *cells, _worst(results.frames, entry), _corruptions(results.frames, entry)]
        )
    header = ("model", "clean", *COLUMNS, " + ".join(WORST), "corruptions")
    measured = [place for place in range(len(header)) if any(row[place] != "-" for row in rows)]
    return table([header[place] for place in measured], [[row[place] for place in measured] for row in rows])


def _duels(results: Results) -> Iterable[str]:
    """One table for each of DUELS."""
    found = pairs(results)
    found = found[found["n"] == IMAGES]
    for model, rivals in DUELS.items():
        rows = []
        for rival in rivals:
            for title, reading in {CLEAN: CLEAN, **COLUMNS}.items():
                rows += [[title, rival, *difference] for _, difference in _between(found, reading, model, rival)]
        yield table(("reading", f"{model} against", *_DIFFERENCE), rows)


def _between(found: pd.DataFrame, reading: str, model: str, rival: str) -> Iterable[tuple[list[Rate], list[str]]]:
    """The rates of both, and what _DIFFERENCE names, where the pair was compared under the reading."""
    for pair in found[found["reading"] == reading].itertuples(index=False):
        if {pair.model, pair.other} == {model, rival}:
            sides = [(pair.accuracy, pair.only_model), (pair.other_accuracy, pair.only_other)]
            one, other = sides if pair.model == model else sides[::-1]
            points = 100 * (one[1] - other[1]) / pair.images
            rates = [wilson(round(accuracy * pair.images), pair.images) for accuracy, _ in (one, other)]
            yield rates, [f"{points:+.1f}", str(one[1]), str(other[1]), f"{pair.p:.2g}"]


def _worst(frames: Frames, entry: Entry) -> str:
    found = [entry.scores[COLUMNS[title]].reading for title in WORST if COLUMNS[title] in entry.scores]
    if len(found) != len(WORST):
        return "-"
    standing = worst_case(frames, [(reading.cell, reading.threat) for reading in found])
    return _percent(wilson(int(standing.sum()), len(standing)))


def _corruptions(frames: Frames, entry: Entry) -> str:
    """The mean over the kinds, and 1.96 standard errors of the images' own means."""
    found = [score.reading for name, score in entry.scores.items() if name.partition("@")[0] in GROUPS["corruptions"]]
    if len(found) != len(GROUPS["corruptions"]):
        return "-"
    kinds = [worst_case(frames, [(reading.cell, reading.threat)]) for reading in found]
    of_images = pd.concat(kinds, axis=1).mean(axis=1)
    return f"{100 * of_images.mean():.1f} ± {196 * of_images.std() / len(of_images) ** 0.5:.1f}"


def _seeds(frames: Frames) -> str:
    """Mean, standard deviation and the three values of each seeded method."""
    [board] = [board for board in Results(frames).boards if board.n == IMAGES]
    found = {
        entry.first.cell.model: [entry.clean, *(_robust(entry, COLUMNS[title]) for title in SEEDED_COLUMNS)]
        for entry in board.entries
    }
    rows = []
    for model in SEEDED:
        columns = zip(*(found[model + seed] for seed in SEEDS), strict=True)
        rows.append([model, *(_spread(column) for column in columns)])
    return table(("model", "clean", *SEEDED_COLUMNS), rows)


def _unseen(chosen_by: Frames, everything: Frames) -> str:
    """The tuned pair on the images that no setting was chosen by."""
    seen = everything.verdicts["sample"].isin(chosen_by.verdicts["sample"])
    found = pairs(Results(replace(everything, verdicts=everything.verdicts[~seen])))
    rows = []
    for title in (CLEAN, *SEEDED_COLUMNS):
        for rates, difference in _between(found, COLUMNS.get(title, CLEAN), *TUNED):
            rows.append([title, *map(_percent, rates), *difference])
    return table(("reading", *TUNED, *_DIFFERENCE), rows)


def _robust(entry: Entry, reading: str) -> Accuracy | None:
    score = entry.scores.get(reading)
    return None if score is None else score.robust


def _spread(scores: Sequence[Accuracy | None]) -> str:
    if any(score is None for score in scores):
        return "-"
    values = [100 * score.rate.value for score in scores if score is not None]
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f} ({', '.join(f'{v:.1f}' for v in values)})"


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


if __name__ == "__main__":
    main()
