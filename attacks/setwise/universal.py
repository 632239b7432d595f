"""One perturbation for a whole data set, fitted on one half and judged on the other. Card, fit and program.

Moosavi-Dezfooli et al., CVPR 2017, arXiv:1610.08401, named it; it is fitted as by Shafahi et al., AAAI 2020,
arXiv:1811.11304: sign steps on the sum of clipped cross-entropies over a block of images.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attacks.card import AttackCard
from attacks.parameters import alpha
from fer_bench.core.attack_spec import AttackSpec, Parameter
from fer_bench.engine.attack import SetView
from fer_bench.engine.draws import key_of
from fer_bench.engine.observer import Observer

#: Images a step: fixed, so that a step does not depend on the batch size that memory allows.
_BLOCK = 128
#: Cross-entropy above which an image pulls no more (the paper's beta), or else the easiest would decide alone.
_ENOUGH = 9.0


def halves(ids: tuple[str, ...]) -> torch.Tensor:
    """Which of two halves each sample is in, 0 or 1, `(n,)`: a function of its id alone."""
    return torch.tensor([key_of(f"half {name}") % 2 for name in ids], dtype=torch.int64)


def fit(spec: AttackSpec, view: SetView) -> torch.Tensor:
    """Every clean image plus the perturbation of the other half, `(n, channels, height, width)` in [0, 1].

    Samples of a class that the model lacks are not fitted on. A half to which there is no other gets no perturbation.
    """
    half = halves(view.shard.ids)
    proposals = view.shard.images.clone()
    for mine in (0, 1):
        delta = _perturbation(spec, view, ((half != mine) & (view.shard.labels >= 0)).nonzero().squeeze(1)).cpu()
        rows = (half == mine).nonzero().squeeze(1)
        proposals[rows] = (proposals[rows] + delta).clamp(0, 1)
    return proposals


def _perturbation(spec: AttackSpec, view: SetView, rows: torch.Tensor) -> torch.Tensor:
    """One perturbation `(1, channels, height, width)` for the samples at `rows`, from zero, within the Linf ball."""
    eps, step = spec.threat.eps, spec.number("alpha")
    delta = torch.zeros_like(view.images(torch.zeros(1, dtype=torch.int64)))
    for _ in range(spec.integer("epochs")):
        for start in range(0, len(rows), _BLOCK):
            slope = torch.zeros_like(delta)
            for part in view.batches(rows[start : start + _BLOCK]):
                images = view.images(part)
                mask = 1 if view.shard.mask is None else view.shard.mask[part].to(images)
                moved = (images + mask * delta).clamp(0, 1).requires_grad_()
                with torch.enable_grad():
                    losses = F.cross_entropy(view.outputs(moved).double(), view.labels(part), reduction="none")
                    (found,) = torch.autograd.grad(losses.clamp_max(_ENOUGH).sum(), moved)
                slope += (mask * found).sum(0, keepdim=True)
            delta = (delta + step * slope.sign()).clamp(-eps, eps)
    return delta


def _program(spec: AttackSpec, observer: Observer) -> None:
    observer.attack(lambda images, labels: observer.proposed())


CARDS = (
    AttackCard(
        name="universal",
        title="One perturbation for everybody, fitted on one half of the data and judged on the other",
        source="Moosavi-Dezfooli et al., CVPR 2017, arXiv:1610.08401; fitted as Shafahi et al., AAAI 2020, "
        "arXiv:1811.11304; own implementation",
        norms=("Linf",),
        parameters=(
            Parameter("epochs", 10, "passes over the half that it is fitted on", low=1, high=10_000),
            alpha("eps/4"),
        ),
        forwards="1, and epochs in the fit",
        backwards="epochs in the fit",
        program=_program,
        fit=fit,
        notes=(
            "Budget: the Linf ball, by one and the same perturbation for a half of the samples.",
            "The halves are made by the samples' ids; each half is judged under the perturbation of the other, so that "
            "nothing is judged that it was fitted on. A step is taken on 128 images.",
            "Depends on the whole data set: another n is another perturbation.",
        ),
    ),
)
