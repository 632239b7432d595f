"""pytest plugin: a model's own tests can assert its robust accuracy or CCC. Importing it must import nothing heavy.

    def test_my_net_withstands_small_perturbations(ferbench):
        assert ferbench.robust_accuracy(MyNet(), classes=CLASSES, attack="pgd(eps=2/255)", data="demo") >= 0.30

pytest finds it through its entry point. Tests that ask for the fixture get the marker `ferbench`, so that
`pytest -m "not ferbench"` leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fer_bench.core.model_card import VALENCE_AROUSAL
from fer_bench.errors import AttackError

if TYPE_CHECKING:
    from torch import nn

    from fer_bench.api.measure import Concordance, Measured
    from fer_bench.core.model_card import ModelCard

_OPTION = "ferbench_results"


class Accuracy(float):
    """A robust accuracy: a fraction that compares as a float and shows its 95 % interval where an assertion fails."""

    #: Lower end of the Wilson interval.
    low: float
    #: Upper end of the Wilson interval.
    high: float
    #: Accuracy without attack.
    clean: float
    #: Number of images.
    n: int
    #: The stored cell, for `ferbench replay`.
    key: str

    @classmethod
    def of(cls, measured: Measured) -> Accuracy:
        """The number of a measurement."""
        made = cls(measured.robust.value)
        made.low, made.high = measured.robust.low, measured.robust.high
        made.clean, made.n, made.key = measured.clean.value, measured.n, measured.key
        return made

    def __repr__(self) -> str:
        return (
            f"{float(self):.4g} (95 % {self.low:.3f} to {self.high:.3f}, n = {self.n}, clean {self.clean:.3f}, "
            f"cell {self.key})"
        )


class Agreement(float):
    """A mean CCC under attack that compares as a float and shows both dimensions where an assertion fails.

    It is the mean of valence and arousal, in [-1, 1].
    """

    #: The CCC of valence.
    valence: float
    #: The CCC of arousal.
    arousal: float
    #: The 95 % intervals of valence and of arousal.
    intervals: tuple[tuple[float, float], tuple[float, float]]
    #: The mean without attack.
    clean: float
    #: Number of images.
    n: int
    #: The stored cell, for `ferbench replay`.
    key: str

    @classmethod
    def of(cls, measured: Concordance) -> Agreement:
        """The number of a measurement."""
        made, valence, arousal = cls(measured.mean), measured.valence, measured.arousal
        made.valence, made.arousal = valence.value, arousal.value
        made.intervals = ((valence.low, valence.high), (arousal.low, arousal.high))
        made.clean, made.n, made.key = measured.clean, measured.n, measured.key
        return made

    def __repr__(self) -> str:
        named = zip(VALENCE_AROUSAL, (self.valence, self.arousal), self.intervals, strict=True)
        parts = [f"{name} {value:.3f}, 95 % {low:.3f} to {high:.3f}" for name, value, (low, high) in named]
        return f"{float(self):.4g} ({'; '.join(parts)}; n = {self.n}, clean {self.clean:.3f}, cell {self.key})"


@dataclass(frozen=True)
class Bench:
    """What the fixture `ferbench` gives: it measures, and keeps every verdict in the results folder `out`."""

    out: Path

    def robust_accuracy(
        self,
        model: nn.Module | ModelCard | str,
        attack: str = "pgd(eps=2/255)",
        data: str = "demo",
        *,
        n: int | None = None,
        classes: Sequence[str] = (),
        name: str = "",
        seed: int = 0,
        device: str = "auto",
    ) -> Accuracy:
        """The share of images, in [0, 1], that the model has right and that `attack` does not change.

        - `model`: a module, a ModelCard, or a name of the registry. A module takes images `(batch, 1 or 3, height,
          width)` in [0, 1], gives logits, and is left as it is; it is measured anew each time.
        - `attack`: one attack at one budget.
        - `data`: NAME[:PATH[:SPLIT]].
        - `n`: the n images of smallest pixel digest; None: all.
        - `classes`: of a module, in the order of its outputs.
        - `name`: what a module is called in the results; empty: its class's name.
        - `seed`: of every random draw.
        - `device`: auto, cpu, cuda or cuda:N.

        Fails the test where the attack or the model breaks; raises FerBenchError for what cannot be used.
        """
        from fer_bench.api import measure

        try:
            measured = measure.robust_accuracy(
                measure.Question(model, attack, data, self.out, n, classes, name, seed, device)
            )
        except AttackError as error:
            pytest.fail(" ".join(str(error).split()), pytrace=False)
        return Accuracy.of(measured)

    def robust_ccc(
        self,
        model: nn.Module | ModelCard | str,
        attack: str,
        data: str,
        *,
        n: int | None = None,
        name: str = "",
        seed: int = 0,
        device: str = "auto",
    ) -> Agreement:
        """The mean CCC of a regressor's valence and arousal, in [-1, 1], while `attack` raises its error.

        - `model`: a module that answers `(batch, 2)`, valence and arousal in [-1, 1], a ModelCard, or a name of the
          registry.
        - `attack`: one attack at one budget, without tolerance.
        - `data`: NAME:PATH[:SPLIT] of a set that is labelled with valence and arousal.
        - `n`, `name`, `seed`, `device`: as in `robust_accuracy`, and so are failures.
        """
        from fer_bench.api import measure

        try:
            measured = measure.robust_ccc(
                measure.Question(model, attack, data, self.out, n, name=name, seed=seed, device=device)
            )
        except AttackError as error:
            pytest.fail(" ".join(str(error).split()), pytrace=False)
        return Agreement.of(measured)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the ini option for the results folder."""
    parser.addini(_OPTION, "results folder of the ferbench fixture, from the root folder", default="results")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line("markers", "ferbench: measures the robustness of a model (fer_bench)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that measure, before -m selects."""
    for item in items:
        if "ferbench" in getattr(item, "fixturenames", ()):
            item.add_marker("ferbench")


@pytest.fixture(scope="session")
def ferbench(pytestconfig: pytest.Config) -> Bench:
    """Measures robust accuracies and CCC; see fer_bench.pytest_plugin.Bench."""
    return Bench(pytestconfig.rootpath / str(pytestconfig.getini(_OPTION)))
