"""Forward rows and seconds of one PGD-50 run: plain torchattacks beside the Observer, in one process.

    FERBENCH_FER2013=FOLDER python benchmarks/forward_rows.py [model] [n] [eps in 255ths]

Both attack the same images of FER2013 validation from the same random start, in batches of 64. Rows are counted at
the model itself, by a hook, for both. Seconds depend on the machine; the ratios are what counts.
"""

from __future__ import annotations

import os
import sys
import time

import torch
import torchattacks

from attacks import ATTACKS
from fer_bench.core.labels import match
from fer_bench.data import open_data
from fer_bench.engine.job import cell_job
from fer_bench.engine.judge import prepare
from fer_bench.engine.local import run_cell
from models_zoo import MODELS
from models_zoo.loading import load


class Counter:
    """Counts the rows that a module is asked about."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.rows = 0
        model.register_forward_pre_hook(self._count)

    def _count(self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self.rows += len(inputs[0])


def main() -> None:
    folder = os.environ.get("FERBENCH_FER2013")
    if not folder:
        sys.exit("set FERBENCH_FER2013 to a folder with FER2013")
    name = sys.argv[1] if len(sys.argv) > 1 else "mini-xception"
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    eps = (float(sys.argv[3]) if len(sys.argv) > 3 else 2.0) / 255
    card, attack = MODELS.get(name), ATTACKS.get("pgd")
    data = open_data(f"fer2013:{folder}:validation", n)
    classes = match(card.classes, data.classes)
    labels = torch.tensor([classes.to_model[label] for label in data.labels.tolist()])
    model = prepare(load(card))
    counter = Counter(model)

    started = time.perf_counter()
    right = 0
    for start in range(0, n, 64):
        images, truth = data.images[start : start + 64], labels[start : start + 64]
        adversarial = torchattacks.PGD(model, eps=eps, alpha=eps / 4, steps=50, random_start=True)(images, truth)
        with torch.no_grad():
            right += int((model(adversarial).argmax(1) == truth).sum())
    plain_seconds, plain_rows = time.perf_counter() - started, counter.rows

    counter.rows = 0
    started = time.perf_counter()
    job = cell_job(attack.attack({"steps": "50"}, eps), 1, data, classes, card.classes)
    results = list(run_cell(job, model, range(n), torch.device("cpu"), 64))
    seconds, rows = time.perf_counter() - started, counter.rows
    robust = sum(v.clean_right and not v.fooled for part in results for v in part.verdicts)

    print(f"{name}, {n} images, PGD-50 at {eps * 255:g}/255, {torch.get_num_threads()} threads")
    print(f"{'':14}{'forward rows':>14}{'seconds':>10}{'robust':>8}")
    print(f"{'torchattacks':14}{plain_rows:14,}{plain_seconds:10.1f}{right:8}")
    print(f"{'fer_bench':14}{rows:14,}{seconds:10.1f}{robust:8}")
    print(f"{'ratio':14}{plain_rows / rows:14.2f}{plain_seconds / seconds:10.2f}")


if __name__ == "__main__":
    main()
