"""The verb `check_model`: a model examined as a run does it, without an attack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fer_bench.bench import examination
from fer_bench.bench.examination import Examined
from fer_bench.core.model_card import ModelCard
from fer_bench.data import open_data
from fer_bench.engine.local import choose_device
from models_zoo.loading import open_model
from models_zoo.select import choose_models


def check_model(
    name: str | ModelCard,
    data: str = "demo",
    *,
    n: int | None = None,
    device: str = "auto",
    classes: str | Sequence[str] = (),
    input: str = "",  # noqa: A002  (what ModelCard and --input call it)
    weights: Iterable[str] = (),
) -> Examined:
    """Examines a model as a run does before it attacks.

    - `name`: of a model as in `run`, or its card.
    - `data`: NAME[:PATH[:SPLIT]].
    - `n`: the n images of smallest pixel digest; None: all.
    - `device`: auto, cpu, cuda or cuda:N.
    - `classes`: the outputs of a model of the user's own, in their order.
    - `input`: what a model of the user's own takes, such as "224x224 RGB imagenet".
    - `weights`: NAME=FILE where only the user can bring them.

    Raises FerBenchError for whatever cannot be used.
    """
    (card,) = choose_models([name], classes, input, weights)
    return examination.check(card, open_model(card), open_data(data, n), choose_device(device))
