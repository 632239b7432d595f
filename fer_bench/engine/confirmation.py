"""What a shard's evaluation asks, what the bare model confirms, and what it cost. It runs no attack."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from fer_bench.core.attack_spec import AttackSpec
from fer_bench.engine import draws
from fer_bench.engine.attack import Program
from fer_bench.engine.goals import Goal
from fer_bench.engine.norms import norms, project
from fer_bench.engine.observer import Observer
from fer_bench.engine.shard import Shard


@dataclass(frozen=True)
class Trial:
    """Who is asked about what: one attack on the samples of one shard."""

    #: The bare model, prepared.
    model: nn.Module
    #: The samples.
    shard: Shard
    #: What counts as success on each.
    goal: Goal
    #: The attack's settings.
    spec: AttackSpec
    #: What carries the attack out.
    program: Program
    #: 63 bits that key its random draws.
    draw_seed: int
    #: What the model answers to the clean images, `(n, classes)` or `(n, 2)`.
    clean_outputs: torch.Tensor

    def ask(self, images: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The model's outputs for `images` of the samples `rows`, and whether each is a success.

        Where the largest loss is sought, a success is a larger one than on the clean image.
        """
        goal = self.goal.at(rows)
        with torch.no_grad(), draws.verdict():
            outputs: torch.Tensor = self.model(images)
        logits = goal.answer(outputs)
        if self.spec.record != "largest":
            return outputs, goal.reached(logits)
        if self.spec.loss == "ccc":
            return outputs, torch.ones_like(logits[:, 0], dtype=torch.bool)
        return outputs, goal.margins(logits) < goal.margins(goal.answer(self.clean_outputs[rows]))


@dataclass
class Effort:
    """What the attempts on a shard computed; the first three are tensors `(n,)` int64, one entry per sample."""

    #: Rows of attacks and confirmations; that of the clean prediction is not among them.
    forwards: torch.Tensor
    #: Gradients taken while the sample stood.
    backwards: torch.Tensor
    #: The forward query of its last attempt at which it first fell; 0: never.
    first_query: torch.Tensor
    #: All gradients that were computed.
    backward_rows: int = 0
    #: Of those, the ones that were zero although the model was not fooled.
    zero_gradient_rows: int = 0
    #: Of those, the ones that were not finite.
    bad_gradient_rows: int = 0

    @classmethod
    def of_nothing(cls, like: torch.Tensor) -> Effort:
        """Before the first attempt; `like` `(n,)` is on the device of the samples."""
        zeros = torch.zeros_like(like, dtype=torch.int64)
        return cls(zeros, zeros.clone(), zeros.clone())

    def add(self, rows: torch.Tensor, observer: Observer) -> None:
        """Adds an attempt on the samples `rows`, over now, that `observer` saw."""
        recording, gradients = observer.recording, observer.gradients
        self.forwards[rows] += recording.forwards
        self.backwards[rows] += recording.backwards
        self.first_query[rows] = recording.first_query
        self.backward_rows += gradients.rows
        self.zero_gradient_rows += int(gradients.zero_rows)
        self.bad_gradient_rows += int(gradients.bad_rows)


@dataclass(frozen=True)
class Confirmed:
    """What the bare model confirmed, one entry per sample; `confirm` writes into the tensors."""

    #: The adversarial images; the clean ones where none was confirmed.
    images: torch.Tensor
    #: What the model answers to `images`.
    outputs: torch.Tensor
    #: Whether an adversarial image was confirmed, bool.
    fooled: torch.Tensor
    #: The class that is predicted for it; -1 where there is none.
    prediction: torch.Tensor
    #: Size of its perturbation, float64.
    sizes: torch.Tensor
    #: Whether it still succeeds within the budget once it is rounded to 8 bits, bool.
    eight_bit: torch.Tensor

    @classmethod
    def of_nothing(cls, trial: Trial) -> Confirmed:
        """Before anything was confirmed."""
        labels = trial.shard.labels
        return cls(
            images=trial.shard.images.clone(),
            outputs=trial.clean_outputs.clone(),
            fooled=torch.zeros_like(labels, dtype=torch.bool),
            prediction=torch.full_like(labels, -1),
            sizes=torch.zeros_like(labels, dtype=torch.float64),
            eight_bit=torch.zeros_like(labels, dtype=torch.bool),
        )

    def confirm(
        self, trial: Trial, rows: torch.Tensor, candidates: torch.Tensor, declared: torch.Tensor
    ) -> torch.Tensor:
        """Asks the bare model about candidates, projected exactly into the budget; keeps those that still succeed.

        Each sample costs two rows. Returns which of them succeed, `(rows,)` bool. `rows`: whose candidates they are.
        `declared`: their sizes as the attack stated them, used where the budget is by construction.
        """
        part, threat = trial.shard.at(rows), trial.spec.threat
        images = project(candidates, part.images, threat, part.mask)
        outputs, fooled = trial.ask(images, rows)
        rounded = (images * 255).round() / 255
        _, rounded_fooled = trial.ask(rounded, rows)
        if threat.by_construction:
            sizes = rounded_sizes = declared
        else:
            sizes, rounded_sizes = (_sizes(made, part.images, threat.norm) for made in (images, rounded))
        within = rounded_sizes <= threat.eps + threat.tolerance
        won = rows[fooled]
        self.images[won] = images[fooled]
        self.fooled[won] = True
        self.outputs[won] = outputs[fooled]
        self.prediction[won] = trial.goal.at(rows).answer(outputs).argmax(1)[fooled]
        self.sizes[won] = sizes[fooled]
        self.eight_bit[won] = (rounded_fooled & within)[fooled]
        return fooled


def _sizes(images: torch.Tensor, clean: torch.Tensor, norm: str) -> torch.Tensor:
    return norms(images.to(torch.float64) - clean.to(torch.float64), norm)
