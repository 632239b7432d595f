"""How long a report of a million verdicts takes and how large it is: `python benchmarks/report_speed.py [MODELS]`.

The verdicts are drawn at random, 20 models x 15 attacks x 3,333 images unless MODELS says otherwise: the page's cost
depends on their number and not on what they say.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import tempfile
import time
from pathlib import Path

from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd

from fer_bench.api import results
from reports.tables.results import Results
from reports.write import html

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def main() -> None:
    models, images = int(sys.argv[1]) if len(sys.argv) > 1 else 20, 3333
    draws = random.Random(0)
    labels = tuple(draws.randrange(3) for _ in range(images))
    attacks = [pgd(eps / 255, name) for name in ("pgd", "fgsm", "bim", "mifgsm") for eps in (0.5, 2, 8)]
    attacks += [cw(), cw("deepfool"), pgd(2 / 255, "square")]
    wrong = [[draws.random() < 0.4 for _ in range(images)] for _ in range(models)]
    cells = [
        Made(
            [WRONG if bad else draws.choice([NEVER, draws.random() * 0.03]) for bad in wrong[model]],
            attack,
            model=f"model-{model}",
            digest=f"{model:064x}",
            labels=labels,
            context=dataclasses.replace(CONTEXT, family=f"family-{model % 6}", defended=model % 5 == 0),
        )
        for model in range(models)
        for attack in attacks
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, *cells)
        start, spent = time.perf_counter(), time.process_time()
        frames = results.load(folder)
        read, spent_reading = time.perf_counter(), time.process_time()
        page = html.render(Results(frames))
        done, spent_all = time.perf_counter(), time.process_time()
    print(f"{len(frames.verdicts):,} verdicts of {models} models under {len(attacks)} attacks")
    print(f"read {read - start:.1f} s, rendered {done - read:.1f} s, page {len(page.encode()) / 1e6:.2f} MB")
    processor = f"{spent_reading - spent:.1f} s and {spent_all - spent_reading:.1f} s"
    print(f"of the processor: {processor}, what a busy machine changes less")


if __name__ == "__main__":
    main()
