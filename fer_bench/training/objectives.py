"""What a network learns: expressions by cross-entropy, or valence and arousal. It must know no training method."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F

from fer_bench.core.evalset import EvalSet
from fer_bench.core.model_card import Task
from fer_bench.errors import UsageError
from fer_bench.training.recipe import Recipe


class Objective(Protocol):
    """The losses of a task. `outputs` `(n, k)` are a network's answers in float32, `targets` what they should be."""

    task: Task

    def targets(self, data: EvalSet) -> torch.Tensor:
        """The targets of a data set, one row a sample."""
        ...

    def climb(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Per-sample loss that the inner maximisation climbs: `(n,)`."""
        ...

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss that the weights descend: a scalar."""
        ...

    def apart(self, outputs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Per-sample distance of two answers, as TRADES regularises it: `(n,)`. Gradients flow through both."""
        ...

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Per-sample merit whose mean is reported and chosen by, the larger the better: `(n,)`."""
        ...


class Expression:
    """Classification: cross-entropy; the score is 1 where the class is right."""

    task: Task = "expression"

    def targets(self, data: EvalSet) -> torch.Tensor:
        """int64 `(n,)`."""
        if bool((data.labels < 0).any()):
            raise UsageError(f"{data.source} has images without an expression; train on a set that labels them all.")
        return data.labels

    def climb(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of each sample."""
        return F.cross_entropy(outputs, targets, reduction="none")

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy."""
        return F.cross_entropy(outputs, targets)

    def apart(self, outputs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """KL(softmax(reference) || softmax(outputs))."""
        given = F.log_softmax(reference, 1)
        return F.kl_div(F.log_softmax(outputs, 1), given, reduction="none", log_target=True).sum(1)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """1 where the largest logit is the target's."""
        return (outputs.argmax(1) == targets).float()


class ValenceArousal:
    """Regression of valence and arousal in [-1, 1]; the score is minus the squared error."""

    task: Task = "va"

    def __init__(self, correlated: bool) -> None:
        self._correlated = correlated

    def targets(self, data: EvalSet) -> torch.Tensor:
        """float32 `(n, 2)`."""
        if data.values is None:
            raise UsageError(f"{data.source} states no valence and arousal; train a regressor on a set that does.")
        return data.values

    def climb(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Squared error, valence and arousal added: a loss of the sample alone, unlike a correlation."""
        return (outputs - targets).square().sum(1)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """MSE_v + MSE_a, and on top 0.5 (PCC loss + CCC loss), each 1 - the mean over valence and arousal."""
        error = (outputs - targets).square().mean(0).sum()
        if not self._correlated:
            return error
        pearson, concordance = correlations(outputs, targets)
        return error + 0.5 * ((1 - pearson.mean()) + (1 - concordance.mean()))

    def apart(self, outputs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Squared distance."""
        return (outputs - reference).square().sum(1)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Minus the squared error of each sample."""
        return -self.climb(outputs, targets)


def correlations(outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pearson's r and Lin's concordance of each column over the batch: `(columns,)`, `(columns,)`; differentiable.

    CCC = 2 cov / (var_x + var_y + (mean_x - mean_y)^2), all moments divided by n (Lin, Biometrics 1989). A column
    that does not vary has correlation 0.
    """
    centred, true = outputs - outputs.mean(0), targets - targets.mean(0)
    covariance = (centred * true).mean(0)
    own, other = centred.square().mean(0), true.square().mean(0)
    pearson = covariance / (own * other).clamp_min(1e-12).sqrt()
    gap = (outputs.mean(0) - targets.mean(0)).square()
    return pearson, 2 * covariance / (own + other + gap).clamp_min(1e-12)


def objective(task: Task, recipe: Recipe) -> Objective:
    """The losses of a task under a recipe."""
    recipe.fits(task)
    return Expression() if task == "expression" else ValenceArousal(recipe.va_loss == "mse+pcc+ccc")
