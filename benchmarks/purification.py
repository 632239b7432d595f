"""The purification effect: how much of its clean features' energy an attack moves, per stage and band, model by model.

`FERBENCH_FER2013=FOLDER python benchmarks/purification.py MODEL ... [--n 256] [--plot FILE]`: PGD-10 at 4/255 on n
validation images, for registered models or folders of `ferbench train`. Give it a training with and one without the
frequency loss. The last column is the mean square of the clean features: a loss that is not relative to it can be met
by making it small.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import NamedTuple

import numpy as np
import torch

from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import ModelCard
from fer_bench.data import open_data
from fer_bench.training import features, inner_maximisation
from fer_bench.training.batches import generator_of
from fer_bench.training.frequency_loss import spectral_distance
from fer_bench.training.inner_maximisation import Budget
from fer_bench.training.objectives import Expression
from models_zoo.loading import load
from models_zoo.select import choose_models

BUDGET = Budget(4 / 255, 1 / 255, 10)
BANDS = ("low", "middle", "high")


class Stage(NamedTuple):
    """One stage: the share of the clean energy that moved, `(bands,)`, and the clean features' mean square."""

    shares: np.ndarray
    energy: float


#: By name, in the network's order.
Moved = dict[str, Stage]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="names or folders")
    parser.add_argument("--n", type=int, default=256, help="images")
    parser.add_argument("--plot", help="picture to write, .svg or .png")
    asked = parser.parse_args()
    folder = os.environ.get("FERBENCH_FER2013")
    if not folder:
        sys.exit("set FERBENCH_FER2013 to a folder with FER2013")
    data = open_data(f"fer2013:{folder}:validation", asked.n)
    found: dict[str, Moved] = {}
    for card in choose_models(asked.models):
        found[card.name] = moved(card, data)
        print(f"{card.name}, {asked.n} images, PGD-10 at 4/255: share of the clean energy moved")
        print(f"{'stage':12}{'all':>10}" + "".join(f"{name:>10}" for name in (*BANDS, "energy")))
        for stage, (shares, energy) in found[card.name].items():
            print(f"{stage:12}{shares.sum():10.5f}" + "".join(f"{value:10.5f}" for value in (*shares, energy)))
    if asked.plot:
        draw(found, asked.plot)


def moved(card: ModelCard, data: EvalSet) -> Moved:
    """How much of its clean features' energy the attack moves, by stage and band."""
    model = load(card)
    known = [stage for stage in features.stages(model, data.images[:1]) if stage.count(".") == 0]
    attacked = inner_maximisation.pgd(
        lambda images: Expression().climb(model(images), data.labels).sum(),
        data.images,
        BUDGET,
        generator_of(0, "purification", 0, torch.device("cpu")),
    )
    with torch.no_grad(), features.taps(model, known) as seen:
        model(data.images)
        clean = dict(seen)
        model(attacked)
        return {
            stage: Stage(
                spectral_distance(clean[stage], seen[stage], len(BANDS)).numpy(), float(clean[stage].square().mean())
            )
            for stage in known
        }


def draw(found: dict[str, Moved], path: str) -> None:
    """One panel a stage, one bar a model, split into bands."""
    from matplotlib import pyplot as plt

    known = list(next(iter(found.values())))
    figure, axes = plt.subplots(1, len(known), figsize=(3 * len(known), 3.6), layout="constrained", squeeze=False)
    for axis, stage in zip(axes[0], known, strict=True):
        base = np.zeros(len(found))
        for band, (name, hatch, shade) in enumerate(zip(BANDS, ("", "//", "xx"), ("0.35", "0.6", "0.85"), strict=True)):
            heights = np.array([own[stage].shares[band] for own in found.values()])
            axis.bar(list(found), heights, bottom=base, label=name, hatch=hatch, color=shade, edgecolor="black")
            base += heights
        axis.set_title(stage)
        axis.tick_params(axis="x", rotation=90)
    axes[0][0].set_ylabel("share of the clean energy moved")
    axes[0][-1].legend(title="band")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
