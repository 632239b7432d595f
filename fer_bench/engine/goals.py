"""Valence-arousal regression under attack: what is lost, and how a regressor looks to an attack on classifiers.

A regressor answers `(batch, 2)`: valence and arousal in [-1, 1]. To an attack it shows two logits, (t + C, loss + C),
and label 0: the cross-entropy rises with the loss, so that attacks that raise it raise the regression error, and the
prediction changes exactly where the loss exceeds the tolerance t. It must know no attack. See docs/design/va.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fer_bench.engine.draws import key_of


def margins(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Label's logit minus the largest other one, `(batch,)`; negative where the label has lost."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return own - others


@dataclass(frozen=True)
class Goal:
    """What counts as success: another prediction than `labels`, or with `targets` exactly that one; both `(n,)`."""

    labels: torch.Tensor
    targets: torch.Tensor | None = None

    @property
    def attack_labels(self) -> torch.Tensor:
        """The labels that an attack is given: the classes to reach where there are targets, else those to leave."""
        return self.labels if self.targets is None else self.targets

    def at(self, rows: torch.Tensor) -> Goal:
        """The goal of the samples `rows`."""
        return Goal(self.labels[rows], None if self.targets is None else self.targets[rows])

    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """The logits that an attack is shown for the model's outputs: a classifier's own."""
        return outputs

    def open(self, prediction: torch.Tensor) -> torch.Tensor:
        """Which samples there is something to do on: the clean prediction is right, and not the target already."""
        right = prediction == self.labels
        return right if self.targets is None else right & (prediction != self.targets)

    def margins(self, logits: torch.Tensor) -> torch.Tensor:
        """How far each sample's logits are from success, `(batch,)`; negative where it is reached."""
        if self.targets is None:
            return margins(logits, self.labels)
        return -margins(logits, self.targets)

    def reached(self, logits: torch.Tensor) -> torch.Tensor:
        """Whether each sample's prediction is a success, `(batch,)` bool; logits that are not numbers are none."""
        prediction = logits.argmax(1)
        success = prediction != self.labels if self.targets is None else prediction == self.targets
        return success & ~self.margins(logits).isnan()


def targets_of(target: str, fixed: int | None, clean_logits: torch.Tensor, ids: Sequence[str]) -> torch.Tensor | None:
    """The class that each sample is to be driven to, `(n,)`, or None for an untargeted attack.

    `target`: "" (none), "least-likely" (Kurakin et al. 2017: the class of the smallest clean logit), "random" (one of
    the classes that the model does not predict, a function of the sample's id alone), or a class word, whose index in
    the model's classes is `fixed`.
    """
    if not target:
        return None
    if target == "least-likely":
        return clean_logits.argmin(1)
    if target == "random":
        others = clean_logits.shape[1] - 1
        drawn = torch.tensor([key_of(f"target {name}") % others for name in ids], device=clean_logits.device)
        return drawn + (drawn >= clean_logits.argmax(1)).to(drawn.dtype)
    if fixed is None:
        raise ValueError(f"the class '{target}' was not looked up in the model's classes")
    return torch.full((len(ids),), fixed, dtype=torch.int64, device=clean_logits.device)


#: What an attack may raise; see `losses`. "ccc" is a property of the set, raised by the attack of that name alone.
LOSSES = ("squared", "valence-up", "valence-down", "arousal-up", "arousal-down", "quadrant", "ccc")
#: Error beyond which a prediction is not tolerated, where an attack needs a boundary and none is given: the
#: mean squared error over both dimensions of a prediction that is off by 0.3 in each.
TOLERANCE = 0.09
#: Added to both logits, which keeps them positive for predictions and truths in [-1, 1].
_LIFT = 10.0


def losses(outputs: torch.Tensor, values: torch.Tensor, loss: str) -> torch.Tensor:
    """The loss of each prediction, `(batch,)`, differentiable. `outputs`, `values`: `(batch, 2)`, predicted and true.

    "squared": mean squared error over both dimensions. "valence-up", "valence-down", "arousal-up", "arousal-down": how
    far the prediction lies above (below) the truth in that dimension. "quadrant": how far the prediction has crossed
    into another quadrant of the circumplex, the larger of -sign(truth) x prediction over both dimensions (a dimension
    whose truth is exactly 0 has no side to leave). "ccc": 0; its attack decides by itself.
    """
    if loss == "squared":
        return (outputs - values).square().mean(1)
    if loss == "quadrant":
        side = values.sign()
        crossed = torch.where(side == 0, torch.full_like(outputs, -2.0), -side * outputs)
        return crossed.amax(1)
    if loss == "ccc":
        return outputs.sum(1) * 0
    dimension, _, direction = loss.partition("-")
    error = (outputs - values)[:, 0 if dimension == "valence" else 1]
    return error if direction == "up" else -error


@dataclass(frozen=True)
class RegressionGoal(Goal):
    """The goal on a regressor: a loss above `tolerance`, or with `tolerance` None the largest loss there is.

    `labels` are zeros `(n,)`, the first of the two logits; `values` `(n, 2)` the truth.
    """

    values: torch.Tensor | None = None
    loss: str = "squared"
    tolerance: float | None = None

    def at(self, rows: torch.Tensor) -> RegressionGoal:
        """The goal of the samples `rows`."""
        assert self.values is not None
        return RegressionGoal(self.labels[rows], None, self.values[rows], self.loss, self.tolerance)

    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """The two logits `(batch, 2)` that stand for predictions `(batch, 2)`."""
        assert self.values is not None
        error = losses(outputs, self.values, self.loss)
        boundary = torch.full_like(error, self.tolerance or 0.0)
        return torch.stack([boundary, error], 1) + _LIFT

    def open(self, prediction: torch.Tensor) -> torch.Tensor:
        """Which samples there is something to do on: those within the tolerance; without one, all."""
        return prediction == 0 if self.tolerance is not None else torch.ones_like(prediction, dtype=torch.bool)


def regression_goal(values: torch.Tensor, loss: str, tolerance: float | None) -> RegressionGoal:
    """The goal on samples of true `values` `(n, 2)`."""
    labels = torch.zeros(len(values), dtype=torch.int64, device=values.device)
    return RegressionGoal(labels, None, values, loss, tolerance)
