"""Valence-arousal regression under attack: what is lost, and how a regressor looks to an attack on classifiers.

A regressor answers `(batch, 2)`: valence and arousal in [-1, 1]. To an attack it shows two logits, (t + C, loss + C),
and label 0: the cross-entropy rises with the loss, so that attacks that raise it raise the regression error, and the
prediction changes exactly where the loss exceeds the tolerance t. It must know no attack. See docs/design/va.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fer_bench.shards import Goal

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
