"""The purification effect: how much of its clean features' energy an attack moves, per stage and band, model by model.

`FERBENCH_FER2013=FOLDER python benchmarks/purification.py FOLDER_OF_A_MODEL ... [N]`: PGD-10 at 4/255 on N validation
images (256), for models of `ferbench train`. Print it for a training with and without the frequency loss.
"""

from __future__ import annotations

import os
import sys

import torch

from fer_bench.data import open_data
from fer_bench.training import features, inner
from fer_bench.training.examples import generator_of
from fer_bench.training.frequency import spectral_distance
from fer_bench.training.inner import Budget
from fer_bench.training.tasks import Expression
from models_zoo.choose import choose_models
from models_zoo.loading import load


def main() -> None:
    folder = os.environ.get("FERBENCH_FER2013")
    names = [word for word in sys.argv[1:] if not word.isdecimal()]
    if not folder or not names:
        sys.exit("set FERBENCH_FER2013 to a folder with FER2013 and name folders of models")
    n = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 256)
    data = open_data(f"fer2013:{folder}:validation", n)
    budget = Budget(4 / 255, 1 / 255, 10)
    cpu = torch.device("cpu")
    for card in choose_models(names):
        model = load(card)
        known = [stage for stage in features.stages(model, data.images[:1]) if stage.count(".") == 0]
        attacked = inner.pgd(
            lambda z, model=model: Expression().climb(model(z), data.labels).sum(),  # type: ignore[misc]
            data.images,
            budget,
            generator_of(0, "purification", 0, cpu),
        )
        with torch.no_grad(), features.taps(model, known) as seen:
            model(data.images)
            clean = dict(seen)
            model(attacked)
        print(f"{card.name}, {n} images, PGD-10 at 4/255: share of the clean energy moved")
        print(f"{'stage':12}{'all':>10}{'low':>10}{'middle':>10}{'high':>10}")
        for stage in known:
            moved = spectral_distance(clean[stage], seen[stage])
            print(f"{stage:12}{float(moved.sum()):10.5f}" + "".join(f"{value:10.5f}" for value in moved.tolist()))


if __name__ == "__main__":
    main()
